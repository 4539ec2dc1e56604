"""Records of ports that somebody else wrote: an alias is what whoever has a link says, and nobody is believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netnsmgr.items.port_record import RECORD, Record
from tests.scenarios.documents import bare, device, port, switch
from tests.scenarios.lent import links
from tests.scenarios.world import World

pytestmark = pytest.mark.root

BOTH = device(port(0), bare("eth3"))


@pytest.fixture
def w() -> Iterator[World]:
    with World(("eth0", "eth3")) as made:
        yield made


def forged(instance: str, name: str, alias: str = "") -> str:
    """What a record of a port looks like, under a seal of no key."""
    content = Record(instance, name, True, 1400, "02:00:00:00:00:99", True, alias).content
    return f"{RECORD}{'0' * 16}:{content}"


def label(w: World, link: str, alias: str, network: str | None = None) -> None:
    w.sh(f"ip link set {link} alias '{alias}'", network)


def test_a_namespace_that_has_the_name_of_a_switch(w: World) -> None:
    """Whatever its links say, it is not taken: nothing is made in it, nothing comes out of it, and no port goes there."""
    w.sh(
        "ip netns add ni9; ip -n ni9 link add bait type veth peer name bait2; ip -n ni9 link add eth3 type bridge"
    )
    label(w, "bait", forged("ni9", "x"), "ni9")
    label(w, "eth3", forged("ni9", "eth3"), "ni9")
    before = w.sh("ip -n ni9 link; ip -n ni9 addr")
    w.put(BOTH, switch("ni9", "eth3"), switch("ni6"))
    w.ready("ni6")
    words = "a network namespace ni9 exists already and is not netnsmgr's"
    w.until(lambda: words in (w.agent("ni9").get("cause") or ""), words)
    # A change later: the uplink agent has been at work since.
    w.put(switch("ni7"))
    w.ready("ni7")
    assert w.sh("ip -n ni9 link; ip -n ni9 addr") == before
    assert "x" not in links(w)
    assert RECORD not in links(w)["eth3"].get("ifalias", "")
    w.sh("ip netns del ni9")
    w.ready("ni9")
    assert "eth3" in links(w, "ni9")


def test_links_of_the_root_namespace(w: World) -> None:
    """One that says that it is a port stays what it is, whether that port is there, missing, or another switch's."""
    w.sh("ip link add junk0 type veth peer name junk1; ip link add junk2 type veth peer name junk3")
    w.sh("ip link add junk4 type veth peer name junk5")
    label(w, "junk0", forged("", "eth9", "netnsmgr:x"))
    label(w, "junk2", forged("sw2", "eth8"))
    label(w, "junk4", forged("sw1", "eth3"))
    before = [links(w)[f"junk{number}"] for number in (0, 2, 4)]
    ports = device(port(0), bare("eth3"), bare("eth8"))
    w.put(ports, switch("sw1", "eth3"), switch("sw2", "eth8"))
    w.ready("sw1")
    w.until(lambda: "pending: port eth8" in w.instance("sw2").get("reasons", ()), "eth8 is missed")
    assert [links(w)[f"junk{number}"] for number in (0, 2, 4)] == before
    w.put(remove=[switch("sw1", "eth3")])
    w.until(lambda: not w.instance("sw1"), "sw1 is gone")
    w.eventually(lambda: "ifalias" not in links(w).get("eth3", {"ifalias": ""}), "eth3 is as found")
    assert [links(w)[f"junk{number}"] for number in (0, 2, 4)] == before


def test_a_port_that_came_back_with_a_record_of_somebody_elses(w: World) -> None:
    """It is not moved on the strength of that; the switch says what is in the way, and has it when that is gone."""
    alias = forged("sw1", "eth9")
    label(w, "eth3", alias)
    before = links(w)["eth3"]
    w.put(BOTH, switch("sw1", "eth3"))
    words = "pending: port eth3 has a record of a port in its alias that this device's netnsmgr did not write"
    w.until(lambda: any(each.startswith(words) for each in w.instance("sw1").get("reasons", ())), words)
    assert links(w)["eth3"] == before
    # Of a link that is down the kernel does not tell that its alias has changed (netdev_state_change).
    w.sh("ip link set eth3 alias ''; ip link set eth3 up")
    w.ready("sw1")


def test_the_secret_outlives_the_run_directory(w: World) -> None:
    """Only root reads it, and a daemon that knows nothing else knows the ports that are away."""
    found = links(w)["eth3"]
    w.apply(BOTH, switch("sw1", "eth3"))
    w.crash()
    w.sh("rm -rf /run/netnsmgr")
    w.restart()
    w.ready("sw1")
    w.put(device(port(0)), remove=[switch("sw1", "eth3")])
    w.until(lambda: not w.instance("sw1"), "sw1 is gone")
    w.eventually(
        lambda: links(w).get("eth3", {}).get("flags") == found["flags"] and "ifalias" not in links(w)["eth3"],
        "eth3 is as found",
    )
