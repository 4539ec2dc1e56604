"""Why a flow goes into a tunnel or comes out of one, or does neither.  Pure."""

from __future__ import annotations

from typing import Any

from netnsmgr.core.ip import IPAddress
from netnsmgr.features import ways
from netnsmgr.features.acl.verdict import Flow
from netnsmgr.features.acl.why import Known, Member, ask
from netnsmgr.features.portmap_inside import address_of
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import ways as tunnels
from netnsmgr.features.ways import Hop
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why_answer import Answer, Asked, nobody


def leave(site: Site, answer: Answer, scope: InstanceScope, own: IPAddress | None, to: IPAddress) -> bool:
    """Go into a tunnel, or stay; False where the packet leaves as from an instance without tunnels."""
    vpn, network = scope.instance.spec.vpn, scope.instance.name
    if vpn is None:
        return False
    found = tunnels.into(scope, to)
    if found is None and any(to in each for each in vpn.kept):
        answer.reason = f"{to} is in the network of a tunnel of {network}, and no peer's: it is dropped"
        answer.go(Hop(f"instance {network}", answer.reason))
        return True
    if found is None and vpn.rest == "direct":
        answer.notes.append(f"{to} is for no tunnel of {network}, and leaves in clear (vpn.rest: direct)")
        return False
    if found is None:
        answer.reason = f"{to} is for no tunnel of {network}, and with 'rest: block' it is dropped"
        answer.go(Hop(f"instance {network}", answer.reason))
        return True
    row = site.vpn_row(network)
    way = tunnels.enters(scope, found, own)
    _go(answer, way)
    if answer.reason:
        return True
    answer.reason, note = tunnels.troubles(found, row)
    if note:
        answer.notes.append(note)
    if not answer.reason:
        _go(answer, tunnels.carried(site.uplink, site.linked(network), scope, found, row))
    return True


def names(answer: Answer, scope: InstanceScope, asked: Asked) -> None:
    """Say where the questions for names go, where that is of interest."""
    if scope.instance.spec.vpn is not None and (
        asked.name or answer.service.endswith(f"DNS server of {scope.instance.name}")
    ):
        answer.notes.append(tunnels.names_asked(scope))


def inbound(
    site: Site, member: Member, asked: Asked, sender: IPAddress, known: Known
) -> tuple[dict[str, Any], bool] | None:
    """Explain a flow from behind a tunnel, and say whether others lead there, too; None where there is no such tunnel."""
    scope, version = site.scope(member[1].network), sender.version
    found = tunnels.into(scope, sender)
    own = address_of(scope, *member, version)
    if found is None or any(sender in net.subnet for net in scope.nets):
        return None
    network = scope.instance.name
    flow = Flow(sender, own or nobody(version), asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, "", "in")
    answer.traced.append(network)
    answer.reason, note = tunnels.troubles(found, site.vpn_row(network))
    if note:
        answer.notes.append(note)
    ours = tunnels.selectors(scope, found)
    if not answer.reason and own is None:
        which = "" if version == 4 else "IPv6 "
        answer.reason = f"{member[0].name}/{member[1].name} has no {which}address in {network} yet"
    elif not answer.reason and ours is not None and not any(own in each for each in ours):
        answer.reason = f"{found.words} carries only what is for {', '.join(map(str, ours))}, not for {own}"
    elif not answer.reason and found.lane.translates and found.lane.address(version) is not None:
        seen = found.lane.address(version)
        what = f"the other end has to lead {own} into the tunnel; by itself it knows only {seen}"
        answer.notes.append(what)
    what = f"comes out of {found.words}, which has {found.network}"
    answer.go(Hop(f"instance {network}", what, {"tunnel": found.tunnel.name, "link": found.lane.link}))
    if own is not None:
        answer.ask(ask(scope, member, "in", flow, known))
        answer.go(ways.bridged(scope, member))
    return answer.record(), found.network.prefixlen == 0


def _go(answer: Answer, way: ways.Way) -> None:
    for hop in way.hops:
        answer.go(hop)
    answer.reason = answer.reason or way.reason
