"""Why a flow of an application passes or not, and where it goes, as plain data for ``netnsmgr why``.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import LINK_LOCAL, ULA, IPAddress, mapped
from netnsmgr.features import ways
from netnsmgr.features.acl.lists import instances_own
from netnsmgr.features.acl.verdict import Flow
from netnsmgr.features.acl.why import Known, Member, ask, owners
from netnsmgr.features.portmap_inside import address_of, learned, made_of
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.ways import Hop, Way
from netnsmgr.supervisor import why_switch, why_vpn
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why_answer import Answer, Asked, lacks, net_of, nobody, service_of


def in_order(site: Site, member: Member, addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """Return the addresses of a name that an application tries, in its order (RFC 6724, 6, rules 5 and 6).

    Those of a version that its network has; all, if there are none.
    """
    scope = site.scope(member[1].network)
    if scope.instance.is_switch:
        return list(addresses)
    there, own = {net.version for net in scope.nets}, address_of(scope, *member, 6)

    def last(address: IPAddress) -> bool:
        # With an address of its own that nobody routes, IPv6 comes after IPv4, but for others of that kind.
        return (address.version == 6) == (own is None or (own in ULA and address not in ULA))

    return sorted((each for each in addresses if each.version in there), key=last) or list(addresses)


def outbound(site: Site, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow that an application begins on one of its interfaces."""
    scope = site.scope(member[1].network)
    if scope.instance.is_switch:
        return why_switch.outbound(scope, member, asked, known)
    prefix, written = scope.instance.nat64_prefix, asked.address
    if prefix is not None and isinstance(written, IPv4Address) and not known.placeholder:
        asked = asked.to(mapped(prefix, written))
    to, version = asked.address, asked.address.version
    own = _source(scope, member, to)
    flow = Flow(own or nobody(version), to, asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, asked.name, "out")
    network = scope.instance.name
    if to != written:
        answer.notes.append(f"{network} has only IPv6: there {to} stands for {written} (NAT64)")
    answer.traced.append(network)
    peer = holder(scope, to)
    if own is not None and (to == own or peer == member):
        answer.traced.clear()
        answer.service = f"{to} is the application's own address: nothing leaves it"
        return answer.record()
    if service := service_of(scope, asked):
        answer.service = service
    else:
        answer.ask(ask(scope, member, "out", flow, known))
    why_vpn.names(answer, scope, asked)
    if not answer.passes and net_of(scope, version) is None and not known.placeholder:
        # Another rule would not help.
        answer.notes.append(lacks(scope, version))
    label = f"{member[0].name}/{member[1].name}"
    answer.go(Hop(label, f"sends from {own or 'an address that it does not have yet'}"))
    if peer is not None:
        answer.ask(ask(scope, peer, "in", flow, known))
        answer.go(ways.bridged(scope, peer))
    elif known.placeholder:
        answer.notes.append(f"{asked.name} was not resolved, so where it leads is unknown")
    elif _is_instance(scope, to):
        what = f"{to} is the instance itself"
        listens = what if answer.service else f"{what}, where nothing but its services listens"
        answer.go(Hop(f"instance {network}", listens))
    else:
        answer.reason = _stays(scope, to)
        if not answer.reason:
            _leave(site, answer, scope, own, asked, known)
    if own is None and not answer.reason:
        which = "" if version == 4 else "IPv6 "
        answer.reason = f"{label} has no {which}address in {network} yet"
    return answer.record()


def _leave(
    site: Site, answer: Answer, scope: InstanceScope, own: IPAddress | None, asked: Asked, known: Known
) -> None:
    """Go out by a tunnel, or over the link: as IPv4 where the address stands for one of that version."""
    if why_vpn.leave(site, answer, scope, own, asked.address):
        return
    sender: IPAddress | None = scope.inner
    linked = site.linked(scope.instance.name)
    if (target := ways.stands_for(scope, asked.address)) is not None:
        answer.go(ways.by_nat64(scope, asked.address, target))
        asked = asked.to(target)
    else:
        net = net_of(scope, asked.address.version)
        assert net is not None
        device = asked.address in ways.doors(site.uplink, linked)
        answer.go(ways.leaves(scope, net, own, device=device))
        sender = ways.source(scope, net, own, device=device)
    way = ways.through_device(site.uplink, linked, sender, asked.address, asked.protocol, asked.port)
    follow(site, answer, way, asked, known)


def _stays(scope: InstanceScope, to: IPAddress) -> str:
    """Say why nothing leaves the instance towards an address; empty if it does."""
    network, net = scope.instance.name, net_of(scope, to.version)
    if to in LINK_LOCAL:
        return (
            f"no application of {network} is known to hold {to}, and link-local addresses lead no further than "
            f"its bridge"
        )
    if to.is_multicast or to == IPv4Address("255.255.255.255"):
        return f"{to} is not one host: it stays on the bridge of {network}"
    if net is None:
        return lacks(scope, to.version)
    if to in net.subnet:
        return f"no application of {network} is known to hold {to}"
    if scope.instance.air_gapped:
        return f"{network} has no ports (air-gapped): no route leads to {to}"
    return ""


def _source(scope: InstanceScope, member: Member, to: IPAddress) -> IPAddress | None:
    """Return the address from which an application sends to another: to a link-local one from its own of that kind."""
    if to in LINK_LOCAL:
        return next((each for each in learned(scope, *member) if each in LINK_LOCAL), None)
    return address_of(scope, *member, to.version)


def holder(scope: InstanceScope, address: IPAddress) -> Member | None:
    """Return which application of the instance has an address, link-local ones too."""
    if scope.instance.is_switch:
        return why_switch.holder(scope, address)
    if address not in LINK_LOCAL:
        return owners(scope).get(address)
    mine = (
        member
        for member in scope.interfaces
        if address in learned(scope, *member) or made_of(address, member[1].mac_for(member[0].name))
    )
    return next(mine, None)


def _is_instance(scope: InstanceScope, to: IPAddress) -> bool:
    ends = {each.inner for each in scope.links}
    return to in ends or to in instances_own(scope) or str(to) in {METADATA, *METADATA6}


def follow(site: Site, answer: Answer, way: Way, asked: Asked, known: Known) -> None:
    """Go through the device, and where a port map leads in again, up to the application."""
    for hop in way.hops:
        answer.go(hop)
    answer.reason = answer.reason or way.reason
    if way.led is None:
        return
    linked, mapped, sender = way.led
    scope = site.scope(linked.instance.name)
    answer.traced.append(scope.instance.name)
    arrived = ways.arrival(scope, mapped.protocol, mapped.port, sender.version)
    if arrived is None:
        which = "" if sender.version == 4 else "IPv6 "
        what = f"port map {mapped.protocol} {mapped.port}"
        answer.reason = f"the application behind {what} has no {which}address yet"
        return
    member, lead, hop = arrived
    assert lead.address is not None
    answer.go(hop)
    inner = next(ends.inner for ends in scope.links if ends.version == sender.version)
    flow = Flow(sender, inner, asked.protocol, asked.source_port, mapped.port, (lead.address, lead.app_port))
    # The host rules' addresses were looked up in one instance only.
    same = scope.instance.name == answer.network
    answer.ask(ask(scope, member, "in", flow, known if same else Known()))
