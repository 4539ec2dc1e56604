"""Routes against the real kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from netnsmgr.core.item import Item
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.route import Route
from tests.kernel.stage import sh, stage
from tests.lab import isolated

DEFAULT = IPv4Network("0.0.0.0/0")
NET = IPv4Network("10.1.0.0/24")
ADDRESS = Address("eth0", IPv4Interface("10.1.0.1/24"))
UP = LinkUp("eth0")
PORT: tuple[Item, ...] = (ExternalLink("eth0"), UP, ADDRESS)
AFTER = frozenset({UP.ref, ADDRESS.ref})
SRC = IPv4Address("10.1.0.1")
GATEWAY = IPv4Address("192.168.77.1")

ROUTES = {
    "to a network on the link": Route(NET, 800, 100, "eth0", src=SRC, after=AFTER),
    "via a gateway": Route(DEFAULT, 800, 0, "eth0", IPv4Address("10.1.0.254"), after=AFTER),
    "via a gateway that no route leads to": Route(DEFAULT, 800, 7, "eth0", GATEWAY, src=SRC, after=AFTER),
    "in the main table": Route(DEFAULT, metric=1000, link="eth0", via=GATEWAY, after=AFTER),
    "to ourselves": Route(IPv4Network("10.1.0.1/32"), 800, 0, "eth0", type="local", src=SRC, after=AFTER),
    "to nowhere": Route(DEFAULT, 800, 0xFF000000, type="unreachable"),
}


def port() -> None:
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up")


def shown(table: str = "800") -> list[str]:
    return [line.strip() for line in sh(f"ip route show table {table}").split("\n") if line]


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@isolated
async def test_is_there_as_intended(route: Route) -> None:
    """A route of each form is made and found again as it was wanted; its verbs can be repeated."""
    port()
    async with stage() as agent:
        await agent.bring(*PORT)
        assert await agent.bring(*PORT, route) == [f"create {route.ref}"]
        assert await agent.bring(*PORT) == [f"delete {route.ref}"]
        await agent.verbs(route, *PORT, old=route)
        assert route.ref not in await agent.observe()


@isolated
async def test_as_ip_shows_them() -> None:
    """What is made is what ``ip route`` calls by the same words, with our protocol number."""
    port()
    async with stage() as agent:
        await agent.bring(*PORT, *ROUTES.values())
        assert shown() == [
            "default via 10.1.0.254 dev eth0 proto 110 onlink",
            "default via 192.168.77.1 dev eth0 proto 110 src 10.1.0.1 metric 7 onlink",
            "unreachable default proto 110 metric 4278190080",
            "10.1.0.0/24 dev eth0 proto 110 scope link src 10.1.0.1 metric 100",
            "local 10.1.0.1 dev eth0 proto 110 scope host src 10.1.0.1",
        ]


@isolated
async def test_is_changed_in_place() -> None:
    """Another gateway, source or link replaces the route in one step: there is no moment without one."""
    port()
    sh("ip link add eth1 type veth peer name far1; ip link set eth1 up; ip link set far1 up")
    more: tuple[Item, ...] = (*PORT, ExternalLink("eth1"))
    async with stage() as agent:
        route = ROUTES["via a gateway"]
        await agent.bring(*more, route)
        for change in ({"via": GATEWAY}, {"src": SRC}, {"link": "eth1"}):
            route = replace(route, **change)
            assert await agent.bring(*more, route) == [f"modify {route.ref}"]
            assert len(shown()) == 1


@isolated
async def test_metrics_make_different_routes() -> None:
    """Routes to one destination live side by side by their metrics, and each goes alone."""
    port()
    async with stage() as agent:
        routes = [Route(DEFAULT, 800, metric, "eth0", GATEWAY, after=AFTER) for metric in (0, 100, 200)]
        await agent.bring(*PORT, *routes)
        assert await agent.bring(*PORT, routes[0], routes[2]) == [f"delete {routes[1].ref}"]
        assert await agent.bring(*PORT, routes[2]) == [f"delete {routes[0].ref}"]
        assert shown() == ["default via 192.168.77.1 dev eth0 proto 110 metric 200 onlink"]


@isolated
async def test_what_the_kernel_drops_comes_back() -> None:
    """The kernel drops a link's routes when it goes down, and those with a source when the address goes."""
    port()
    async with stage() as agent:
        route = ROUTES["via a gateway that no route leads to"]
        await agent.bring(*PORT, route)
        sh("ip link set eth0 down")
        assert f"create {route.ref}" in await agent.bring(*PORT, route)
        sh("ip address del 10.1.0.1/24 dev eth0")
        assert await agent.bring(*PORT, route) == [f"create {ADDRESS.ref}", f"create {route.ref}"]


@isolated
async def test_of_others_are_not_reported() -> None:
    """Routes with another protocol number are not ours, in whichever table; ours are, after a restart too."""
    port()
    async with stage(owns_namespace=False) as agent:
        sh(
            "ip address add 10.5.0.1/24 dev eth0; ip route add 10.9.0.0/24 dev eth0 table 800;"
            "ip route add default via 10.5.0.2 proto static; ip route add unreachable 10.8.0.0/16 proto 111"
        )
        assert await agent.found() == []
        await agent.once(*PORT, *ROUTES.values())
    async with stage(owns_namespace=False) as restarted:
        assert len(await restarted.once(*PORT)) == len(ROUTES)
        assert shown() == ["10.9.0.0/24 dev eth0 scope link"]
        assert "default via 10.5.0.2 dev eth0 proto static" in shown("main")


@isolated
async def test_the_gateways_of_others_are_learned() -> None:
    """Default routes of somebody else are gateways, best metric first; ours are not, nor those of other tables."""
    port()
    async with stage(owns_namespace=False) as agent:
        sh("ip address add 10.5.0.1/24 dev eth0; ip route add default via 10.5.0.9 metric 50")
        sh("ip route add default via 10.5.0.2 metric 5; ip route add default via 10.5.0.3 table 7")
        await agent.once(*PORT, ROUTES["in the main table"])
        found = await agent.system.rtnl.gateways()
        assert found == {"eth0": [IPv4Address("10.5.0.2"), IPv4Address("10.5.0.9")]}
