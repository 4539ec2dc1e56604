"""The links to the instances, and a routing table for each: which ports an instance leaves by."""

from __future__ import annotations

from collections.abc import Collection

from netnsmgr.core.ip import Version, any_network, host_network, interface
from netnsmgr.core.item import Item
from netnsmgr.features import shared_port
from netnsmgr.features.egress6 import delegating_first
from netnsmgr.features.forwarding import TABLE
from netnsmgr.features.link import UPLINK
from netnsmgr.features.link_facts import DEFAULT_MTU
from netnsmgr.features.ports import ranked, routes_over
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalNetns, LinkUp, Veth, link_ref
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.sysctl import Sysctl

ONLY4: tuple[Version, ...] = (4,)
ONLY6: tuple[Version, ...] = (6,)
INSTANCE_TABLE = 800
INSTANCE_PRIORITY = 50
DEVICE_METRIC = 10000
LAST_METRIC = 0xFF000000
"""Larger than any other: the route that is taken when no other is."""


def items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return the outer half of the instance's link, its rule, its table and the device's route to it."""
    instance, link = linked.instance, linked.link
    table = INSTANCE_TABLE + linked.number
    ports = scope.ports_of(instance)
    mtu = instance.spec.mtu or min((facts.mtu for _, facts in ports), default=DEFAULT_MTU)
    versions = tuple(each.version for each in linked.links)
    found: list[Item] = [
        ExternalNetns(instance.name, f"/run/netns/{instance.name}", scope.mark_of(instance.name)),
        Veth(
            link,
            mtu,
            alias=instance.name,
            after=frozenset({TABLE}),
            far_netns=instance.name,
            far_path=f"/run/netns/{instance.name}",
            far_name=UPLINK,
        ),
        # An instance's packets have the address of its link, whatever the routes back to it say.
        Sysctl(f"net/ipv4/conf/{link}/rp_filter", "2", link),
    ]
    if 6 in versions:
        found += [
            # Nobody else is on the link, and nobody there tells the device the way.
            Sysctl(f"net/ipv6/conf/{link}/accept_dad", "0", link),
            Sysctl(f"net/ipv6/conf/{link}/accept_ra", "0", link),
        ]
    for ends in linked.links:
        address = Address(link, ends.iface(ends.outer))
        after = frozenset({address.ref})
        everything = any_network(ends.version)
        found += [
            address,
            Rule(INSTANCE_PRIORITY, table, iif=link, version=ends.version),
            # Answers to what the device itself asked of an application.
            Route(host_network(ends.outer), table, 0, link, type="local", src=ends.outer, after=after),
            # The end of the table: without it a packet would go on to the device's own routes.
            Route(everything, table, LAST_METRIC, type="unreachable", after=frozenset({link_ref(link)})),
        ]
    for net in linked.nets:
        # The device's way to the applications.  Equal subnets differ in the metric: without a name the
        # instance with the lowest number answers; "curl --interface nm-ni3" names another.
        after = frozenset({Address(link, interface(net.outer, net.outer.max_prefixlen - 1)).ref})
        metric = DEVICE_METRIC + linked.number
        found.append(Route(net.subnet, metric=metric, link=link, via=net.inner, src=net.outer, after=after))
    for number, (port, facts) in enumerate(ports):
        found.append(shared_port.link(scope, port, facts))
        found += routes_over(table, port, facts, 100 * number, frozenset({TABLE}), ONLY4)
        if len(ports) > 1:
            found += _servers(table, facts, 100 * number, versions)
    for number, (port, facts) in enumerate(delegating_first(linked, ports) if 6 in versions else ()):
        found += routes_over(table, port, facts, 100 * number, frozenset({TABLE}), ONLY6)
    return found


def _servers(table: int, facts: PortFacts, metric: int, versions: Collection[Version]) -> list[Item]:
    """Return routes to the DNS servers of one of several ports: each is asked by its own port.

    Many answer only their own customers, and names may differ from one provider to the other.
    """
    needs = frozenset({TABLE, LinkUp(facts.interface).ref})
    if not facts.usable:
        return []
    networks = [*(address.network for address in facts.addresses), *(facts.onlink or ())]
    return [
        Route(
            host_network(server),
            table,
            ranked(server.version, metric),
            facts.interface,
            gateway,
            after=needs,
        )
        for server in dict.fromkeys(facts.dns)
        if server.version in versions and not any(server in network for network in networks)
        for gateway in facts.gateways_of(server.version)[:1]
    ]
