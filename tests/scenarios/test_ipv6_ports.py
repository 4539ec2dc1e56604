"""Ports that the site tells by IPv6: router advertisements, DHCPv6, and prefixes that are delegated to instances."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from tests.lab.router6 import Advertised, Served
from tests.scenarios.documents import Document, app, device, instance, port
from tests.scenarios.ipv6 import GITHUB6, dual, fetched, settled
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SITE = IPv6Network("2001:db8::/64")
POOL, OTHER_POOL = "2001:db8:d000::/56", "2001:db8:e000::/56"


def delegated(name: str = "ni1", prefix: str = "10.10.1", **spec: Any) -> Document:
    """A /24 beside a prefix that the site delegates."""
    return instance(name, prefix, **({"ipv6": {"uplink": "delegated"}} | spec))


def told(w: World, number: int = 0) -> dict[str, Any]:
    """What the device says of a port."""
    found: dict[str, Any] = w.device()["ports"][number]
    return found


def subnet6(w: World, name: str = "ni1") -> IPv6Network | None:
    """The IPv6 subnet of an instance, as it tells it."""
    found = [each for each in w.instance(name).get("subnets", ()) if ":" in each]
    return IPv6Network(found[0]) if found else None


def test_a_port_by_advertisements() -> None:
    """Address, routers and DNS servers are the advertised ones, also when forwarding is on; another router and another
    prefix are followed, and the device's own default route stays the kernel's."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        one = w.lab.app("app1")
        w.apply(device(port(slaac=True, dns=[])), dual(), app("app1", "ni1"))
        w.until(lambda: any(a.startswith("2001:db8::") for a in told(w)["addresses"]), "an address")
        w.until(lambda: told(w)["gateways"][-1] == "fe80::1", "a router")
        w.until(lambda: told(w)["dns"] == ["2001:db8::1"], "a DNS server")
        settled(w, "ni1", "app1")
        assert IPv6Address(fetched(one, "v6only.example", 6).removeprefix("you are ")) in SITE
        assert "proto ra" in w.sh("ip -6 route show default")
        assert w.sh("cat /proc/sys/net/ipv6/conf/eth0/accept_ra").strip() == "2"
        w.lab.router6.advertise(Advertised("eth0", router=0))
        w.until(lambda: "fe80::1" not in told(w)["gateways"], "the router is gone")
        w.eventually(lambda: "fe80::1" not in w.sh("ip -6 route show table 800"), "tables follow")
        w.lab.gw.run(["ip", "route", "add", "2001:db8:0:aaaa::/64", "dev", "eth0"])
        w.lab.router6.advertise(Advertised("eth0", prefixes=("2001:db8:0:aaaa::/64",)))
        w.until(lambda: told(w)["addresses"][-1].startswith("2001:db8::"), "the new address comes first", 30)
        w.eventually(lambda: one.ping(GITHUB6), "the way is back", 30)


def test_a_delegated_prefix() -> None:
    """Two instances get a /64 each and keep it over a renewal, which changes nothing; the outside reaches applications
    by it.  When another prefix is delegated applications are told to leave the old one, which goes on meanwhile."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.lab.router6.serve_dhcp6(Served("eth0", delegate=POOL, length=60, lease=40, preferred=16))
        one = w.lab.app("app1")
        w.apply(device(port(slaac=True, dhcp6=True, dns=[])), delegated(), delegated("ni2", "10.10.2"))
        w.apply(app("app1", "ni1"))
        first, second = subnet6(w), subnet6(w, "ni2")
        assert first is not None
        assert second is not None
        assert first != second
        assert first.subnet_of(IPv6Network(POOL))
        assert any(a.endswith("/128") for a in told(w)["addresses"])
        (whole,) = told(w)["delegated"]
        assert whole in w.command("get", "devices", "-o", "wide").stdout
        assert all(subnet.subnet_of(IPv6Network(whole)) for subnet in (first, second))
        w.lab.router6.route(POOL, "eth0")
        w.lab.router6.route(OTHER_POOL, "eth0")
        address = settled(w, "ni1", "app1")
        assert address in first
        assert fetched(one, "v6only.example", 6) == f"you are {address}"
        server = one.serve_http()
        assert w.lab.internet.http(f"http://[{address}]").startswith("I am app1, you are 2001:db8:ffff::")
        # The rest of what is delegated ends here, and does not come back.
        assert "No route" in w.sh(f"ip -6 route get {IPv6Network(POOL)[-1]} 2>&1 || true")

        since = w.mark()
        before = w.sh("cat /run/netnsmgr/instances/uplink/prefixes.json")
        w.eventually(
            lambda: w.sh("cat /run/netnsmgr/instances/uplink/prefixes.json") != before, "a renewal", 30
        )
        w.looked("uplink", since)
        assert w.operations(since) == []

        w.lab.router6.serve_dhcp6(
            Served("eth0", delegate=OTHER_POOL, length=60, lease=600, preferred=300), forget=True
        )
        w.until(lambda: (now := subnet6(w)) and now.subnet_of(IPv6Network(OTHER_POOL)), "the new prefix", 60)
        # Told at once; whoever has missed that hears of it with the next advertisement.
        after = one.slaac(prefix=OTHER_POOL, timeout=110.0)
        shown = w.lab.apps["app1"].run(["ip", "-6", "address", "show", "dev", "eth0"]).stdout
        old = next(line for line in shown.splitlines() if str(address) in line)
        assert "deprecated" in old
        assert fetched(one, "v6only.example", 6) == f"you are {after}"
        assert w.lab.internet.http(f"http://[{address}]").startswith("I am app1")
        server.stop()


def test_too_little_is_delegated() -> None:
    """With a /64 one instance has it, and another says who does; a restart and a deleted neighbour change nothing."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.put(device(port(dns=[])), delegated())
        said = "pending: prefix of port eth0 (asked for by DHCPv6; no answer yet)"
        w.until(lambda: said in w.instance("ni1").get("reasons", ()), said)
        w.lab.router6.serve_dhcp6(Served("eth0", addresses=False, delegate="2001:db8:d000::/60", length=64))
        w.ready("ni1")
        had = subnet6(w)
        w.put(delegated("ni2", "10.10.2"))
        said = f"prefix of port eth0 (delegated {had} has room for 1 instance; ni1 has it)"
        w.until(lambda: said in str(w.instance("ni2").get("reasons")), said)
        w.kill_agent("uplink")
        w.ready("ni1")
        assert subnet6(w) == had
        w.put(remove=[delegated()])
        w.until(lambda: subnet6(w, "ni2") == had, "ni2 has what ni1 had")


def test_a_delegated_prefix_outside_alone() -> None:
    """With npt and no prefix applications keep their own, and the outside knows them by the delegated one."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.lab.router6.serve_dhcp6(Served("eth0", delegate=POOL, length=60))
        one = w.lab.app("app1")
        w.apply(device(port(dhcp6=True, dns=[])), dual(ipv6={"uplink": "npt"}), app("app1", "ni1"))
        w.lab.router6.route(POOL, "eth0")
        inner = settled(w, "ni1", "app1")
        w.until(lambda: told(w)["dns"] == ["2001:db8::1"], "a DNS server")
        seen = IPv6Address(fetched(one, "v6only.example", 6).removeprefix("you are "))
        assert seen in IPv6Network(POOL)
        assert int(seen) & 0xFFFFFFFFFFFFFFFF == int(inner) & 0xFFFFFFFFFFFFFFFF
        server = one.serve_http()
        assert w.lab.internet.http(f"http://[{seen}]").startswith("I am app1")
        server.stop()
        # No other address than DHCPv6's.
        assert [a for a in told(w)["addresses"] if ":" in a and not a.endswith("/128")] == []


def test_the_client_goes_on_without_its_agent_and_ends_with_its_port() -> None:
    """A killed agent finds dhcpcd and the lease again and changes nothing; a port that wants none has no dhcpcd."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.lab.router6.serve_dhcp6(Served("eth0", delegate=POOL, length=60))
        w.apply(device(port(dhcp6=True)), delegated())
        had, clients = subnet6(w), w.pids("^dhcpcd: eth0")
        assert clients
        since = w.mark()
        w.kill_agent("uplink")
        w.looked("uplink", since)
        assert (w.operations(since), subnet6(w), w.pids("^dhcpcd: eth0")) == ([], had, clients)
        (shell,) = w.pids("^sh /run/netnsmgr/instances/uplink/etc/dhcp6-eth0")
        w.kill(shell)
        w.eventually(lambda: (now := w.pids("^dhcpcd: eth0")) and now != clients, "another dhcpcd")
        assert subnet6(w) == had
        w.apply(device(port()), instance("ni1"))
        w.eventually(lambda: not w.pids("^dhcpcd"), "dhcpcd has ended")
        assert not any(":" in address for address in told(w)["addresses"])
        assert "unreachable" not in w.sh("ip -6 route show table main")
        # The same comes again.
        w.apply(device(port(dhcp6=True)), delegated())
        assert subnet6(w) == had


def test_as_found() -> None:
    """A port that the kernel has configured by advertisements goes on to hear them when the device forwards."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.sh("ip link set eth0 up")
        w.lab.device.wait_address6("eth0")
        w.eventually(lambda: "fe80::1" in w.sh("ip -6 route show default"), "a router")
        assert w.sh("cat /proc/sys/net/ipv6/conf/eth0/accept_ra").strip() == "1"
        one = w.lab.app("app1")
        w.apply(device({"name": "eth0", "dns": ["2001:db8::1"]}), dual(), app("app1", "ni1"))
        assert w.sh("cat /proc/sys/net/ipv6/conf/all/forwarding").strip() == "1"
        assert "fe80::1" in w.sh("ip -6 route show default")
        settled(w, "ni1", "app1")
        assert IPv6Address(fetched(one, "v6only.example", 6).removeprefix("you are ")) in SITE


def test_a_prefix_is_wanted_later() -> None:
    """A port that has its address already gets a prefix, too, as soon as an instance wants one."""
    with World(("eth0",), ipv6=True) as w:
        w.lab.router6.advertise(Advertised("eth0"))
        w.lab.router6.serve_dhcp6(Served("eth0", delegate=POOL, length=60))
        w.apply(device(port(dhcp6=True)), dual())
        w.until(lambda: any(":" in a for a in told(w)["addresses"]), "an address")
        had = told(w)["addresses"]
        w.apply(dual(subnets=["10.10.1.0/24"], ipv6={"uplink": "delegated"}))
        found = subnet6(w)
        assert found is not None
        assert found.subnet_of(IPv6Network(POOL))
        assert told(w)["addresses"] == had


def test_by_the_port_that_gave_the_prefix() -> None:
    """Of two ports an instance leaves by the first one; with a delegated prefix, by the one whose network gave it.  A link
    that is away for a moment changes no prefix."""
    with World(ipv6=True) as w:
        w.lab.router6.advertise("eth0", "eth1")
        w.lab.router6.serve_dhcp6(Served("eth1", delegate=POOL, length=60))
        one, two = w.lab.app("app1"), w.lab.app("app2")
        both: dict[str, Any] = {"ports": ["eth0", "eth1"]}
        w.apply(
            device(port(slaac=True), port(1, slaac=True)),
            delegated(**both),
            dual("ni2", "10.10.2", **both),
            app("app1", "ni1"),
            app("app2", "ni2"),
        )
        w.lab.router6.route(POOL, "eth1")
        address = settled(w, "ni1", "app1")
        with w.lab.gw.capture("eth1", f"ip6 and src host {address}") as seen:
            # A prefix may be there before the router of its port is.
            w.eventually(lambda: one.ping(GITHUB6), "a way out")
        assert seen.stop()
        settled(w, "ni2", "app2")
        assert IPv6Address(fetched(two, "v6only.example", 6).removeprefix("you are ")) in SITE
        # The kernel forgets the addresses and routes of a link that goes down.
        w.sh("ip link set eth1 down")
        w.eventually(lambda: one.ping(GITHUB6, timeout=1), "the way is back", 30)
        assert address in (subnet6(w) or SITE)
