"""Why a flow passes or not, and where it goes: the answers of ``netnsmgr why`` as plain data.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from netnsmgr.config.acl_words import icmp_name, protocol_name
from netnsmgr.core.agreed import DEVICE
from netnsmgr.core.ip import IPAddress
from netnsmgr.core.protocols import FAMILY_OF, TCP, UDP, WITH_PORTS
from netnsmgr.features import ways
from netnsmgr.features.acl.verdict import Address, Flow
from netnsmgr.features.acl.why import Known, Member, Said, ask, owners
from netnsmgr.features.metadata import ADDRESS as METADATA
from netnsmgr.features.metadata import PORT as METADATA_PORT
from netnsmgr.features.portmap_inside import address_of, leads
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.ways import Hop, Way
from netnsmgr.supervisor.site import Site

SOURCE_PORT = 50000
"""The port that a sender is taken to have where none is said."""
NOBODY4, NOBODY6 = IPv4Address("0.0.0.0"), IPv6Address("fe80::")
SERVICE = "always allowed, whatever the list says: "


@dataclass(frozen=True)
class Asked:
    """What a packet asks for; ``name`` is what ``address`` was written as, if that was a name."""

    address: Address
    protocol: int
    port: int
    source_port: int = SOURCE_PORT
    name: str = ""


class _Answer:
    """An answer in the making: lists are asked one after the other, and steps are gone as long as nothing stops them."""

    def __init__(self, member: Member, flow: Flow, name: str, direction: str) -> None:
        self._said: list[tuple[Said, bool]] = []
        self.sender = "application" if direction == "out" else "outside"
        self._hops: list[Hop] = []
        self.reason = ""
        self.service = ""
        self._member, self._flow, self._name, self._direction = member, flow, name, direction
        self.notes: list[str] = []
        self.traced: list[str] = []
        """The networks that the packet passes."""

    def ask(self, said: Said) -> None:
        self._said.append((said, self.passes))
        if said.doubtful:
            listed = ", ".join(map(str, said.doubtful))
            whose = f"{said.member[0].name}/{said.member[1].name}"
            self.notes.append(
                f"rule {listed} of {whose} was left out: it is about addresses that are not known here"
            )

    def go(self, hop: Hop) -> None:
        if self.passes:
            self._hops.append(hop)

    @property
    def network(self) -> str:
        return self._member[1].network

    @property
    def passes(self) -> bool:
        return all(said.passes for said, _ in self._said)

    def record(self) -> dict[str, Any]:
        app, interface = self._member
        first = next((said for said, asked in self._said if asked and not said.passes), None)
        limited = any(said.action.name == "LIMIT" for said, _ in self._said)
        verdict = first.action.name.lower() if first else "limit" if limited else "allow"
        flow = self._flow
        return {
            "app": app.name,
            "interface": interface.name,
            "network": interface.network,
            "direction": self._direction,
            "sender": self.sender,
            "sourcePort": None if self._flow.sport == SOURCE_PORT else self._flow.sport,
            "flow": {
                "protocol": protocol_name(flow.protocol),
                **({"type": icmp_name(flow.protocol, flow.dport >> 8)} if flow.protocol in FAMILY_OF else {}),
                "src": None if flow.initiator in {NOBODY4, NOBODY6} else str(flow.initiator),
                "dst": None if flow.responder == NOBODY4 else str(flow.responder),
                **({"dport": flow.dport} if flow.protocol in WITH_PORTS else {}),
                **({"name": self._name} if self._name else {}),
            },
            "allowed": self.passes and not self.reason,
            "verdict": verdict,
            "service": self.service or None,
            "lists": [said.record(asked=asked) for said, asked in self._said],
            "path": [hop.record() for hop in self._hops],
            "reason": (self.reason if self.passes else None) or None,
            "notes": self.notes,
            "passes": list(dict.fromkeys(self.traced)),
        }


def outbound(site: Site, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow that an application begins on one of its interfaces."""
    scope = site.scope(member[1].network)
    own = address_of(scope, *member)
    source: Address = own or NOBODY4 if asked.address.version == 4 else NOBODY6
    flow = Flow(source, asked.address, asked.protocol, asked.source_port, asked.port)
    answer = _Answer(member, flow, asked.name, "out")
    network = scope.instance.name
    answer.traced.append(network)
    if own is not None and asked.address == own:
        answer.traced.clear()
        answer.service = f"{own} is the application's own address: nothing leaves it"
        return answer.record()
    if answer_service(scope, asked):
        answer.service = answer_service(scope, asked)
    else:
        answer.ask(ask(scope, member, "out", flow, known))
    label = f"{member[0].name}/{member[1].name}"
    answer.go(Hop(label, f"sends from {own or 'an address that it does not have yet'}"))
    holder = owners(scope).get(asked.address) if isinstance(asked.address, IPv4Address) else None
    if holder is not None:
        answer.ask(ask(scope, holder, "in", flow, known))
        answer.go(ways.bridged(scope, holder))
    elif known.placeholder:
        answer.notes.append(f"{asked.name} was not resolved, so where it leads is unknown")
    elif not isinstance(asked.address, IPv4Address):
        answer.reason = "netnsmgr configures no IPv6: nothing leads there"
    elif asked.address in {*(net.gateway for net in scope.nets), scope.inner, METADATA}:
        what = f"{asked.address} is the instance itself"
        answer.go(
            Hop(
                f"instance {network}",
                what if answer.service else f"{what}, where nothing but its services listens",
            )
        )
    elif any(asked.address in net.subnet for net in scope.nets):
        answer.reason = f"no application of {network} is known to hold {asked.address}"
    elif asked.address.is_multicast or asked.address == IPv4Address("255.255.255.255"):
        answer.reason = f"{asked.address} is not one host: it stays on the bridge of {network}"
    elif scope.instance.air_gapped:
        answer.reason = f"{network} has no ports (air-gapped): no route leads to {asked.address}"
    else:
        answer.go(ways.leaves(scope))
        way = ways.through_device(
            site.uplink, site.linked(network), asked.address, asked.protocol, asked.port
        )
        _follow(site, answer, way, asked, known)
    if own is None and not answer.reason:
        answer.reason = f"{label} has no address in {network} yet"
    return answer.record()


def inbound(site: Site, member: Member, asked: Asked, sender: IPAddress, known: Known) -> dict[str, Any]:
    """Explain a flow to an application from a host outside of the device; ``asked.address`` is of no matter.

    ``asked.port`` is the application's port, or the device's port that is mapped to one.
    """
    app, interface = member
    scope = site.scope(interface.network)
    linked = site.linked(interface.network)
    own = address_of(scope, *member)
    protocol = WITH_PORTS.get(asked.protocol, "")
    mine = list(leads(scope, app, interface))
    wanted = [lead for lead in mine if (lead.protocol, lead.app_port) == (protocol, asked.port)]
    wanted = wanted or [lead for lead in mine if (lead.protocol, lead.port) == (protocol, asked.port)]
    best: dict[str, Any] | None = None
    for lead in wanted:
        mapped, addresses = ways.open_at(site.uplink, linked, lead.protocol, lead.port)
        flow = Flow(
            sender, addresses[0] if addresses else NOBODY4, asked.protocol, asked.source_port, lead.port
        )
        answer = _Answer(member, flow, "", "in")
        if mapped is None or not addresses:
            answer.reason = f"port map {lead.protocol} {lead.port} is open nowhere: no port of the device that it is for has an address"
        elif not ways.allows(mapped, sender):
            answer.reason = (
                f"port map {lead.protocol} {lead.port} is only for {', '.join(map(str, mapped.senders or ()))}: "
                f"{sender} is not among them"
            )
        elif own is None:
            answer.reason = f"{app.name}/{interface.name} has no address yet"
        else:
            if len(addresses) > 1:
                answer.notes.append(f"also open at {', '.join(f'{a}:{lead.port}' for a in addresses[1:])}")
            _follow(site, answer, ways.led(linked, mapped, sender, addresses[0]), asked, known)
        found = answer.record()
        if found["allowed"]:
            return found
        best = best or found
    if best is not None:
        return best
    answer = _Answer(
        member, Flow(sender, own or NOBODY4, asked.protocol, asked.source_port, asked.port), "", "in"
    )
    what = f"{asked.port}/{protocol}" if protocol else protocol_name(asked.protocol)
    there = ", ".join(f"{lead.protocol} {lead.port} → {lead.app_port}" for lead in mine) or "none"
    answer.reason = (
        f"nothing leads in: no port map leads to {what} of {app.name}/{interface.name} (its port maps: {there}), "
        "and the device forwards nothing else to its instances"
    )
    return answer.record()


def between(site: Site, peer: Member, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow to an application from another one: on the bridge, or by a port map from another network."""
    own = address_of(site.scope(member[1].network), *member)
    if own is None:
        answer = _Answer(
            member, Flow(NOBODY4, NOBODY4, asked.protocol, asked.source_port, asked.port), "", "in"
        )
        answer.reason = f"{member[0].name}/{member[1].name} has no address in {member[1].network} yet"
        return answer.record()
    if peer[1].network == member[1].network:
        return outbound(site, peer, replace(asked, address=own), known)
    linked, there = site.linked(member[1].network), site.linked(peer[1].network)
    protocol = WITH_PORTS.get(asked.protocol, "")
    for lead in leads(site.scope(member[1].network), *member):
        if lead.protocol == protocol and asked.port in {lead.app_port, lead.port}:
            _, addresses = ways.open_at(site.uplink, linked, protocol, lead.port)
            near = ways.doors(site.uplink, there)
            for address in sorted(addresses, key=lambda each: each not in near)[:1]:
                return outbound(site, peer, replace(asked, address=address, port=lead.port), Known())
    return inbound(site, member, asked, there.inner, known)


def from_device(site: Site, member: Member, asked: Asked) -> dict[str, Any]:
    """Explain a flow to an application that the device itself begins."""
    scope = site.scope(member[1].network)
    own = address_of(scope, *member)
    flow = Flow(scope.outer, own or NOBODY4, asked.protocol, asked.source_port, asked.port)
    answer = _Answer(member, flow, "", "in")
    answer.sender = "device"
    answer.traced.append(scope.instance.name)
    answer.service = f"{SERVICE}the device itself reaches every application (rule index {DEVICE})"
    link = site.linked(scope.instance.name).link
    answer.go(Hop("device", f"sends from {scope.outer} over {link}, via {scope.inner}", {"link": link}))
    if own is None:
        answer.reason = f"{member[0].name}/{member[1].name} has no address in {scope.instance.name} yet"
    else:
        answer.go(ways.bridged(scope, member))
    return answer.record()


def answer_service(scope: InstanceScope, asked: Asked) -> str:
    """Say which service of the instance a packet is for, if that is always allowed; else return nothing."""
    to_gateway = asked.address in {net.gateway for net in scope.nets}
    if to_gateway and asked.protocol in {TCP, UDP} and asked.port == 53:
        return f"{SERVICE}the DNS server of {scope.instance.name}"
    if asked.protocol == UDP and asked.port == 67 and to_gateway:
        return f"{SERVICE}the DHCP server of {scope.instance.name}"
    if asked.address == METADATA and asked.protocol == TCP and asked.port == METADATA_PORT:
        return f"{SERVICE}the metadata service"
    return ""


def _follow(site: Site, answer: _Answer, way: Way, asked: Asked, known: Known) -> None:
    """Go through the device, and where a port map leads in again, up to the application."""
    for hop in way.hops:
        answer.go(hop)
    answer.reason = answer.reason or way.reason
    if way.led is None:
        return
    linked, mapped, sender = way.led
    scope = site.scope(linked.instance.name)
    answer.traced.append(scope.instance.name)
    arrived = ways.arrival(scope, mapped.protocol, mapped.port)
    if arrived is None:
        answer.reason = f"the application behind port map {mapped.protocol} {mapped.port} has no address yet"
        return
    member, lead, hop = arrived
    assert lead.address is not None
    answer.go(hop)
    flow = Flow(
        sender, scope.inner, asked.protocol, asked.source_port, mapped.port, (lead.address, lead.app_port)
    )
    # The host rules' addresses were looked up in one instance only.
    same = scope.instance.name == answer.network
    answer.ask(ask(scope, member, "in", flow, known if same else Known()))
