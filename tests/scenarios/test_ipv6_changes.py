"""An instance gets IPv6, changes it and gives it back: the flows of IPv4 never notice, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.ipv6 import GITHUB6, NET6, by_hand, dual, fetched, only6, port6, settled
from tests.scenarios.streams import Stream
from tests.scenarios.test_changes import inventory
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root
FOUR = instance("ni1")


@pytest.fixture
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.apply(device(port6()))
        yield made


def test_ipv6_comes_and_goes(w: World) -> None:
    """From IPv4 alone to both and back by `apply`: a download, pings and a UDP stream of IPv4 lose nothing."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    w.apply(FOUR, app("app1", "ni1"), app("app2", "ni1"))
    w.leased("ni1", "app1")
    w.leased("ni1", "app2")
    neighbour = str(app2.leases["eth0"].address.ip)
    with Flow(app1, seconds=8.0) as flow, Stream(app1, app2, neighbour, 9000) as stream:
        w.apply(dual())
        assert settled(w, "ni1", "app1") in IPv6Network(f"{NET6}::/64")
        assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"
        w.apply(FOUR)
        w.eventually(lambda: not app1.ping(GITHUB6, timeout=1), "no more IPv6")
    assert (flow.lost, flow.downloaded, stream.lost) == (0, "1000000 bytes", 0)
    assert w.pids("^radvd") == []
    assert ":" not in "".join(a["address"] for a in w.interface("ni1", "app1")["addresses"])
    assert "fd00:10:1" not in w.sh("ip -6 address; ip -6 route; nft list ruleset", "ni1")
    assert "fd00:10:1" not in w.sh("ip -6 route show table all; nft list ruleset")


def test_what_ipv4_is_given_and_taken_beside(w: World) -> None:
    """The other way round: IPv4 comes to an instance of IPv6 alone and goes; a download by IPv6 is not cut."""
    app1 = w.lab.apps["app1"]
    w.apply(only6(), app("app1", "ni1", address6=f"{NET6}::77"))
    by_hand(w, "app1", f"{NET6}::77")
    with Flow(app1, "2001:db8:ffff::81", seconds=4.0) as flow:
        w.apply(dual())
        app1.dhcp()
        assert fetched(app1, "github.com", 4) == "you are 192.168.0.2"
        w.apply(only6())
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")


def test_another_prefix(w: World) -> None:
    """With another subnet applications have an address in it at once, and no more in the old one by which they would not be answered."""
    app1 = w.lab.apps["app1"]
    w.apply(dual(), app("app1", "ni1"))
    settled(w, "ni1", "app1")
    w.apply(dual(prefix6="fd00:10:2"))
    assert app1.slaac(prefix="fd00:10:2::/64") in IPv6Network("fd00:10:2::/64")
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"


@pytest.mark.parametrize("how", ["slaac", "stateful"])
def test_deleted_it_leaves_nothing(w: World, how: str) -> None:
    """A deleted instance of both families leaves no process, rule, route, table or file."""
    documents: tuple[Document, ...] = (dual(ipv6={"addressing": how}), app("app1", "ni1"))
    w.apply(*documents)
    delete(w)
    w.lab.device.wait_address6("eth0")  # with its routes
    w.eventually(
        lambda: w.sh("ip -6 rule; ip rule").count("lookup local") == 2, "the order of the rules as it was"
    )
    before = both(w)
    w.apply(*documents)
    app1 = w.lab.apps["app1"]
    if how == "slaac":
        settled(w, "ni1", "app1")
    else:
        app1.dhcp6()
    assert fetched_by_address(app1).startswith("I am github.com")
    delete(w)
    w.eventually(lambda: both(w) == before, f"as before: {before}, and now {both(w)}")
    errors = w.logged(0, level="error")
    assert errors == [], errors[0]["exception"]
    assert w.pids("[/]ni1/") == []


def delete(w: World) -> None:
    w.command("delete", "app", "app1")
    w.command("delete", "ni", "ni1")


def both(w: World) -> dict[str, object]:
    """What could be left behind, of IPv6, too."""
    rules = w.sh("ip -6 rule").splitlines()
    # The kernel's own come when it has found no duplicates of an address.
    routes = [r for r in w.sh("ip -6 route show table all").splitlines() if "proto kernel" not in r]
    return inventory(w) | {"rules6": rules, "routes6": routes}


def fetched_by_address(host: AppHost) -> str:
    return host.http(f"http://[{GITHUB6}]")
