"""The device's ports: addresses, the device's own default routes, and a routing table for each port."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.link import DEFAULT_ROUTE
from netnsmgr.features.scope import PortFacts, UplinkScope
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.sysctl import Sysctl

PORT_TABLE = 500
PORT_PRIORITY = 60
DEFAULT_METRIC = 1000


def items(scope: UplinkScope) -> list[Item]:
    """Return the items of all ports."""
    found = [item for number, (port, facts) in enumerate(scope.ports) for item in _port(number, port, facts)]
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
    table: int, port: Port, facts: PortFacts, metric: int, needs: frozenset[Ref] = frozenset()
) -> list[Item]:
    """Return the routes by which a table reaches what lies behind a port, and the port's own addresses.

    ``needs`` is what else has to exist before any packet may take them.
    """
    found: list[Item] = []
    networks: set[IPv4Network] = set()
    for address in facts.addresses:
        after = needs | _after(port, facts, address)
        # The metric tells apart two ports that were found with the same address, each in a site of its own.
        host = IPv4Network(address.ip)
        found.append(Route(host, table, metric, facts.interface, type="local", src=address.ip, after=after))
        if address.network.prefixlen < 32 and address.network not in networks:
            networks.add(address.network)
            found.append(Route(address.network, table, metric, facts.interface, src=address.ip, after=after))
    if facts.addresses:
        first = facts.addresses[0]
        after = needs | _after(port, facts, first)
        found += [
            Route(DEFAULT_ROUTE, table, metric + extra, facts.interface, gateway, src=first.ip, after=after)
            for extra, gateway in enumerate(facts.gateways)
        ]
    return found


def _after(port: Port, facts: PortFacts, address: IPv4Interface) -> frozenset[Ref]:
    """Return what a route with ``address`` as its source needs, besides the link."""
    up = LinkUp(facts.interface).ref
    return frozenset({up} if port.as_found else {up, Address(facts.interface, address).ref})


def _port(number: int, port: Port, facts: PortFacts) -> list[Item]:
    name = facts.interface
    found: list[Item] = [
        ExternalLink(name),
        LinkUp(name, port.mtu),
        # Loose: what comes in by a port need not be what the main table would send out by it.
        # The kernel takes the larger of this and "all"; with strict (1) there, 2 still wins.
        Sysctl(f"net/ipv4/conf/{name}/rp_filter", "2", name),
    ]
    if not facts.addresses:
        return found
    if not port.as_found:
        found += [Address(name, address) for address in facts.addresses]
    found += routes_over(PORT_TABLE + number, port, facts, 0)
    if not port.as_found:
        # A port "as found" has a default route already, or shall have none.
        after = _after(port, facts, facts.addresses[0])
        metric = DEFAULT_METRIC + 100 * port.cost + number
        found += [
            Route(
                DEFAULT_ROUTE, metric=metric, link=name, via=gateway, src=facts.addresses[0].ip, after=after
            )
            for gateway in facts.gateways[:1]
        ]
    return found
