"""The device's ports: addresses, the device's own default routes, and a routing table for each port."""

from __future__ import annotations

from ipaddress import IPv4Network

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
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
    return [item for number, (port, facts) in enumerate(scope.ports) for item in _port(number, port, facts)]


def routes_over(table: int, port: Port, facts: PortFacts, metric: int) -> list[Item]:
    """Return the routes by which a table reaches what lies behind a port, and the port's own addresses."""
    found: list[Item] = []
    for address in facts.addresses:
        after = frozenset({LinkUp(facts.interface).ref})
        if not port.as_found:
            after |= {Address(facts.interface, address).ref}
        host = IPv4Network(address.ip)
        found.append(Route(host, table, 0, facts.interface, type="local", src=address.ip, after=after))
        if address.network.prefixlen < 32:
            found.append(Route(address.network, table, metric, facts.interface, src=address.ip, after=after))
    if facts.addresses:
        source = facts.addresses[0].ip
        for extra, gateway in enumerate(facts.gateways):
            route = Route(
                DEFAULT_ROUTE, table, metric + extra, facts.interface, gateway, src=source, after=after
            )
            found.append(route)
    return found


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
    table = PORT_TABLE + number
    found += routes_over(table, port, facts, 0)
    found += [Rule(PORT_PRIORITY, table, src=address.ip) for address in facts.addresses]
    if not port.as_found:
        # A port "as found" has a default route already, or shall have none.
        after = frozenset({LinkUp(name).ref, Address(name, facts.addresses[0]).ref})
        metric = DEFAULT_METRIC + 100 * port.cost + number
        found += [
            Route(
                DEFAULT_ROUTE, metric=metric, link=name, via=gateway, src=facts.addresses[0].ip, after=after
            )
            for gateway in facts.gateways[:1]
        ]
    return found
