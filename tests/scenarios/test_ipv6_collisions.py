"""Instances with the same IPv6 subnet, and with that of a port: each works, and leaves by its own port."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Interface, IPv6Network

import pytest

from tests.lab.observe import overheard
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import dual, fetched, only6, port6, settled
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root
#: The subnet of the port eth0, gateway and all.
PORTS = "2001:db8:0:0"
NAMES = ("app1", "app2", "app3")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """ni1 and ni2 lie in the subnet of their own port eth0, ni3 in that same one of the other port."""
    with World(ipv6=True) as made:
        for name in NAMES:
            made.lab.app(name)
        made.apply(
            device(port6(0), port6(1)),
            dual("ni1", "192.168.0", PORTS, dhcp={}),
            only6("ni2", PORTS),
            dual("ni3", "192.168.0", PORTS, ports=["eth1"], dhcp={}),
            *(app(name, name.replace("app", "ni")) for name in NAMES),
        )
        for name in NAMES:
            settled(made, name.replace("app", "ni"), name)
        yield made


def test_each_leaves_by_its_own_port(w: World) -> None:
    """Three instances with one IPv6 subnet reach the internet by name at once; the server sees the port of each."""
    ways = {"app1": "2001:db8::2", "app2": "2001:db8::2", "app3": "2001:db8:1::2"}
    for name, seen in ways.items():
        host = w.lab.apps[name]
        assert all(IPv6Interface(one) in IPv6Network(f"{PORTS}::/64") for one in host.addresses6("eth0"))
        assert fetched(host, "github.com", 6) == f"you are {seen}"
        assert len(host.http("http://google.com/bytes/1000000", family=6)) == 1_000_000


def test_the_site_is_still_the_site_s(w: World) -> None:
    """The device reaches its router, whose address is each instance's gateway, too."""
    assert w.lab.device.ping("2001:db8::1")
    assert w.lab.device.http("http://[2001:db8:ffff::80]") == "I am github.com, you are 2001:db8::2\n"
    for name in ("ni1", "ni2", "ni3"):
        assert w.lab.instance(name).ping("2001:db8::1")  # its own


def test_nobody_hears_another(w: World) -> None:
    """Of what applications with one prefix say, each instance and port carries its own alone."""
    app1, app3 = w.lab.apps["app1"], w.lab.apps["app3"]
    places = {f"ni{n}": (w.lab.instance(f"ni{n}"), "any") for n in (1, 2, 3)}
    places |= {"eth0": (w.lab.gw, "eth0"), "eth1": (w.lab.gw, "eth1")}

    def talk() -> None:
        for turn in range(3):
            for host in (app1, app3):
                host.http(f"http://github.com/spoken-by-{host.name}-{turn}", family=6)

    heard = overheard(places, talk)
    assert heard == {
        "ni1": "app1 only",
        "ni2": "nobody",
        "ni3": "app3 only",
        "eth0": "app1 only",
        "eth1": "app3 only",
    }


def test_one_that_goes_disturbs_no_other(w: World) -> None:
    """Deleting an instance with the same subnet costs the others no packet and leaves nothing behind."""
    with Flow(w.lab.apps["app1"], "2001:db8:ffff::81") as flow:
        w.command("delete", "app", "app2")
        w.command("delete", "ni", "ni2")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    shown = w.sh("ip netns; ip link; ip -6 rule; ip -6 route show table all; nft list ruleset")
    assert "ni2" not in shown
    assert w.pids("/ni2/") == []
