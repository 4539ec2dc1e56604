"""How applications get their IPv6 addresses: by advertisement, by DHCPv6, by both; and instances without IPv4 or a way out."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.lab import LabError, NoLease, NoLease6
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import GITHUB, GITHUB6, NET6, dual, fetched, only6, port6, settled, told
from tests.scenarios.world import World

pytestmark = pytest.mark.root
NET = IPv6Network(f"{NET6}::/64")
GATEWAY = NET[1]
DUID = "00:01:00:01:2a:bb:cc:dd:02:00:00:00:00:77"


@pytest.fixture
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2", "app3"):
            made.lab.app(name)
        made.apply(device(port6(0), port6(1)))
        yield made


def test_stateful(w: World) -> None:
    """With `stateful` a real DHCPv6 client gets the address that is written for it, by MAC or by DUID, and others one of the range."""
    range6 = f"{NET6}::2000-{NET6}::2fff"
    w.apply(
        dual(ipv6={"addressing": "stateful"}, dhcp={"range6": range6}),
        app("app1", "ni1", address6=f"{NET6}::77"),
        app("app2", "ni1", address6=f"{NET6}::88", duid=DUID),
        app("app3", "ni1"),
    )
    app1, app2, app3 = (w.lab.apps[name] for name in ("app1", "app2", "app3"))
    leases = app1.dhcp6(), app2.dhcp6(duid=DUID), app3.dhcp6()
    assert [lease.address for lease in leases[:2]] == [NET[0x77], NET[0x88]]
    assert NET[0x2000] <= (leases[2].address or NET[0]) <= NET[0x2FFF]
    said = app1.advertised()
    assert (said.managed, said.other, said.prefixes) == (True, True, {NET: False})
    for host, lease in zip((app1, app2, app3), leases, strict=True):
        assert lease.dns == (GATEWAY,)
        assert host.addresses6("eth0") == [f"{lease.address}/128"], "it made itself none"
        assert fetched(host, "github.com", 6) == "you are 2001:db8::2"
        told(w, "ni1", host.name, lease.address)
    w.eventually(
        lambda: app1.resolve("app3", str(GATEWAY), kind="AAAA") == [str(leases[2].address)], "AAAA of app3"
    )
    assert app1.resolve("app2", str(GATEWAY), kind="AAAA") == [f"{NET6}::88"]
    assert app3.ping(f"{NET6}::77")


def test_slaac_alone(w: World) -> None:
    """With `slaac` nobody answers DHCPv6, and the advertisement says so; names come by the advertisement."""
    w.apply(dual(ipv6={"addressing": "slaac"}), app("app1", "ni1"))
    app1 = w.lab.apps["app1"]
    assert settled(w, "ni1", "app1") in NET
    said = app1.advertised()
    assert (said.managed, said.other, said.prefixes, said.dns) == (False, False, {NET: True}, (GATEWAY,))
    with pytest.raises(NoLease6):
        app1.dhcp6(information=True, timeout=2)
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"


def test_ipv6_alone(w: World) -> None:
    """An instance without IPv4 gives no lease of it, and reaches what has an IPv6 address."""
    w.apply(only6(), app("app1", "ni1"), app("app2", "ni1"))
    app1 = w.lab.apps["app1"]
    settled(w, "ni1", "app1")
    six = settled(w, "ni1", "app2")
    with pytest.raises(NoLease):
        app1.dhcp(timeout=2)
    assert fetched(app1, "v6only.example", 6) == "you are 2001:db8::2"
    assert app1.resolve("app2", str(GATEWAY), kind="AAAA") == [str(six)]
    assert app1.resolve("app2", str(GATEWAY)) == []
    assert not app1.ping(GITHUB, timeout=1)
    w.apply(only6(), app("app1", "ni1"), app("app2", "ni1"))
    w.command("delete", "app", "app1")
    w.command("delete", "app", "app2")
    w.command("delete", "ni", "ni1")
    assert "ni1" not in w.sh(
        "ip netns; ip link; ip -6 rule; ip rule; ip -6 route show table all; ip route show table all"
    )
    assert w.pids("/ni1/") == []


def test_air_gapped(w: World) -> None:
    """Without ports there is no default route by IPv6: neighbours are reached, nothing leaves, and the device hears nothing."""
    w.apply(dual(ports=[]), app("app1", "ni1"), app("app2", "ni1"))
    app1 = w.lab.apps["app1"]
    settled(w, "ni1", "app1")
    six = settled(w, "ni1", "app2")
    said = app1.advertised()
    assert (said.lifetime, said.prefixes) == (0, {NET: True})
    assert "default" not in app1.run(["ip", "-6", "route"]).stdout
    assert app1.ping(str(six))
    assert app1.resolve("app2", str(GATEWAY), kind="AAAA") == [str(six)]
    # Also one who takes the gateway for a router without being told gets nowhere.
    app1.run(["ip", "-6", "route", "add", "default", "via", str(GATEWAY)])
    with w.lab.gw.capture("any", "ip6 and net fd00::/8") as left:
        assert not app1.ping(GITHUB6, timeout=1)
        assert not app1.ping("2001:db8::2", timeout=1)
        assert not app1.ping("2001:db8::1", timeout=1)
    assert left.stop() == []


def test_a_gateway_of_the_link(w: World) -> None:
    """A port whose IPv6 gateway is a link-local address works as any other."""
    w.apply(
        device(port6(0, gateways=["192.168.0.1", "fe80::1"]), port6(1, gateways=["192.168.1.1", "fe80::1"])),
        dual("ni1"),
        dual("ni2", ports=["eth1"]),
        app("app1", "ni1"),
        app("app2", "ni2"),
    )
    for number, name in enumerate(("app1", "app2")):
        settled(w, f"ni{number + 1}", name)
        outside = IPv6Address(f"2001:db8:{number}::2")
        assert fetched(w.lab.apps[name], "github.com", 6) == f"you are {outside}"
    assert w.lab.device.http(f"http://[{GITHUB6}]").startswith("I am github.com")


def test_an_address_of_one_s_own(w: World) -> None:
    """`address6` of an instance with advertisements: an application that takes it by itself has its name, too."""
    w.apply(dual(), app("app1", "ni1", address6=f"{NET6}::77"), app("app2", "ni1"))
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    settled(w, "ni1", "app2")
    app1.wait_link("eth0")
    app1.run(["sh", "-ec", f"ip link set eth0 up; ip -6 address add {NET6}::77/64 dev eth0"])
    assert app2.resolve("app1", str(GATEWAY), kind="AAAA") == [f"{NET6}::77"]
    app1.slaac()
    w.eventually(lambda: app2.ping(f"{NET6}::77"), "a ping")


def test_no_address_no_lie(w: World) -> None:
    """An instance of IPv4 alone advertises nothing: an application on it has a link-local address and no more."""
    w.apply(dual(subnets=["10.10.1.0/24"]), app("app1", "ni1"))
    app1 = w.lab.apps["app1"]
    app1.dhcp()
    with pytest.raises(LabError, match="no router advertises"):
        app1.advertised(timeout=1)
    assert w.pids("radvd") == []
