"""Addresses, routes and rules of IPv6 against the real kernel: what it does otherwise than with IPv4."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface, IPv6Network

import pytest

from netnsmgr.core.item import Item
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.route import LOCAL, Route
from netnsmgr.items.rule import LocalRule, Rule
from tests.kernel.stage import sh, stage
from tests.lab import isolated

DEFAULT = IPv6Network("::/0")
ADDRESS = Address("eth0", IPv6Interface("fd00:1::1/64"))
UP = LinkUp("eth0")
PORT: tuple[Item, ...] = (ExternalLink("eth0"), UP, ADDRESS)
AFTER = frozenset({UP.ref, ADDRESS.ref})
SRC, GATEWAY = IPv6Address("fd00:1::1"), IPv6Address("fe80::1")

ROUTES = {
    "to a network on the link": Route(IPv6Network("fd00:1::/64"), 800, 100, "eth0", src=SRC, after=AFTER),
    "via a gateway": Route(DEFAULT, 800, 0, "eth0", IPv6Address("fd00:1::fe"), after=AFTER),
    "via a link-local gateway": Route(DEFAULT, 800, 7, "eth0", GATEWAY, src=SRC, after=AFTER),
    "via a gateway that no route leads to": Route(
        DEFAULT, 800, 9, "eth0", IPv6Address("fd00:9::1"), after=AFTER
    ),
    "in the main table": Route(DEFAULT, metric=1000, link="eth0", via=GATEWAY, after=AFTER),
    "to ourselves": Route(IPv6Network("fd00:1::1"), 800, 0, "eth0", type="local", src=SRC, after=AFTER),
    "to nowhere": Route(DEFAULT, 800, 0xFF000000, type="unreachable"),
}
RULES = (
    Rule(50, 800, iif="nm-ni1", version=6),
    Rule(60, 500, src=IPv6Address("fd00:1::1")),
    Rule(40, LOCAL, dst=IPv6Network("fe80::/10")),
    Rule(45, 500, mark=0x6E000000, version=6),
)


def port() -> None:
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up")


@isolated
async def test_addresses() -> None:
    """An address is there at once, without asking for it on the link; link-local ones of the kernel are no strays."""
    port()
    async with stage() as agent:
        for text in ("fd00:1::1/64", "fd6e:6d00::/127", "fd00:9::9/128", "fe80::a9fe:a9fe/64"):
            wanted = Address("eth0", IPv6Interface(text))
            assert await agent.bring(*PORT[:2], wanted) == [f"create {wanted.ref}"]
            assert "nodad" in sh(f"ip -6 address show dev eth0 to {wanted.address.ip}")
            await agent.verbs(wanted, *PORT[:2])
        sh("ip address add fd00:1::9/64 dev eth0")
        assert await agent.bring(*PORT[:2]) == ["delete address/fd00:1::9/64 dev eth0"]
        assert "fe80::" in sh("ip -6 address show dev eth0")


@isolated
async def test_an_address_on_a_port_is_asked_for_first() -> None:
    """Where others may be, duplicate address detection happens."""
    port()
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*PORT[:2], Address("eth0", IPv6Interface("fd00:1::1/64"), dad=True))
        assert "nodad" not in sh("ip -6 address show dev eth0 to fd00:1::1")


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@isolated
async def test_routes(route: Route) -> None:
    """A route of each form is made and found again as it was wanted; its verbs can be repeated."""
    port()
    async with stage() as agent:
        await agent.bring(*PORT)
        assert await agent.bring(*PORT, route) == [f"create {route.ref}"]
        assert await agent.bring(*PORT) == [f"delete {route.ref}"]
        await agent.verbs(route, *PORT, old=route)
        assert route.ref not in await agent.observe()


@isolated
async def test_all_routes_side_by_side() -> None:
    """One does not replace the other, and a changed gateway replaces only its own."""
    port()
    async with stage() as agent:
        await agent.bring(*PORT, *ROUTES.values())
        assert await agent.bring(*PORT, *ROUTES.values()) == []
        changed = Route(DEFAULT, 800, 7, "eth0", IPv6Address("fe80::2"), src=SRC, after=AFTER)
        others = [route for name, route in ROUTES.items() if name != "via a link-local gateway"]
        assert await agent.bring(*PORT, *others, changed) == [f"modify {changed.ref}"]
        assert sh("ip -6 route show table 800 metric 7").startswith("default via fe80::2 dev eth0 proto 110")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key())
@isolated
async def test_rules(rule: Rule) -> None:
    """A rule of each form is one of IPv6 alone; its verbs can be repeated."""
    async with stage(owns_namespace=False) as agent:
        before = sh("ip -4 rule")
        assert await agent.bring(rule) == [f"create {rule.ref}"]
        assert f"{rule.priority}:" in sh("ip -6 rule")
        assert sh("ip -4 rule") == before
        assert await agent.bring() == [f"delete {rule.ref}"]
        await agent.verbs(rule)


@isolated
async def test_the_local_rules_move_each_for_itself() -> None:
    """That of IPv6 goes without that of IPv4, and back."""
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(LocalRule(100, 6)) == ["create local-rule/local -6"]
        assert sh("ip -6 rule").startswith("100:")
        assert sh("ip -4 rule").startswith("0:")
        assert await agent.bring(LocalRule(100, 6), LocalRule(100)) == ["create local-rule/local"]
        assert await agent.bring(LocalRule(100)) == ["delete local-rule/local -6"]
        assert sh("ip -6 rule").startswith("0:")


@isolated
async def test_where_nobody_has_ipv6_it_is_not_listed() -> None:
    """What is not asked for costs nothing: neither addresses nor routes nor rules of IPv6 are seen then."""
    port()
    async with stage() as agent:
        await agent.bring(*PORT, *ROUTES.values())
        agent.system.rtnl.ipv6 = False
        agent.system.refresh()
        assert [a for a, _ in await agent.system.rtnl.addresses() if a.address.version == 6] == []
        assert list(await agent.system.rtnl.routes()) == []
