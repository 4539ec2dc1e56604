"""Names over IPv6 alone: host rules' AAAA records are in their sets before they are answered, servers are asked by IPv6."""

from __future__ import annotations

import pytest

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, dnsmasq, link, names, nat, portmap_inside
from netnsmgr.features.scope import InstanceScope
from tests.kernel.flowstage import Making, making, upstream
from tests.kernel.netstage import PREFIX, app, scope
from tests.kernel.stage import sh
from tests.kernel.upstream import address6_of
from tests.lab import isolated

pytestmark = pytest.mark.root  # dnsmasq drops its groups

DOMAIN = "example.org"
SERVER = "2001:db8::53"
RULES = [{"id": 1, "match": {"host": DOMAIN}}]


def build(of: InstanceScope, server: str) -> None:
    """The link to a site with a DNS server, and the sets of the rules."""
    (ends,) = [each for each in of.links if each.version == 6]
    sh(
        "ip netns add site; ip link add uplink type veth peer name eth0 netns site;"
        "sysctl -qw net.ipv6.conf.uplink.accept_dad=0; ip netns exec site sysctl -qw net.ipv6.conf.eth0.accept_dad=0;"
        f"ip -n site address add {ends.outer}/127 dev eth0; ip -n site link set lo up; ip -n site link set eth0 up;"
        f"ip -n site address add {server}/128 dev lo; ip -n site route add default via {ends.inner}"
    )
    sets = "".join(
        f"set {name} {{ type ipv{family}_addr; flags timeout; timeout 1h; }}\n"
        for family in (4, 6)
        for name in names.host_sets(DOMAIN, family)
    )
    sh(f"nft 'table inet netnsmgr_acl {{\n{sets}\n}}'")
    sh("mkdir -p /run/state/leases/agent")


def items(of: InstanceScope) -> list[Item]:
    return [
        *bridge.items(of),
        *link.items(of),
        *nat.items(of),
        *portmap_inside.items(of),
        *dnsmasq.items(of),
        *names.items(of),
    ]


async def settle(agent: Making, **more: object) -> None:
    """Passes of an agent, each from the facts of the moment, until one has nothing to do."""
    for _ in range(6):
        helpers = tuple(i for i in agent.system.processes.running() if i.name.startswith(names.NAME))
        if not await agent.once(*items(scope(app("app1", acl=RULES), helpers=helpers, **more))):  # type: ignore[arg-type]
            return
    raise AssertionError("does not settle")


def resolve(name: str, kind: str = "AAAA") -> str:
    return sh(f"dig +short +tries=1 +time=2 @{PREFIX}::1 {name} {kind}")


@isolated
async def test_an_ipv6_address_is_in_its_set_before_it_is_answered() -> None:
    """The instance has no IPv4: a server of IPv6 is asked over the link, and what it says is in the set of IPv6."""
    spec = {"dns": {"servers": [SERVER, "192.0.2.53"]}}
    build(scope(app("app1", acl=RULES), spec=spec), SERVER)
    async with making() as agent, upstream(SERVER):
        await settle(agent, spec=spec)
        for n in range(20):
            address = address6_of(name := f"n{n}.{DOMAIN}")
            assert resolve(name) == address
            sh(f"nft get element inet netnsmgr_acl {names.host_sets(DOMAIN, 6)[0]} '{{ {address} }}'")
        assert resolve("elsewhere.example") == address6_of("elsewhere.example")
        assert address6_of("elsewhere.example") not in sh("nft list table inet netnsmgr_acl")


@isolated
async def test_a_server_with_the_instance_s_own_address() -> None:
    """A site with the instance's own subnet whose DNS server has the address of the instance's gateway is asked."""
    spec = {"dns": {"servers": [f"{PREFIX}::1"]}}
    build(scope(app("app1", acl=RULES), spec=spec), f"{PREFIX}::1")
    async with making() as agent, upstream(f"{PREFIX}::1"):
        await settle(agent, spec=spec)
        for name in (f"www.{DOMAIN}", "elsewhere.example"):
            assert resolve(name) == address6_of(name)
