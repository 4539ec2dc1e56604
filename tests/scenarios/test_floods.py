"""An application that floods harms only itself: its neighbour, and somebody in another instance, are served as before.

``python -m tests.floods`` measures the same for longer, and memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.floods.stage import WIDE, Served, flooding, flows, served, stage
from tests.scenarios.documents import instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SECONDS = 1.5
SLOW = 150.0
"""Milliseconds in which half of all answers are there on a machine that is busy with other tests, too; mostly it is one."""


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with stage() as world:
        served(world, 1.0)  # the first request starts the metadata service
        yield world


def fine(found: dict[str, Served]) -> None:
    """Nobody else lost more than an answer, nor waited long."""
    for who, kinds in found.items():
        for kind, each in kinds.items():
            assert each["lost"] <= 2, (who, kind, found)
            assert each["median"] < SLOW, (who, kind, found)


def told(w: World, what: str, event: str = "") -> None:
    """Status says what mallory does too much of, and an event said it, too (in words of its time); nothing of the others."""

    def seen() -> bool:
        reasons = w.interface("ni1", "mallory").get("reasons") or ()
        return any(reason.startswith("floods: ") and what in reason for reason in reasons)

    w.until(seen, f"mallory floods: {what}")
    assert w.interface("ni1", "mallory")["state"] == "ready"
    assert not w.interface("ni1", "alice")["reasons"]
    w.eventually(
        lambda: (event or what) in w.command("events", "--for", "mallory", code=None).stdout,
        "an event of the flood",
    )


def test_neighbours(w: World) -> None:
    """The neighbour table, which the whole machine shares, gets few entries from who sends to all addresses of a port's segment.

    Before the tests after which mallory has all the flows that he may have.
    """
    most = 0
    with flooding(w, "neighbours") as sender:
        for _ in range(20):
            most = max(most, int(w.sh("ip -6 neigh show dev eth0 nud all | grep -vc ^ff || true")))
        fine(served(w, SECONDS))
        assert sender.popen.poll() is None
    # 200 at once, and 50 a second for the three seconds that each stays.
    assert 100 < most < 200 + 50 * 5 + 20


def test_more_may_be_allowed(w: World) -> None:
    """The limits are fields of the instance, and count at once, also for who has met the former ones."""
    with flooding(w, "flows"):
        told(w, "new flows")
    assert "ct count over 16384" in w.sh("nft list sets", "ni1")
    w.apply(instance("ni1", **(WIDE | {"limits": {"newFlows": 1_000_000, "flows": 3000}})))
    before = flows(w, "ni1")
    with flooding(w, "flows"):
        told(w, "or 3000 at a time", event="new flows")
    assert 2000 < flows(w, "ni1") - before < 3000 + 500
    assert "ct count over 16384" not in w.sh("nft list sets", "ni1")
    w.apply(instance("ni1", **WIDE))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("dns", "DNS server"),
        ("dns-silent", "DNS server"),
        ("dns-tcp", "DNS server"),
        ("metadata", "metadata service"),
        ("nd", "broadcasts"),
        ("arp", "broadcasts"),
    ],
)
def test_others_are_served(w: World, name: str, what: str) -> None:
    """DNS, the metadata service, connections and pings of others go on while what they share is flooded."""
    with flooding(w, name):
        fine(served(w, SECONDS))
        told(w, what)


def test_leases_are_given(w: World) -> None:
    """While one asks for leases with all its might, its neighbour gets one."""
    with flooding(w, "dhcp"):
        told(w, "DHCP messages")
        begun = time.monotonic()
        w.lab.apps["alice"].dhcp("eth0")
        took = time.monotonic() - begun
    assert took < 5, took


def test_flows(w: World) -> None:
    """Connection tracking, which all instances share in the device's root namespace, has no more flows than one may begin."""
    before, begun = flows(w), time.monotonic()
    with flooding(w, "flows"):
        fine(served(w, SECONDS))
        told(w, "new flows")
        now = flows(w)
    # What may be begun at once, and in the seconds of the flood.
    assert now - before < 4000 + 1000 * (time.monotonic() - begun) + 500


def test_broadcasts(w: World) -> None:
    """What is for all reaches all, and not in any number."""
    alice = w.lab.apps["alice"]

    def heard() -> int:
        return int(alice.run(["cat", "/sys/class/net/eth0/statistics/rx_packets"]).stdout)

    before, begun = heard(), time.monotonic()
    with flooding(w, "broadcast"):
        told(w, "broadcasts")
        now = heard()
        # 1000 at once and 500 a second, and what others say to her.
        assert 900 < now - before < 1000 + 500 * (time.monotonic() - begun) + 200
        fine(served(w, SECONDS))
