"""Where a packet of an application goes, or comes from: through which namespace, route and translation.

It tells of the same routes, tables and maps that the other features make; nothing is looked up in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from netnsmgr.config.acl_words import protocol_name
from netnsmgr.config.device import Port
from netnsmgr.core.ip import IPAddress, Version, endpoint
from netnsmgr.core.protocols import FAMILY_OF, WITH_PORTS
from netnsmgr.features import portmap, portmap_inside
from netnsmgr.features.acl.why import Member
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.egress6 import outer_prefixes
from netnsmgr.features.link import UPLINK
from netnsmgr.features.nets import Net
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


def outer_address(scope: InstanceScope, own: IPAddress | None) -> IPAddress | None:
    """Return the IPv6 address by which the outside knows an application's address; None: by none, or it is not known."""
    outer = next(iter(outer_prefixes(scope)), None)
    if outer is None or own is None or own.version == 4:
        return None
    return IPv6Address(int(outer[0]) | int(own) & int(outer.hostmask))


def source(scope: InstanceScope, net: Net, own: IPAddress | None, *, device: bool) -> IPAddress | None:
    """Return the source address that an application's packet has on the link; None where that is not known.

    ``device``: it is for an address that the device has at one of the instance's ports.
    """
    nat = net.version == 4 or scope.instance.spec.ipv6.uplink == "nat66" or device
    return net.inner if nat else outer_address(scope, own)


def leaves(scope: InstanceScope, net: Net, own: IPAddress | None, *, device: bool) -> Hop:
    """Return the step from the bridge to the link, with what becomes of the source address ``own``; see ``source``."""
    kind = "nat66" if net.version == 4 else scope.instance.spec.ipv6.uplink
    seen = source(scope, net, own, device=device)
    if seen == net.inner:
        becomes = f"source address becomes {net.inner}"
    elif kind == "npt":
        outer = next(iter(outer_prefixes(scope)), "the one that the port gets by delegation")
        becomes = f"prefix {net.subnet} of the source becomes {outer}"
    else:
        becomes = "source address stays as it is"
    which = f" ({kind})" if net.version == 6 else ""
    what = f"routed to {UPLINK}, via {net.outer}; {becomes}{which}"
    facts = {"link": UPLINK, "source": str(seen) if seen else None}
    return Hop(f"instance {scope.instance.name}", what, facts)


def arrives(uplink: UplinkScope, linked: LinkedInstance, outer: IPAddress) -> Hop:
    """Return the step of a packet from outside that is for an application's own address there."""
    ports = [port.name for port, facts in uplink.ports_of(linked.instance) if facts.addresses_of(6)]
    net = next(net for net in linked.nets if net.version == 6)
    what = f"{outer} is of {linked.instance.name}: let in by port {' or '.join(ports) or '(none)'}, over {linked.link}, via {net.inner}"
    return Hop("device", what, {"link": linked.link})


def by_nat64(scope: InstanceScope, destination: IPAddress, target: IPv4Address) -> Hop:
    """Return the step of an application that has only IPv6 to a host of IPv4, up to the link."""
    what = f"NAT64: {destination} stands for {target}; goes on as IPv4 from {scope.inner}, routed to {UPLINK}, via {scope.outer}"
    return Hop(
        f"instance {scope.instance.name}",
        what,
        {"link": UPLINK, "source": str(scope.inner), "nat64": str(target)},
    )


def stands_for(scope: InstanceScope, destination: IPAddress) -> IPv4Address | None:
    """Return the IPv4 address that an address of the instance's NAT64 prefix stands for (RFC 6052, 2.2: a /96)."""
    prefix = scope.instance.nat64_prefix
    if prefix is None or destination not in prefix:
        return None
    return IPv4Address(int(destination) & 0xFFFFFFFF)


def bridged(scope: InstanceScope, peer: Member) -> Hop:
    """Return the step to another application of the network."""
    app, interface = peer
    what = f"delivered on the bridge {BRIDGE} to {app.name}/{interface.name}"
    return Hop(f"instance {scope.instance.name}", what, {"app": app.name, "interface": interface.name})


def through_device(
    uplink: UplinkScope,
    linked: LinkedInstance,
    sender: IPAddress | None,
    destination: IPAddress,
    protocol: int,
    port: int,
) -> Way:
    """Follow a packet that an instance has sent over its link, as ``sender`` (None: not known)."""
    version = destination.version
    ends = next((each for each in linked.links if each.version == version), None)
    if ends is None:
        return Way((), f"{linked.instance.name} has no IPv{version}")
    for number, facts in portmap.ways_out(uplink, linked):
        if destination in {address.ip for address in facts.addresses}:
            asked = (number, WITH_PORTS.get(protocol, ""), port, version)
            for each in portmap.opened(uplink):
                there = (each.number, each.mapped.protocol, each.mapped.port, each.net.version)
                if there == asked and allows(each.mapped, sender):
                    return led(each.linked, each.mapped, sender or ends.inner, destination)
            return _device(destination, protocol, port, f"the device's own address at {facts.name}")
    if destination == ends.outer:
        return _device(destination, protocol, port, "the device's end of the instance's link")
    if destination in portmap.link_pool(uplink, version):
        reason = f"{destination} is of the device's link pool: no way leads from one instance to another"
        return Way((Hop("device", reason),), reason)
    return _routed(uplink, linked, destination)


def _routed(uplink: UplinkScope, linked: LinkedInstance, destination: IPAddress) -> Way:
    """Follow the packet by the instance's own table."""
    version = destination.version
    table = INSTANCE_TABLE + linked.number
    ports = uplink.ports_of(linked.instance)
    chosen = route_of(ports, destination)
    listed = [port_state(port, facts, version) for port, facts in ports]
    lookup = f"rule {INSTANCE_PRIORITY}: from {linked.link}, table {table}"
    if chosen is None:
        reason = "no port of the instance leads there: " + ("; ".join(listed) or "it has none that exists")
        if version == 6 and ports and not any(facts.addresses_of(6) for _, facts in ports):
            reason = "no port of the instance has a global IPv6 address: " + "; ".join(listed)
        what = f"{lookup}: unreachable (answered by ICMP)"
        return Way((Hop("device", what, {"table": table, "ports": listed}),), reason)
    name, interface, via, source = chosen
    way = f"by port {name}{f', via {via}' if via else ', on its own network'}"
    kind = linked.instance.spec.ipv6.uplink
    if version == 4 or kind == "nat66":
        becomes = f"masqueraded as {source}"
    else:
        becomes = {
            "npt": f"not masqueraded: answers to the outer prefix have to be routed to {source}",
            "routed": f"not translated: the site has to route the subnet to {source}",
            "ndpProxy": "not translated: the device answers neighbour solicitations for the application",
            "delegated": f"not translated: the subnet was delegated to port {name}",
        }[kind]
    facts_ = {
        "table": table,
        "port": name,
        "interface": interface,
        "via": str(via) if via else None,
        "source": str(source) if version == 4 or kind == "nat66" else None,
        "ports": listed,
    }
    return Way((Hop("device", f"{lookup}: {way}; {becomes}", facts_),))


def led(linked: LinkedInstance, mapped: PortMap, sender: IPAddress, asked: IPAddress) -> Way:
    """Follow a packet that has come to a port of the device that is mapped."""
    net = next(net for net in linked.nets if net.version == asked.version)
    near = sender in net.subnet or sender == net.inner
    seen = net.outer if near else sender
    masked = (
        f"; sender {sender} becomes {seen}, because the instance would take it for its own" if near else ""
    )
    door, inner = endpoint(asked, mapped.port), endpoint(net.inner, mapped.port)
    what = f"port map {mapped.protocol} {door} → {inner} over {linked.link}{masked}"
    facts = {
        "device": door,
        "protocol": mapped.protocol,
        "network": linked.instance.name,
        "inner": inner,
        "sender": str(seen),
    }
    return Way((Hop("device", what, facts),), led=(linked, mapped, seen))


def arrival(
    scope: InstanceScope, protocol: str, port: int, version: Version = 4
) -> tuple[Member, Lead, Hop] | None:
    """Return which application a mapped port leads to in its instance; None while its address is unknown."""
    inner = next(ends.inner for ends in scope.links if ends.version == version)
    for member in scope.interfaces:
        for lead in portmap_inside.leads(scope, *member):
            if (lead.version, lead.protocol, lead.port) == (
                version,
                protocol,
                port,
            ) and lead.address is not None:
                app, interface = member
                target = endpoint(lead.address, lead.app_port)
                what = f"{endpoint(inner, port)} → {target}, which is {app.name}/{interface.name}"
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


def allows(mapped: PortMap, sender: IPAddress | None) -> bool:
    """Tell whether a port map is for this sender."""
    return mapped.senders is None or (
        sender is not None and any(sender in network for network in mapped.senders)
    )


def _device(destination: IPAddress, protocol: int, port: int, what: str) -> Way:
    hop = Hop("device", f"{destination} is {what}")
    if protocol in FAMILY_OF:
        return Way((hop,))
    asked = f"{port}/{protocol_name(protocol)}" if protocol in WITH_PORTS else protocol_name(protocol)
    return Way(
        (hop,), f"the device answers its instances ICMP only, and no port map is open there for {asked}"
    )


def route_of(
    ports: list[tuple[Port, PortFacts]], destination: IPAddress
) -> tuple[str, str, IPAddress | None, IPAddress] | None:
    """Return name, link, gateway and source address by which the instance's table leads to a destination.

    The longest prefix decides; among equal ones the port that comes first.
    """
    found: list[tuple[int, int, tuple[str, str, IPAddress | None, IPAddress]]] = []
    version = destination.version
    for order, (port, facts) in enumerate(ports):
        addresses = facts.addresses_of(version)
        if not (facts.present and addresses and facts.up):
            continue
        first = addresses[0].ip
        found += [
            (-address.network.prefixlen, order, (port.name, facts.interface, None, address.ip))
            for address in addresses
            if address.network.prefixlen < address.max_prefixlen and destination in address.network
        ]
        for via in facts.gateways_of(version)[:1]:
            found.append((0, order, (port.name, facts.interface, via, first)))
            if len(ports) > 1 and destination in facts.dns:
                found.append((-destination.max_prefixlen, order, (port.name, facts.interface, via, first)))
    return min(found, key=lambda each: each[:2])[2] if found else None


def port_state(port: Port, facts: PortFacts, version: Version) -> str:
    """Say whether a port leads to the outside, and what it lacks."""
    return f"{port.name} (cost {port.cost}): {', '.join(_lacks(facts, version)) or 'usable'}"


def _lacks(facts: PortFacts, version: Version) -> Iterator[str]:
    if not facts.present:
        yield "there is no such link"
        return
    if not facts.up:
        yield "down"
    which = "" if version == 4 else "IPv6 "
    if not facts.addresses_of(version):
        yield f"no {which}address"
    elif not facts.gateways_of(version):
        yield f"no {which}gateway"
