"""The device's ports: addresses, the device's own default routes, and a routing table for each port."""

from __future__ import annotations

from collections.abc import Collection

from netnsmgr.config.device import Port
from netnsmgr.core.ip import VERSIONS, IPAddress, IPInterface, IPNetwork, Version, any_network, host_network
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.port_links import moved
from netnsmgr.features.scope import PortFacts, UplinkScope
from netnsmgr.features.shared_port import link, port_items
from netnsmgr.items.address import Address
from netnsmgr.items.link import LinkUp
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.sysctl import Sysctl

PORT_TABLE = 500
PORT_PRIORITY = 60
DEFAULT_METRIC = 1000
IPV6_METRIC = 1024


def items(scope: UplinkScope) -> list[Item]:
    """Return the items of all ports."""
    elsewhere = moved(scope)
    found = [
        item
        for number, (port, facts) in enumerate(scope.ports)
        if port.name not in elsewhere
        for item in _port(scope, number, port, facts)
    ]
    found += listening(scope)
    if sum(bool(facts.addresses) for _, facts in scope.ports) > 1:
        # The device answers by the port that was asked.  With one port there is nothing to tell apart, and what
        # the device reaches otherwise (a container bridge, a static route) keeps its answers.
        found += [
            Rule(PORT_PRIORITY, PORT_TABLE + number, src=address.ip)
            for number, (_, facts) in enumerate(scope.ports)
            for address in facts.addresses
        ]
    return found


def routes_over(
    table: int,
    port: Port,
    facts: PortFacts,
    metric: int,
    needs: frozenset[Ref] = frozenset(),
    versions: Collection[Version] = VERSIONS,
) -> list[Item]:
    """Return the routes by which a table reaches what lies behind a port, and the port's own addresses.

    ``needs`` is what else has to exist before any packet may take them.
    """
    found: list[Item] = []
    networks: set[IPNetwork] = set()
    for address in facts.addresses:
        if address.version not in versions:
            continue
        after = needs | _after(port, facts, address)
        # The metric tells apart two ports that were found with the same address, each in a site of its own.
        host, source = host_network(address.ip), _source(address)
        found.append(
            Route(
                host,
                table,
                ranked(address.version, metric),
                facts.interface,
                type="local",
                src=source,
                after=after,
            )
        )
        told = address.version == 6 and facts.onlink is not None and not given_to(port, address)
        if address.network != host and address.network not in networks and not told:
            networks.add(address.network)
            rank = ranked(address.version, metric)
            found.append(Route(address.network, table, rank, facts.interface, src=source, after=after))
    if 6 in versions:
        # An address says nothing of the network around it (RFC 5942): who is on the link is told by the routers.
        up = needs | {LinkUp(facts.interface).ref}
        others = [network for network in facts.onlink or () if network not in networks]
        rank = ranked(6, metric)
        found += [Route(network, table, rank, facts.interface, after=up) for network in others]
    for version in versions:
        for first in facts.addresses_of(version)[:1]:
            after = needs | _after(port, facts, first)
            found += [
                Route(
                    any_network(version),
                    table,
                    ranked(version, metric + extra),
                    facts.interface,
                    gateway,
                    src=_source(first),
                    after=after,
                )
                for extra, gateway in enumerate(facts.gateways_of(version))
            ]
    return found


def ranked(version: Version, metric: int) -> int:
    """Return the metric that ranks a route among those of its version.

    Of IPv6 the kernel makes 1024 of none (``IP6_RT_PRIO_USER``), which would come after 1: there they go on from 1024.
    """
    return metric if version == 4 or not metric else IPV6_METRIC + metric


def _source(address: IPInterface) -> IPAddress | None:
    """Return the source that a route names.

    None for IPv6: the kernel refuses one that duplicate address detection is not done with, and chooses well by itself
    (RFC 6724).
    """
    return address.ip if address.version == 4 else None


def _after(port: Port, facts: PortFacts, address: IPInterface) -> frozenset[Ref]:
    """Return what a route with ``address`` as its source needs, besides the link."""
    up = LinkUp(facts.interface).ref
    given = given_to(port, address)
    return frozenset({up, Address(facts.interface, address).ref} if given else {up})


def given_to(port: Port, address: IPInterface) -> bool:
    """Say whether an address of a port is one that we give to it; others the kernel or somebody else does."""
    if address.version == 4:
        return not port.as_found(4)
    # DHCPv6 gives addresses without a network; those that the kernel makes have one.
    return address in port.addresses or (port.dhcp6 and address.network.prefixlen == 128)


def listening(scope: UplinkScope) -> list[Sysctl]:
    """Return what lets the kernel go on listening to routers when the device becomes one itself.

    With ``accept_ra`` 1 it does not, and forgets the routers that it knew at the moment when forwarding is switched on
    (Documentation/networking/ip-sysctl, ``addrconf_fixup_forwarding``).  0 stays: there somebody else listens.
    """
    found = []
    elsewhere = moved(scope)
    for port, facts in scope.ports:
        if port.name in elsewhere:
            continue
        conf = f"net/ipv6/conf/{facts.interface}"
        told = port.slaac or port.dhcp6
        if facts.present and (told or (scope.ipv6 and port.as_found(6) and facts.accept_ra)):
            found.append(Sysctl(f"{conf}/accept_ra", "2", facts.interface))
        if facts.present and told:
            found.append(Sysctl(f"{conf}/autoconf", str(int(port.slaac)), facts.interface))
    return found


def _port(scope: UplinkScope, number: int, port: Port, facts: PortFacts) -> list[Item]:
    name = facts.interface
    found = port_items(scope, port, facts) if port.shared else []
    found += [
        link(scope, port, facts),
        LinkUp(name, None if port.shared else port.mtu),
        # Loose: what comes in by a port need not be what the main table would send out by it.
        # The kernel takes the larger of this and "all"; with strict (1) there, 2 still wins.
        Sysctl(f"net/ipv4/conf/{name}/rp_filter", "2", name),
    ]
    found += [Address(name, each, dad=True) for each in facts.addresses if given_to(port, each)]
    found += routes_over(PORT_TABLE + number, port, facts, 0)
    metric = DEFAULT_METRIC + 100 * port.cost + number
    for version in VERSIONS:
        # A port "as found" has a default route already, or shall have none; one that is advertised is the kernel's.
        written = any(gateway.version == version for gateway in port.gateways)
        if port.as_found(version) or (version == 6 and (port.slaac or port.dhcp6) and not written):
            continue
        for first in facts.addresses_of(version)[:1]:
            after, source = _after(port, facts, first), _source(first)
            found += [
                Route(any_network(version), metric=metric, link=name, via=gateway, src=source, after=after)
                for gateway in facts.gateways_of(version)[:1]
            ]
    return found
