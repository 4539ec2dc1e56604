"""What a switch tells of its applications' addresses: from the site's servers, and from themselves; also over a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root
NAMES = ("leased", "static", "slaac", "router")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(("eth0", "eth3"), dhcp_ports=("eth3",), ipv6=True) as world:
        for name in NAMES:
            world.lab.app(name)
        apps = [app(name, "sw", antiSpoofing=name != "router") for name in NAMES]
        world.apply(device(port(0), bare("eth3")), switch("sw", "eth3"), *apps)
        world.ready("sw")
        for name in NAMES:
            world.attached("sw", name)
        yield world


def rows(w: World, name: str) -> dict[str, dict[str, Any]]:
    return {row["address"]: row for row in w.interface("sw", name).get("addresses", [])}


def known(w: World, name: str, address: str, source: str) -> dict[str, Any]:
    """The row of an address that is known in this way; waits for it."""
    w.until(
        lambda: rows(w, name).get(address, {}).get("source") == source, f"{name} has {address} by {source}"
    )
    return rows(w, name)[address]


def test_a_lease_and_its_end(w: World) -> None:
    """To the minute, as the site's server said; and the servers of names that it told."""
    before = time.time()
    lease = w.lab.apps["leased"].dhcp("eth0")
    row = known(w, "leased", str(lease.address.ip), "dhcp")
    assert before + lease.seconds - 1 <= row["expires"] <= time.time() + lease.seconds + 60


def test_static_addresses(w: World) -> None:
    """They have no end: who has one is asked before it is forgotten."""
    host = w.lab.apps["static"]
    host.run(["sh", "-c", "ip link set eth0 up; ip address add 192.168.1.9/24 dev eth0"])
    assert host.eventually(lambda: host.ping("192.168.1.1"))
    assert known(w, "static", "192.168.1.9", "arp")["expires"] is None
    host.run(["ip", "address", "add", "fd00:77::9/64", "dev", "eth0"])
    assert known(w, "static", "fd00:77::9", "nd")["expires"] is None


def test_slaac(w: World) -> None:
    w.lab.segment("eth3").advertise(other=True)
    address = w.lab.apps["slaac"].slaac("eth0")
    known(w, "slaac", str(address), "nd")
    last = list(rows(w, "slaac").values())[-1]
    assert last["source"] == "link-local"


def test_dhcp6(w: World) -> None:
    segment = w.lab.segment("eth3")
    segment.advertise(managed=True)
    segment.serve_dhcp6()
    lease = w.lab.apps["slaac"].dhcp6("eth0")
    row = known(w, "slaac", str(lease.address), "dhcp6")
    assert row["expires"] <= time.time() + lease.valid + 60


def test_another_network_s_server_may_be_an_application(w: World) -> None:
    """One that may send for others gives an address; what it says of hosts behind it is nobody's."""
    w.lab.apps["router"].run(["sh", "-c", "ip link set eth0 up; ip address add 192.168.77.1/24 dev eth0"])
    assert not w.lab.apps["router"].ping("192.168.77.2")
    known(w, "router", "192.168.77.1", "arp")


def test_a_restart_forgets_nothing(w: World) -> None:
    """Neither of the switch's agent, nor of the daemon; a lease goes on counting."""
    if not rows(w, "static"):  # the tests before this one have not run
        test_static_addresses(w)
    before = {name: rows(w, name) for name in NAMES}
    w.kill_agent("sw")
    w.ready("sw")
    # One whose detection came before anybody listened may be known only now: more is not less.
    assert all(before[name].items() <= rows(w, name).items() for name in NAMES)
    w.crash()
    w.restart()
    w.ready("sw")
    w.until(
        lambda: all(before[name].items() <= rows(w, name).items() for name in NAMES),
        "all addresses are known again",
    )


def test_an_application_that_goes(w: World) -> None:
    w.put(remove=[app("static", "sw")])
    w.eventually(lambda: w.lab.apps["static"].link("eth0") is None, "the application is gone")
    w.put(app("static", "sw"))
    w.ready("sw")
    w.attached("sw", "static")
    assert "192.168.1.9" not in rows(w, "static")
