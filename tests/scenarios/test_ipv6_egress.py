"""Ways out by IPv6 that are not hidden behind an address of the device: translated by prefix, routed, by proxy."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.kernel.frames6 import ICMP6, UDP, ethernet, icmp, packet, udp
from tests.lab import HttpFailed
from tests.scenarios.documents import app, device
from tests.scenarios.frames import mac, send
from tests.scenarios.ipv6 import GITHUB6, NET6, dual, fetched, port6, settled
from tests.scenarios.world import World

pytestmark = pytest.mark.root

OUTER = "2001:db8:5::/64"
INTERNET6 = "2001:db8:ffff::86"


def mapped(address: IPv6Address, prefix: str) -> IPv6Address:
    """The same host in another prefix of 64 bits."""
    return IPv6Network(prefix)[int(address) & ((1 << 64) - 1)]


def test_prefix_to_prefix() -> None:
    """With npt each application has an address of its own outside, by which it is also reached."""
    with World(("eth0",), ipv6=True) as w:
        one = w.lab.app("app1")
        w.apply(device(port6()), dual(ipv6={"uplink": "npt", "prefix": OUTER}), app("app1", "ni1"))
        w.lab.router6.route(OUTER, "eth0")
        inner = settled(w, "ni1", "app1")
        outer = mapped(inner, OUTER)
        assert fetched(one, "v6only.example", 6) == f"you are {outer}"
        server = one.serve_http()
        assert w.lab.internet.http(f"http://[{outer}]") == f"I am app1, you are {INTERNET6}\n"
        assert w.lab.device.http(f"http://[{outer}]").startswith("I am app1")
        server.stop()
        one.dhcp("eth0")
        assert fetched(one, "v4only.example", 4) == "you are 192.168.0.2"


def test_routed() -> None:
    """A routed subnet is seen as it is, both ways; what is not the instance's own leaves by no port."""
    with World(("eth0", "eth1"), ipv6=True) as w:
        one = w.lab.app("app1")
        w.apply(
            device(port6(), port6(1)),
            dual(ipv6={"uplink": "routed"}),
            app("app1", "ni1"),
        )
        w.lab.router6.route(f"{NET6}::/64", "eth0")
        address = settled(w, "ni1", "app1")
        assert fetched(one, "v6only.example", 6) == f"you are {address}"
        server = one.serve_http()
        assert w.lab.internet.http(f"http://[{address}]").startswith("I am app1")
        # By its own port only.
        w.lab.router6.route(f"{NET6}::/64", "eth1")
        with pytest.raises(HttpFailed):
            w.lab.internet.http(f"http://[{address}]", timeout=1.0)
        w.lab.router6.route(f"{NET6}::/64", "eth0")
        # The instance itself sends in a stranger's name.
        w.sh("ip -6 address add 2001:db8:bad::1/128 dev lo nodad", "ni1")
        with w.lab.gw.capture("eth0", "ip6 and src host 2001:db8:bad::1") as seen:
            w.sh(f"ping -n -c 2 -i 0.2 -W 1 -I 2001:db8:bad::1 {GITHUB6} || true", "ni1")
            assert w.lab.device.ping("2001:db8::1")
        assert seen.stop() == []
        server.stop()


def test_neighbours_of_the_port() -> None:
    """With ndpProxy the device answers for applications' addresses on the port's own network, and for no others."""
    with World(("eth0",), ipv6=True) as w:
        one = w.lab.app("app1")
        inside = "2001:db8:0:0:8000::/80"
        stateful = {"uplink": "ndpProxy", "addressing": "stateful"}
        w.apply(
            device(port6()),
            dual(subnets=["10.10.1.0/24", inside], ipv6=stateful),
            app("app1", "ni1"),
        )
        one.wait_link("eth0")
        lease = one.dhcp6()
        assert lease.address is not None
        assert lease.address in IPv6Network(inside)
        w.until(
            lambda: str(lease.address) in str(w.interface("ni1", "app1").get("addresses")),
            "the address is told",
        )
        w.eventually(lambda: str(lease.address) in w.sh("ip -6 neigh show proxy"), "the device answers")
        router = one.advertised().router
        one.run(["ip", "-6", "route", "replace", "default", "via", str(router), "dev", "eth0"])
        assert fetched(one, "v6only.example", 6) == f"you are {lease.address}"
        server = one.serve_http()
        assert w.lab.internet.http(f"http://[{lease.address}]").startswith("I am app1")
        server.stop()
        assert not w.lab.gw.ping(str(lease.address + 1), timeout=1)
        w.put(remove=[app("app1", "ni1")])
        w.eventually(lambda: not w.sh("ip -6 neigh show proxy"), "no answer any more")


def test_two_ports_with_the_same_prefix_behind_them() -> None:
    """Two instances have the same routed subnet, each by a port of its own: each port leads to its own."""
    with World(("eth0", "eth1"), ipv6=True) as w:
        one, two = w.lab.app("app1"), w.lab.app("app2")
        routed = {"uplink": "routed"}
        w.apply(
            device(port6(), port6(1)),
            dual(ipv6=routed),
            dual("ni2", "10.10.2", ipv6=routed, ports=["eth1"]),
            app("app1", "ni1"),
            app("app2", "ni2"),
        )
        first, second = settled(w, "ni1", "app1"), settled(w, "ni2", "app2")
        servers = [one.serve_http(), two.serve_http()]
        for port, address, host in (("eth0", first, one), ("eth1", second, two)):
            w.lab.router6.route(f"{NET6}::/64", port)
            assert w.lab.internet.http(f"http://[{address}]").startswith(f"I am {host.name}")
            assert fetched(host, "v6only.example", 6) == f"you are {address}"
        for server in servers:
            server.stop()


def test_no_open_router() -> None:
    """Forwarding is on for the instances: nothing goes from port to port, nor to an instance behind an address of the
    device, and an instance may only ping the device.  It is left on when the last one goes; still nothing goes through."""
    with World(("eth0", "eth1"), ipv6=True) as w:
        one = w.lab.app("app1")
        w.apply(device(port6(), port6(1)), dual(), app("app1", "ni1"))
        address = settled(w, "ni1", "app1")
        beyond = "2001:db8:77::1"
        w.lab.router6.route("2001:db8:77::/64", "eth0")
        w.lab.router6.route(f"{NET6}::/64", "eth0")
        w.sh("ip -6 route add 2001:db8:77::/64 via 2001:db8:1::1 dev eth1")
        server, own = one.serve_http(), w.lab.device.serve_http(8080)
        with w.lab.gw.capture("eth1", f"ip6 and dst host {beyond}") as seen:
            assert not w.lab.internet.ping(beyond, timeout=1)
        assert seen.stop() == []
        with pytest.raises(HttpFailed):
            w.lab.internet.http(f"http://[{address}]", timeout=1.0)
        with pytest.raises(HttpFailed):
            w.lab.instance("ni1").http("http://[fd6e:6d00::]:8080", timeout=1.0)
        assert w.lab.instance("ni1").ping("fd6e:6d00::")
        one.dhcp("eth0")
        for asked in ("2001:db8::2", "192.168.0.2"):
            assert one.ping(asked)
        for each in (server, own):
            each.stop()
        w.command("delete", "app", "app1")
        w.command("delete", "ni", "ni1")
        for restarted in (False, True):
            if restarted:
                w.crash()
                w.restart()
            w.eventually(lambda: "netnsmgr_between" in w.sh("nft list tables"), "what is left")
            assert "netnsmgr_uplink" not in w.sh("nft list tables")
            assert w.sh("cat /proc/sys/net/ipv6/conf/all/forwarding").strip() == "1"
            with w.lab.gw.capture("eth1", f"ip6 and dst host {beyond}") as seen:
                assert not w.lab.internet.ping(beyond, timeout=1)
            assert seen.stop() == []


def test_nobody_outside_is_inside() -> None:
    """A neighbour of the port writes addresses of the device's links, and of applications, as its own: the lists do not
    take it for these.  What conntrack takes for no beginning of a flow goes from port to port as little."""
    with World(("eth0", "eth1"), ipv6=True) as w:
        one, two = w.lab.app("app1"), w.lab.app("app2")
        rules = [{"id": 1, "match": {"eidset": True}}, {"id": 2, "match": {"ip": "2001:db8:66::1"}}]
        w.apply(
            device(port6(), port6(1)),
            dual(ipv6={"uplink": "routed"}),
            app("app1", "ni1", acl=rules),
            app("app2", "ni1"),
        )
        address, other = settled(w, "ni1", "app1"), settled(w, "ni1", "app2")
        link = mac(w.lab.device, "eth0"), mac(w.lab.gw, "eth0")

        def sent(source: object, target: object, last: int, payload: bytes) -> None:
            send(w.lab.gw, ethernet(*link, packet(str(source), str(target), last, payload, hops=64)))

        with one.capture("eth0", "udp port 5001") as heard:
            for source in ("fd6e:6d00::", "fd6e:6d00::1", other, f"{NET6}::1"):
                sent(source, address, UDP, udp(5000, 5001, b"forged"))
            sent("2001:db8:66::1", address, UDP, udp(5000, 5001, b"honest"))
            assert one.eventually(lambda: b"honest" in heard.file.read_bytes())
        assert b"forged" not in heard.file.read_bytes()
        with w.lab.gw.capture("eth1", "src host 2001:db8::1") as seen:
            for kind in (1, 129, 130, 133, 135, 137, 200):
                sent("2001:db8::1", "2001:db8:1::1", ICMP6, icmp(kind, bytes(56)))
            assert w.lab.device.ping("2001:db8:1::1")
        assert seen.stop() == []
        assert two.ping(str(address))
