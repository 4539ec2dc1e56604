"""Where a packet of an application goes, or comes from: through which namespace, route and translation.

It tells of the same routes, tables and maps that the other features make; nothing is looked up in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from netnsmgr.config.acl_words import protocol_name
from netnsmgr.config.device import Port
from netnsmgr.core.ip import IPAddress
from netnsmgr.core.protocols import ICMP, WITH_PORTS
from netnsmgr.features import portmap, portmap_inside
from netnsmgr.features.acl.why import Member
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.link import UPLINK
from netnsmgr.features.portmap_inside import Lead
from netnsmgr.features.scope import InstanceScope, LinkedInstance, PortFacts, PortMap, UplinkScope
from netnsmgr.features.uplink_links import INSTANCE_PRIORITY, INSTANCE_TABLE


@dataclass(frozen=True)
class Hop:
    """One step: where it happens, and what does."""

    at: str
    what: str
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"at": self.at, "what": self.what, **self.facts}


@dataclass(frozen=True)
class Way:
    """What happens to a packet in the device's root namespace; ``reason`` is why it gets no further, or empty.

    ``led`` is the instance that it is led into by a port map, with the address that it has for its sender there.
    """

    hops: tuple[Hop, ...]
    reason: str = ""
    led: tuple[LinkedInstance, PortMap, IPAddress] | None = None


def leaves(scope: InstanceScope) -> Hop:
    """Return the step from the bridge to the link, with the source NAT."""
    what = f"routed to {UPLINK}, via {scope.outer}; source address becomes {scope.inner}"
    return Hop(f"instance {scope.instance.name}", what, {"link": UPLINK, "source": str(scope.inner)})


def bridged(scope: InstanceScope, peer: Member) -> Hop:
    """Return the step to another application of the network."""
    app, interface = peer
    what = f"delivered on the bridge {BRIDGE} to {app.name}/{interface.name}"
    return Hop(f"instance {scope.instance.name}", what, {"app": app.name, "interface": interface.name})


def through_device(
    uplink: UplinkScope, linked: LinkedInstance, destination: IPAddress, protocol: int, port: int
) -> Way:
    """Follow a packet that an instance has sent over its link."""
    table = INSTANCE_TABLE + linked.number
    ways = portmap.ways_out(uplink, linked)
    for number, facts in ways:
        if destination in {address.ip for address in facts.addresses}:
            asked = (number, WITH_PORTS.get(protocol, ""), port, destination.version)
            for each in portmap.opened(uplink):
                there = (each.number, each.mapped.protocol, each.mapped.port, each.net.version)
                if there == asked and allows(each.mapped, linked.inner):
                    return led(each.linked, each.mapped, linked.inner, destination)
            return _device(destination, protocol, port, f"the device's own address at {facts.name}")
    if destination == linked.outer:
        return _device(destination, protocol, port, "the device's end of the instance's link")
    if destination in portmap.link_pool(uplink):
        reason = f"{destination} is of the device's link pool: no way leads from one instance to another"
        return Way((Hop("device", reason),), reason)
    chosen = _route(uplink.ports_of(linked.instance), destination)
    listed = [_port(port, facts) for port, facts in uplink.ports_of(linked.instance)]
    lookup = f"rule {INSTANCE_PRIORITY}: from {linked.link}, table {table}"
    if chosen is None:
        reason = "no port of the instance leads there: " + ("; ".join(listed) or "it has none that exists")
        what = f"{lookup}: unreachable (answered by ICMP)"
        return Way((Hop("device", what, {"table": table, "ports": listed}),), reason)
    name, interface, via, source = chosen
    what = f"{lookup}: by port {name}{f', via {via}' if via else ', on its own network'}; masqueraded as {source}"
    facts_ = {
        "table": table,
        "port": name,
        "interface": interface,
        "via": str(via) if via else None,
        "source": str(source),
        "ports": listed,
    }
    return Way((Hop("device", what, facts_),))


def led(linked: LinkedInstance, mapped: PortMap, sender: IPAddress, asked: IPAddress) -> Way:
    """Follow a packet that has come to a port of the device that is mapped."""
    near = any(sender in net.subnet for net in linked.nets) or sender == linked.inner
    seen = linked.outer if near else sender
    masked = (
        f"; sender {sender} becomes {seen}, because the instance would take it for its own" if near else ""
    )
    what = f"port map {mapped.protocol} {asked}:{mapped.port} → {linked.inner}:{mapped.port} over {linked.link}{masked}"
    facts = {
        "device": f"{asked}:{mapped.port}",
        "protocol": mapped.protocol,
        "network": linked.instance.name,
        "inner": f"{linked.inner}:{mapped.port}",
        "sender": str(seen),
    }
    return Way((Hop("device", what, facts),), led=(linked, mapped, seen))


def arrival(scope: InstanceScope, protocol: str, port: int) -> tuple[Member, Lead, Hop] | None:
    """Return which application a mapped port leads to in its instance; None while its address is unknown."""
    for member in scope.interfaces:
        for lead in portmap_inside.leads(scope, *member):
            if (lead.protocol, lead.port) == (protocol, port) and lead.address is not None:
                app, interface = member
                target = f"{lead.address}:{lead.app_port}"
                what = f"{scope.inner}:{port} → {target}, which is {app.name}/{interface.name}"
                facts = {"app": app.name, "interface": interface.name, "application": target}
                return member, lead, Hop(f"instance {scope.instance.name}", what, facts)
    return None


def open_at(
    uplink: UplinkScope, linked: LinkedInstance, protocol: str, port: int
) -> tuple[PortMap | None, list[IPAddress]]:
    """Return an instance's port map with the device's addresses at which it is open."""
    for mapped, addresses in portmap.exposed(uplink).get(linked.instance.name, ()):
        if (mapped.protocol, mapped.port) == (protocol, port):
            return mapped, list(map(ip_address, addresses))
    return None, []


def doors(uplink: UplinkScope, linked: LinkedInstance) -> set[IPAddress]:
    """Return the device's addresses that an instance's packets find without leaving the device."""
    return {address.ip for _, facts in portmap.ways_out(uplink, linked) for address in facts.addresses}


def allows(mapped: PortMap, sender: IPAddress) -> bool:
    """Tell whether a port map is for this sender."""
    return mapped.senders is None or any(sender in network for network in mapped.senders)


def _device(destination: IPAddress, protocol: int, port: int, what: str) -> Way:
    hop = Hop("device", f"{destination} is {what}")
    if protocol == ICMP:
        return Way((hop,))
    asked = f"{port}/{protocol_name(protocol)}" if protocol in WITH_PORTS else protocol_name(protocol)
    return Way(
        (hop,), f"the device answers its instances ICMP only, and no port map is open there for {asked}"
    )


def _route(
    ports: list[tuple[Port, PortFacts]], destination: IPAddress
) -> tuple[str, str, IPAddress | None, IPAddress] | None:
    """Return name, link, gateway and source address by which the instance's table leads to a destination.

    The longest prefix decides; among equal ones the port that comes first.
    """
    found: list[tuple[int, int, tuple[str, str, IPAddress | None, IPAddress]]] = []
    for order, (port, facts) in enumerate(ports):
        if not (facts.usable and facts.up):
            continue
        first = facts.addresses[0].ip
        found += [
            (-address.network.prefixlen, order, (port.name, facts.interface, None, address.ip))
            for address in facts.addresses
            if address.network.prefixlen < 32 and destination in address.network
        ]
        if facts.gateways:
            via = facts.gateways[0]
            found.append((0, order, (port.name, facts.interface, via, first)))
            if len(ports) > 1 and destination in facts.dns:
                found.append((-32, order, (port.name, facts.interface, via, first)))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _port(port: Port, facts: PortFacts) -> str:
    return f"{port.name} (cost {port.cost}): {', '.join(_lacks(facts)) or 'usable'}"


def _lacks(facts: PortFacts) -> Iterator[str]:
    if not facts.present:
        yield "there is no such link"
        return
    if not facts.up:
        yield "down"
    if not facts.addresses:
        yield "no address"
    elif not facts.gateways:
        yield "no gateway"
