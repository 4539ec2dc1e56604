"""Ways into the tunnels, and around them for what carries them, for answers to the outside, and for sockets bound to `uplink`."""

from __future__ import annotations

from ipaddress import ip_address

from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import IPNetwork, any_network, host_network
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.link import NAT, UPLINK, VPN_GUARD
from netnsmgr.features.ports import ranked
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.lanes import IPSEC_LINK, lanes
from netnsmgr.features.vpn.marks import OUTSIDE, OUTSIDE_MASK, OUTSIDE_PRIORITY, OUTSIDE_TABLE
from netnsmgr.items.address import Address
from netnsmgr.items.led_flows import LedFlows, LedFlowsEnd, Way, Ways
from netnsmgr.items.link import LinkUp
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule

LAST_METRIC = 0xFF000000
"""Of what is left of a network when its tunnel's link is away: nothing falls through to another way."""


def items(scope: InstanceScope) -> list[Item]:
    """Return routes and rules; nothing without tunnels."""
    if scope.instance.spec.vpn is None:
        return []
    end = LedFlowsEnd()
    # Translated, and watched, from the first packet on.
    ready: frozenset[Ref] = frozenset({NAT, VPN_GUARD})
    versions = {link.version for link in scope.links}
    found: list[Item] = []
    led: dict[IPNetwork, list[str]] = {}
    for lane in lanes(scope):
        for network in lane.networks:
            into = led.setdefault(network, [])
            if network.version in versions and lane.link not in into:
                into.append(lane.link)
    for network, into in led.items():
        for number, name in enumerate(into):
            metric = ranked(network.version, number)
            found.append(Route(network, metric=metric, link=name, after=ready | {end.ref} | _up(scope, name)))
        if into:
            found.append(Route(network, metric=LAST_METRIC, type="unreachable"))
    for link in scope.links:
        up, address = LinkUp(UPLINK, scope.mtu), Address(UPLINK, link.iface(link.inner))
        everything = any_network(link.version)
        after = ready | {up.ref, address.ref}
        found += [
            Route(everything, OUTSIDE_TABLE, 0, UPLINK, via=link.outer, src=link.inner, after=after),
            Route(everything, OUTSIDE_TABLE, LAST_METRIC, type="unreachable"),
            Rule(OUTSIDE_PRIORITY, OUTSIDE_TABLE, mark=OUTSIDE, mask=OUTSIDE_MASK, version=link.version),
            # The questions of "dns: direct" to a server whose address also lies in a tunnel's network.
            Rule(OUTSIDE_PRIORITY + 1, OUTSIDE_TABLE, oif=UPLINK, version=link.version),
        ]
    after = ready | {each.ref for each in found if isinstance(each, Route)}
    return [*found, LedFlows(_ways(scope), after), end]


def _ways(scope: InstanceScope) -> Ways:
    """Return as whom applications are seen where; what they ask of the instance itself is no matter of ways."""
    own = [host_network(ip_address(address)) for address in (METADATA, *METADATA6)]
    return Ways(
        (*(net.subnet for net in scope.nets), *own),
        tuple(
            Way(network, lane.source(network.version)) for lane in lanes(scope) for network in lane.networks
        ),
        tuple(link.inner for link in scope.links),
    )


def _up(scope: InstanceScope, name: str) -> frozenset[Ref]:
    """Return what says that a tunnel's link is up: the kernel's xfrm link is made so, the others are somebody else's."""
    made = name == IPSEC_LINK and scope.vpn.esp == "kernel"
    return frozenset() if made else frozenset({LinkUp(name).ref})
