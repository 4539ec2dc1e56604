"""An application that floods harms only itself: its neighbour, and somebody in another instance, are served as before.

``python -m tests.floods`` measures the same for longer, and memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.floods.stage import FLOODS, Served, flooded, flooding, flows, stage
from tests.scenarios.documents import instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SECONDS = 1.5
SLOW = 150.0
"""Milliseconds in which half of all answers are there on a machine that is busy with other tests, too; mostly it is one."""


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with stage() as world:
        yield world


def fine(served: dict[str, Served]) -> None:
    """Nobody else lost more than an answer, nor waited long."""
    for who, kinds in served.items():
        for kind, found in kinds.items():
            assert found["lost"] <= 2, (who, kind, served)
            assert found["median"] < SLOW, (who, kind, served)


def told(w: World, what: str) -> None:
    """Status says what mallory does too much of, and an event said it, too; nothing of the others."""

    def seen() -> bool:
        reasons = w.interface("ni1", "mallory").get("reasons") or ()
        return any(reason.startswith("floods: ") and what in reason for reason in reasons)

    w.until(seen, f"mallory floods: {what}")
    assert w.interface("ni1", "mallory")["state"] == "ready"
    assert not w.interface("ni1", "alice")["reasons"]
    w.eventually(
        lambda: what in w.command("events", "--for", "mallory", code=None).stdout, "an event of the flood"
    )


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
    _, served = flooded(w, FLOODS[name], SECONDS)
    fine(served)
    told(w, what)


def test_leases_are_given(w: World) -> None:
    """While one asks for leases with all its might, its neighbour gets one."""
    sender = flooding(w, FLOODS["dhcp"], 3.0)
    time.sleep(0.5)
    begun = time.monotonic()
    w.lab.apps["alice"].dhcp("eth0")
    took = time.monotonic() - begun
    told(w, "DHCP messages")
    assert sender.wait(30) == 0
    assert took < 5, took


def test_flows(w: World) -> None:
    """Connection tracking, which all instances share in the device's root namespace, has no more flows than one may begin."""
    before = flows(w)
    sent, served = flooded(w, FLOODS["flows"], SECONDS)
    fine(served)
    # What may be begun at once, and in the seconds of the flood.
    most = 4 * 1000 + 1000 * (SECONDS + 4)
    assert flows(w) - before < most, sent
    told(w, "new flows")


def test_neighbours(w: World) -> None:
    """The neighbour table, which the whole machine shares, gets few entries from who has the gateway look for all addresses."""
    mallory = FLOODS["neighbours"]
    sender = flooding(w, mallory, SECONDS + 1)
    most = 0
    while sender.popen.poll() is None:
        most = max(most, int(w.sh("ip -4 neigh show dev bn0 nud all | wc -l", "ni1")))
    assert 50 < most < 500, (most, sender.output)
    told(w, "addresses a second")


def test_broadcasts(w: World) -> None:
    """What is for all reaches all, and not in any number."""
    alice = w.lab.apps["alice"]

    def heard() -> int:
        return int(alice.run(["cat", "/sys/class/net/eth0/statistics/rx_packets"]).stdout)

    before = heard()
    sent, served = flooded(w, FLOODS["broadcast"], SECONDS)
    fine(served)
    assert sent > 5000
    # 1000 at once and 500 a second; the rest is what alice has asked for herself.
    assert 900 < heard() - before < 1000 + 500 * (SECONDS + 6) + 3000
    told(w, "broadcasts")


def test_more_may_be_allowed(w: World) -> None:
    """The limits are fields of the instance; who may do more is not said to flood."""
    wide = {"subnets": ["10.10.0.0/16", "fd00:10::/64"], "dhcp": {"range": "10.10.1.50-10.10.1.150"}}
    w.apply(instance("ni1", **wide, limits={"newFlows": 1_000_000, "flows": 3000}))
    sender = flooding(w, FLOODS["flows"], SECONDS)
    assert sender.wait(30) == 0
    assert int(sender.output) > 5000
    assert 2000 < flows(w, "ni1") < 3000 + 3000
    w.apply(instance("ni1", **wide))
