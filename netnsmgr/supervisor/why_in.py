"""Why a flow to an application passes or not: from outside, from another one, from the device.  Pure."""

from __future__ import annotations

from typing import Any

from netnsmgr.config.acl_words import protocol_name
from netnsmgr.core.agreed import DEVICE
from netnsmgr.core.ip import LINK_LOCAL, IPAddress, Version, endpoint
from netnsmgr.core.protocols import WITH_PORTS
from netnsmgr.features import ways
from netnsmgr.features.acl.verdict import Flow
from netnsmgr.features.acl.why import Known, Member, ask
from netnsmgr.features.portmap_inside import Lead, address_of, leads
from netnsmgr.features.scope import senders
from netnsmgr.features.ways import Hop
from netnsmgr.supervisor import why_switch, why_vpn
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why import follow, outbound
from netnsmgr.supervisor.why_answer import SERVICE, Answer, Asked, lacks, net_of, nobody


def inbound(site: Site, member: Member, asked: Asked, sender: IPAddress, known: Known) -> dict[str, Any]:
    """Explain a flow to an application from a host outside of the device; ``asked.address`` is of no matter.

    ``asked.port`` is the application's port, or the device's port that is mapped to one.
    """
    app, interface = member
    scope, version = site.scope(interface.network), sender.version
    if scope.instance.is_switch:
        return why_switch.inbound(scope, member, asked, sender, known)
    own = address_of(scope, app, interface, version)
    protocol = WITH_PORTS.get(asked.protocol, "")
    mine = [lead for lead in leads(scope, app, interface) if lead.version == version]
    wanted = [lead for lead in mine if (lead.protocol, lead.app_port) == (protocol, asked.port)]
    wanted = wanted or [lead for lead in mine if (lead.protocol, lead.port) == (protocol, asked.port)]
    found = [_by_map(site, member, asked, sender, lead, known) for lead in wanted]
    if version == 6 and ways.outer_address(scope, own) is not None:
        found.append(_directly(site, member, asked, sender, known))
    if (tunnelled := why_vpn.inbound(site, member, asked, sender, known)) is not None:
        # By a tunnel that has everything come also those who come by a port map.
        found.insert(len(found) if tunnelled[1] else 0, tunnelled[0])
    if found:
        return next((answer for answer in found if answer["allowed"]), found[0])
    flow = Flow(sender, own or nobody(version), asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, "", "in")
    what = f"{asked.port}/{protocol}" if protocol else protocol_name(asked.protocol)
    there = ", ".join(f"{lead.protocol} {lead.port} → {lead.app_port}" for lead in mine) or "none"
    answer.reason = (
        f"nothing leads in: no port map leads to {what} of {app.name}/{interface.name} (its port maps: {there}), "
        "and the device forwards nothing else to its instances"
    )
    if net_of(scope, version) is None:
        answer.reason = lacks(scope, version)
    elif sender in LINK_LOCAL:
        answer.reason = f"no application of {interface.network} is known to hold {sender}, and nobody else sends from there"
    return answer.record()


def _by_map(
    site: Site, member: Member, asked: Asked, sender: IPAddress, lead: Lead, known: Known
) -> dict[str, Any]:
    """Explain a flow from outside by one port map of the application."""
    scope, version = site.scope(member[1].network), sender.version
    linked = site.linked(member[1].network)
    mapped, everywhere = ways.open_at(site.uplink, linked, lead.protocol, lead.port)
    addresses = [address for address in everywhere if address.version == version]
    to = addresses[0] if addresses else nobody(version)
    answer = Answer(member, Flow(sender, to, asked.protocol, asked.source_port, lead.port), "", "in")
    name, label = f"port map {lead.protocol} {lead.port}", f"{member[0].name}/{member[1].name}"
    which = "" if version == 4 else "IPv6 "
    if lead.senders is not None and not any(sender in prefix for prefix in lead.senders):
        rule = next(rule for rule in member[1].acl or () if rule.id == lead.rule)
        only = senders(rule.match.ip) or ()
        answer.reason = f"{name} is only for {', '.join(map(str, only))}: {sender} is not among them"
    elif net_of(scope, version) is None:
        answer.reason = lacks(scope, version)
    elif mapped is None or not addresses:
        answer.reason = f"{name} is open nowhere: no port of the device that it is for has an {which}address"
    elif lead.address is None:
        answer.reason = f"{label} has no {which}address yet"
    else:
        if len(addresses) > 1:
            others = ", ".join(endpoint(each, lead.port) for each in addresses[1:])
            answer.notes.append(f"also open at {others}")
        follow(site, answer, ways.led(linked, mapped, sender, to), asked, known)
    return answer.record()


def _directly(site: Site, member: Member, asked: Asked, sender: IPAddress, known: Known) -> dict[str, Any]:
    """Explain a flow from outside to the address that an application itself has there."""
    scope, network = site.scope(member[1].network), member[1].network
    own = address_of(scope, *member, 6)
    outer = ways.outer_address(scope, own)
    assert own is not None
    assert outer is not None
    answer = Answer(member, Flow(sender, outer, asked.protocol, asked.source_port, asked.port), "", "in")
    answer.traced.append(network)
    answer.go(ways.arrives(site.uplink, site.linked(network), outer))
    answer.ask(
        ask(scope, member, "in", Flow(sender, own, asked.protocol, asked.source_port, asked.port), known)
    )
    answer.go(ways.bridged(scope, member))
    return answer.record()


def between(site: Site, peer: Member, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow to an application from another one: on the bridge, or by a port map from another network.

    Of ``asked.address`` only the version is of matter.
    """
    version = asked.address.version
    scope = site.scope(member[1].network)
    if scope.instance.is_switch:
        if peer[1].network == member[1].network:
            return why_switch.between(scope, peer, member, asked, known)
        return why_switch.from_elsewhere(scope, member, asked, f"{peer[0].name} in {peer[1].network}")
    own = address_of(site.scope(member[1].network), *member, version)
    if own is None:
        unknown = nobody(version)
        flow = Flow(unknown, unknown, asked.protocol, asked.source_port, asked.port)
        return _without(Answer(member, flow, "", "in"), member, version)
    if peer[1].network == member[1].network:
        return outbound(site, peer, asked.to(own), known)
    linked, there = site.linked(member[1].network), site.linked(peer[1].network)
    protocol = WITH_PORTS.get(asked.protocol, "")
    for lead in leads(site.scope(member[1].network), *member):
        if (lead.version, lead.protocol) == (version, protocol) and asked.port in {lead.app_port, lead.port}:
            _, everywhere = ways.open_at(site.uplink, linked, protocol, lead.port)
            near = ways.doors(site.uplink, there)
            addresses = [address for address in everywhere if address.version == version]
            for address in sorted(addresses, key=lambda each: each not in near)[:1]:
                return outbound(site, peer, asked.to(address, lead.port), Known())
    if not there.links:
        name = f"{peer[0].name} of the switch {peer[1].network}"
        return why_switch.from_elsewhere(scope, member, asked, name)
    ends = next((ends for ends in there.links if ends.version == version), there.links[0])
    return inbound(site, member, asked, ends.inner, known)


def from_device(site: Site, member: Member, asked: Asked) -> dict[str, Any]:
    """Explain a flow to an application that the device itself begins; of ``asked.address`` the version is of matter."""
    scope, version = site.scope(member[1].network), asked.address.version
    if scope.instance.is_switch:
        return why_switch.from_elsewhere(scope, member, asked, "the device itself")
    own = address_of(scope, *member, version)
    net = net_of(scope, version)
    outer = net.outer if net is not None else nobody(version)
    flow = Flow(outer, own or nobody(version), asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, "", "in")
    answer.sender = "device"
    answer.traced.append(scope.instance.name)
    answer.service = f"{SERVICE}the device itself reaches every application (rule index {DEVICE})"
    if net is None:
        answer.reason = lacks(scope, version)
        return answer.record()
    link = site.linked(scope.instance.name).link
    answer.go(Hop("device", f"sends from {net.outer} over {link}, via {net.inner}", {"link": link}))
    if own is None:
        return _without(answer, member, version)
    answer.go(ways.bridged(scope, member))
    return answer.record()


def _without(answer: Answer, member: Member, version: Version) -> dict[str, Any]:
    which = "" if version == 4 else "IPv6 "
    answer.reason = f"{member[0].name}/{member[1].name} has no {which}address in {member[1].network} yet"
    return answer.record()
