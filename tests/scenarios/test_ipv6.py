"""An instance with both families: addresses, names, neighbours, and the internet by each of them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import GITHUB6, NET6, dual, fetched, port6, settled
from tests.scenarios.traffic import Flow, Watch
from tests.scenarios.world import World

pytestmark = pytest.mark.root
DOCUMENTS = (device(port6(0), port6(1)), dual(), app("app1", "ni1"), app("app2", "ni1"))
GATEWAY = f"{NET6}::1"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.apply(*DOCUMENTS)
        for name in ("app1", "app2"):
            made.leased("ni1", name)
            settled(made, "ni1", name)
        yield made


@pytest.fixture
def app1(w: World) -> AppHost:
    return w.lab.apps["app1"]


def own(host: AppHost) -> IPv6Address:
    return IPv6Address(host.addresses6("eth0")[0].partition("/")[0])


def test_both_families_reach_the_internet_by_name(w: World, app1: AppHost) -> None:
    """curl -4 and curl -6 by the same name each leave by the instance's port with that port's address."""
    assert own(app1) in IPv6Network(f"{NET6}::/64")
    assert fetched(app1, "github.com", 4) == "you are 192.168.0.2"
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"
    assert fetched(app1, "v6only.example", 6) == "you are 2001:db8::2"
    assert fetched(app1, "v4only.example", 4) == "you are 192.168.0.2"
    assert len(app1.http("http://google.com/bytes/1000000", family=6)) == 1_000_000
    assert app1.ping(GITHUB6, count=3)


def test_what_the_router_advertises(w: World, app1: AppHost) -> None:
    """One advertisement says: this prefix, make yourself an address, this name server; options by DHCPv6; a default route."""
    said = app1.advertised()
    assert said.prefixes == {IPv6Network(f"{NET6}::/64"): True}
    assert (said.managed, said.other, said.lifetime > 0) == (False, True, True)
    assert said.dns == (IPv6Address(GATEWAY),)
    assert said.mtu in (None, 1500)
    stateless = app1.dhcp6(information=True)
    assert (stateless.address, stateless.dns) == (None, (IPv6Address(GATEWAY),))


def test_a_lease_of_ipv4_after_all_that(w: World, app1: AppHost) -> None:
    """Who has an IPv6 address, by whichever way, is known to the DHCP server of IPv4 as before."""
    before = app1.leases["eth0"].address
    assert app1.dhcp("eth0", timeout=3).address == before


def test_neighbours_have_names_by_both_families(w: World, app1: AppHost) -> None:
    """A neighbour's A, AAAA and both PTR are what it has, asked of either address of the gateway."""
    app2 = w.lab.apps["app2"]
    four, six = str(app2.leases["eth0"].address.ip), own(app2)
    for asked in ("10.10.1.1", GATEWAY):
        assert app1.resolve("app2", asked) == [four]
        assert app1.resolve("app2", asked, kind="AAAA") == [str(six)]
        assert app1.resolve(six.reverse_pointer, asked, kind="PTR")[0].startswith("app2")
        assert app1.resolve("github.com", asked, kind="AAAA") == [GITHUB6]
    server = app2.serve_http()
    assert app1.http("http://app2", family=6) == f"I am app2, you are {own(app1)}\n"
    assert app1.http("http://app2", family=4).startswith("I am app2, you are 10.10.1.")
    server.stop()


def test_the_device_reaches_the_application(w: World, app1: AppHost) -> None:
    """Routed from the device, through `--interface`, and by `netnsmgr exec`."""
    server = app1.serve_http()
    url = f"http://[{own(app1)}]"
    assert w.lab.device.http(url).startswith("I am app1")
    assert w.lab.device.http(url, interface="nm-ni1").startswith("I am app1")
    assert w.command("exec", "ni1", "--", "curl", "-sS", "-m", "5", url).stdout.startswith("I am app1")
    server.stop()


def test_the_same_file_again(w: World, app1: AppHost) -> None:
    """Applied again, a file of two families causes no operation and no message of the kernel."""
    since = w.mark()
    with Watch(w.lab.device, w.lab.instance("ni1")) as seen:
        said = w.apply(*DOCUMENTS).stdout
    assert said.startswith("nothing to change")
    assert (w.operations(since), seen.changes) == ([], [])


@pytest.mark.parametrize("agent", ["ni1", "uplink"])
def test_a_killed_agent(w: World, app1: AppHost, agent: str) -> None:
    """An agent that is killed comes back and changes nothing; no packet of IPv6 is lost."""
    since = w.mark()
    with Flow(app1, "2001:db8:ffff::81") as flow, Watch(w.lab.device, w.lab.instance("ni1")) as seen:
        w.kill_agent(agent)
        w.looked(agent, since)
        w.ready("ni1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_the_daemon_killed_or_stopped(w: World, app1: AppHost, how: str) -> None:
    """Without the daemon IPv6 works on, advertisements and names included; the next daemon changes nothing and knows the addresses."""
    with (
        Flow(app1, "2001:db8:ffff::81", seconds=2.0) as flow,
        Watch(w.lab.device, w.lab.instance("ni1")) as seen,
    ):
        getattr(w, how)()
        assert app1.advertised().lifetime > 0
        assert app1.resolve("github.com", GATEWAY, kind="AAAA") == [GITHUB6]
        since = w.mark()
        w.restart()
        for name in ("ni1", "uplink"):
            w.looked(name, since)
        w.ready("ni1")
        w.attached("ni1", "app1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])
    told = [a["address"] for a in w.interface("ni1", "app1")["addresses"]]
    assert str(own(app1)) in told
