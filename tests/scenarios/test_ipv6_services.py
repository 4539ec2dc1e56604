"""What instances with IPv6 serve, by a running device: leases that change hands, the metadata service, another subnet."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import NET6, fetched, only6, port6, settled
from tests.scenarios.world import World

pytestmark = pytest.mark.root

LEASES = "/var/lib/netnsmgr/leases/ni1/dnsmasq.leases"
ON_LINK, ROUTED = "[fe80::a9fe:a9fe%25eth0]", "[fd00:ec2::254]"


@pytest.fixture
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.apply(device(port6(0), port6(1)))
        yield made


def leased(w: World) -> list[str]:
    """The IPv6 addresses that dnsmasq has given."""
    return [
        line.split()[2]
        for line in w.lab.path(LEASES).read_text().splitlines()
        if len(line.split()) == 5 and ":" in line.split()[2]
    ]


def asked(host: AppHost, where: str, path: str) -> str:
    argv = ["curl", "-sS", "-m", "5", "--retry", "9", "--retry-connrefused", f"http://{where}{path}"]
    return host.run(argv).stdout


def test_a_lease_changes_hands(w: World) -> None:
    """Of an application that has left nothing stays, and the address that it held is another's by a word of the user's.

    dnsmasq is told so by the agent as it is, with the privileges that it has kept.
    """
    stateful = only6(ipv6={"addressing": "stateful"})
    w.apply(stateful, app("app1", "ni1"), app("app2", "ni1"))
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    address = app1.dhcp6().address
    assert leased(w) == [str(address)]
    dnsmasq = w.pids("dnsmasq --conf-file=/run/netnsmgr/instances/ni1/etc/dnsmasq")
    w.command("delete", "app", "app1")
    w.eventually(lambda: leased(w) == [], "the lease of app1 is gone")
    second = app2.dhcp6().address
    w.eventually(lambda: leased(w) == [str(second)], "app2 has a lease")
    w.apply(app("app2", "ni1", address6=f"{NET6}::77"))
    w.eventually(lambda: leased(w) == [], "the lease of app2 is gone")
    assert str(app2.dhcp6().address) == f"{NET6}::77"
    w.eventually(lambda: leased(w) == [f"{NET6}::77"], "app2 has its own address")
    assert w.pids("dnsmasq --conf-file=/run/netnsmgr/instances/ni1/etc/dnsmasq") == dnsmasq


def test_metadata(w: World) -> None:
    """Each is told its own, at the address on the link and at the one behind the router, also where nothing leaves."""
    w.apply(only6(), app("app1", "ni1"), app("app2", "ni1"))
    for name in ("app1", "app2"):
        settled(w, "ni1", name)
    for name in ("app1", "app2"):
        host = w.lab.apps[name]
        for where in (ON_LINK, ROUTED):
            assert asked(host, where, "/eve/v1/hostname") == f"{name}\n"
    w.apply(only6(ports=[]))
    host = w.lab.apps["app1"]
    assert asked(host, ON_LINK, "/eve/v1/hostname") == "app1\n"
    # A route of an advertisement is for those that take more than a default one.
    host.run(["sh", "-ec", "echo 128 >/proc/sys/net/ipv6/conf/eth0/accept_ra_rt_info_max_plen"])
    assert host.advertised().lifetime == 0
    w.eventually(lambda: "fd00:ec2::254" in host.run(["ip", "-6", "route"]).stdout, "a route to the service")
    assert asked(host, ROUTED, "/eve/v1/hostname") == "app1\n"


def test_another_subnet(w: World) -> None:
    """Applications get an address of the new one and give the old one up, without being told by anybody else."""
    w.apply(only6(), app("app1", "ni1"))
    settled(w, "ni1", "app1")
    host = w.lab.apps["app1"]
    w.apply(only6(prefix6="fd00:20:2"))

    def moved() -> bool:
        shown = host.run(["ip", "-6", "address", "show", "dev", "eth0"]).stdout
        old = re.search(rf"inet6 {NET6}:.* deprecated ", shown)
        return bool(old and re.search(r"inet6 fd00:20:2:\S+ scope global dynamic", shown))

    w.eventually(moved, "the new address is there and the old one is deprecated")
    host.slaac(prefix="fd00:20:2::/64")
    assert fetched(host, "github.com", 6) == "you are 2001:db8::2"
