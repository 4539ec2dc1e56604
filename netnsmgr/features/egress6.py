"""IPv6 of instances that is not hidden behind an address of the device: routed, translated prefix to prefix, delegated.

The outside knows applications of such an instance by *outer prefixes*.  Packets to these come in by the instance's own
ports alone, each instance's by the table of the port (so that two ports may have the same prefix behind them), and the
access lists decide inside.  The answers leave by the port that was asked, as those of port maps do.
What leaves has a source of the instance's own (BCP 38): an outer prefix, or the link's address.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.features.portmap import ANSWER_PRIORITY, FAMILY, MARK, TABLE
from netnsmgr.features.ports import PORT_TABLE
from netnsmgr.features.scope import (
    LINK_PREFIX,
    InstanceScope,
    LinkedInstance,
    PortFacts,
    UplinkScope,
)
from netnsmgr.items.address import Address
from netnsmgr.items.ndp_proxy import NdpProxy
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.sysctl import Sysctl

ARRIVAL_PRIORITY = 46
DEVICE_METRIC = 10000
DISCARD_METRIC = 0xFF000000
INSIDE, SOURCES = "inside6", "sources6"


def outer_prefixes(linked: LinkedInstance | InstanceScope) -> tuple[IPv6Network, ...]:
    """Return the prefixes by which the outside knows the instance's applications, the present one first."""
    instance = linked.instance
    uplink = instance.spec.ipv6.uplink
    delegated = linked.delegated if isinstance(linked, LinkedInstance) else linked.link.delegated
    if instance.air_gapped or uplink == "nat66":
        return ()
    if uplink == "npt" and instance.spec.ipv6.prefix is not None:
        return (instance.spec.ipv6.prefix,)
    if uplink in {"npt", "delegated"}:
        return tuple(each.prefix for each in delegated)
    return (instance.subnet6,) if instance.subnet6 is not None else ()


def translations(scope: InstanceScope) -> tuple[str, str]:
    """Return NPT as rules of nft in the instance: of what comes in, and of what leaves.

    Of what leaves conntrack keeps the prefix, so that flows outlive a change of it for as long as the old one is routed.
    """
    subnet, outers = scope.instance.subnet6, outer_prefixes(scope)
    if scope.instance.spec.ipv6.uplink != "npt" or subnet is None or not outers:
        return "", ""
    arriving = "".join(
        f'\n    iifname "uplink" ip6 daddr {outer} dnat ip6 prefix to {subnet}' for outer in outers
    )
    leaving = f'\n    oifname "uplink" ip6 saddr {subnet} snat ip6 prefix to {outers[0]}'
    return arriving, leaving


def chains(scope: UplinkScope) -> str:
    """Return what the device's table has for outer prefixes; it names ports and no instance."""
    links = f'"{LINK_PREFIX}*"'
    text = "".join(f"\n{each.declaration()}" for each in _sets(scope, ()))
    marks = ", ".join(
        f'"{facts.interface}" : {MARK | number:#x}' for number, (_, facts) in enumerate(scope.ports)
    )
    if marks:
        text += f"""
chain arrivals6 {{
    type filter hook forward priority mangle; policy accept;
    oifname {links} iifname . ip6 daddr @{INSIDE} ct state new ct mark set iifname map {{ {marks} }}
}}"""
    return text


def forward_rules(pool: IPv6Network) -> str:
    """Return the rules of the chain ``forward``: who may send from a link, and what may come to one.

    The addresses of the links (``pool``) are nobody's outside; instances take who has the one of theirs for the device.
    """
    links = f'"{LINK_PREFIX}*"'
    return f"""
    iifname {links} iifname . ip6 saddr != @{SOURCES} drop
    iifname != {links} oifname {links} ip6 saddr {pool} drop
    iifname != {links} oifname {links} iifname . ip6 daddr @{INSIDE} accept"""


def items(scope: UplinkScope) -> list[Item]:
    """Return the sets, and what the ports have because of such instances."""
    if not scope.ipv6:
        return []
    found: list[Item] = [*_sets(scope, scope.instances)]
    for number, (port, facts) in enumerate(scope.ports):
        users = [
            linked for linked in scope.instances if _uses(scope, linked, port) and outer_prefixes(linked)
        ]
        if users and facts.usable:
            found.append(Rule(ANSWER_PRIORITY, PORT_TABLE + number, mark=MARK | number, version=6))
    if any(
        _proxied(linked, facts) for linked in scope.instances for _, facts in scope.ports_of(linked.instance)
    ):
        # For all links: the kernel takes a neighbour's unicast probes by this one alone (ip6_forward()), and a link
        # answers only for the addresses that are given to it.
        found.append(Sysctl("net/ipv6/conf/all/proxy_ndp", "1"))
    # What is delegated and nobody's would go back to who delegated it, and come again (RFC 7084, WPD-5).
    discarded = {each.prefix for _, facts in scope.ports for each in facts.delegated or ()}
    found += [Route(prefix, metric=DISCARD_METRIC, type="unreachable") for prefix in sorted(discarded)]
    return found


def link_items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return the ways to an instance's outer prefixes."""
    ends = next((each for each in linked.links if each.version == 6), None)
    prefixes = outer_prefixes(linked)
    if ends is None or not prefixes:
        return []
    after = frozenset({Address(linked.link, ends.iface(ends.outer)).ref})
    known = {net.subnet for net in linked.nets}
    found: list[Item] = []
    for prefix in prefixes:
        if prefix not in known:
            metric = DEVICE_METRIC + linked.number
            found.append(
                Route(prefix, metric=metric, link=linked.link, via=ends.inner, src=ends.outer, after=after)
            )
        for number, (port, facts) in enumerate(scope.ports):
            if _uses(scope, linked, port):
                table = PORT_TABLE + number
                found += [
                    Rule(ARRIVAL_PRIORITY, table, iif=facts.interface, dst=prefix, version=6),
                    # Before the port's own network, which may be as long.
                    Route(prefix, table, 1 + linked.number, linked.link, via=ends.inner, after=after),
                ]
    for port, facts in scope.ports:
        if _uses(scope, linked, port):
            found += [NdpProxy(facts.interface, address) for address in _proxied(linked, facts)]
    return found


def delegating_first(
    linked: LinkedInstance, ports: list[tuple[Port, PortFacts]]
) -> list[tuple[Port, PortFacts]]:
    """Return an instance's ports with the one first whose network has delegated its prefix: others would not forward."""
    part = next((each.prefix for each in linked.delegated), None)
    if part is None:
        return ports
    return sorted(
        ports, key=lambda pair: not any(part.subnet_of(each.prefix) for each in pair[1].delegated or ())
    )


def _uses(scope: UplinkScope, linked: LinkedInstance, port: Port) -> bool:
    return any(each.name == port.name for each, _ in scope.ports_of(linked.instance))


def _proxied(linked: LinkedInstance, facts: PortFacts) -> list[IPv6Address]:
    """Return the addresses for which the device answers on a port: those of applications that seem to be on its link."""
    networks = [*(facts.onlink or ()), *(each.network for each in facts.addresses_of(6))]
    return [
        outer
        for address in linked.addresses6
        if (outer := outer_address(linked, address)) is not None
        and any(outer in network for network in networks)
    ]


def outer_address(linked: LinkedInstance, address: IPv6Address) -> IPv6Address | None:
    """Return the address by which the outside knows an application, if it does."""
    uplink, subnet, prefixes = (
        linked.instance.spec.ipv6.uplink,
        linked.instance.subnet6,
        outer_prefixes(linked),
    )
    if subnet is None or address not in subnet or not prefixes or uplink not in {"npt", "ndpProxy"}:
        return None
    return prefixes[0][int(address) - int(subnet[0])]


def inner_address(linked: LinkedInstance, address: IPv6Address) -> IPv6Address | None:
    """Return the application's own address, given the one by which the outside knows it."""
    subnet, prefixes = linked.instance.subnet6, outer_prefixes(linked)
    if subnet is None or not prefixes or address not in prefixes[0]:
        return None
    return subnet[int(address) - int(prefixes[0][0])]


def _sets(scope: UplinkScope, instances: tuple[LinkedInstance, ...]) -> list[NftSet]:
    """Return the sets: where packets to which outer prefix may come in, and which sources each link may have."""
    inside, sources = set(), set()
    for linked in instances:
        prefixes = outer_prefixes(linked)
        for _, facts in scope.ports_of(linked.instance):
            inside |= {f"{facts.interface} . {prefix}" for prefix in prefixes}
        sources |= {f"{linked.link} . {prefix}" for prefix in prefixes}
        sources |= {f"{linked.link} . {ends.inner}" for ends in linked.links if ends.version == 6}
    spec = "type ifname . ipv6_addr; flags interval"
    return [
        NftSet(FAMILY, TABLE, INSIDE, spec, frozenset(inside)),
        NftSet(FAMILY, TABLE, SOURCES, spec, frozenset(sources)),
    ]
