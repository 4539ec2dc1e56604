"""Why a flow of a switch's application passes or not: the lists of both ends, and nothing of routes.  Pure.

Who is at an end is told by its link: an address that no application of the switch is known to have is outside, behind one of
the switch's ports.
"""

from __future__ import annotations

from typing import Any

from netnsmgr.core.ip import LINK_LOCAL, IPAddress, Version
from netnsmgr.core.protocols import TCP, UDP
from netnsmgr.features import vif
from netnsmgr.features.acl.verdict import Flow
from netnsmgr.features.acl.why import Known, Member, ask
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch.filter import believed
from netnsmgr.features.ways import Hop
from netnsmgr.supervisor.why_answer import SERVICE, Answer, Asked, nobody, service_of

DHCP = {(UDP, 67): "DHCP", (UDP, 547): "DHCPv6"}


def holder(scope: InstanceScope, address: IPAddress) -> Member | None:
    """Return which application of the switch is known to have an address."""
    numbers = {scope.numbers.vifs[vif.group(*member)]: member for member in scope.interfaces}
    return next((numbers[each.vif] for each in scope.learned if each.address == address), None)


def address_of(
    scope: InstanceScope, member: Member, version: Version, *, local: bool = False
) -> IPAddress | None:
    """Return an address that an application is known to have, a link-local one if that is wanted."""
    number = scope.numbers.vifs[vif.group(*member)]
    mine = [each.address for each in scope.learned if each.vif == number and each.address.version == version]
    return next((each for each in mine if (each in LINK_LOCAL) == local), None)


def outbound(scope: InstanceScope, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow that an application of the switch begins."""
    to, network = asked.address, scope.instance.name
    own = address_of(scope, member, to.version, local=to in LINK_LOCAL)
    flow = Flow(own or nobody(to.version), to, asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, asked.name, "out")
    peer = None if known.placeholder else holder(scope, to)
    if peer == member:
        answer.service = f"{to} is the application's own address: nothing leaves it"
        return answer.record()
    answer.service = service_of(scope, asked) or _always(asked)
    if not answer.service:
        said = ask(scope, member, "out", flow, known, beside={to} if peer is not None else ())
        if peer is None and said.position == 0 and _to_believed(scope, member, asked):
            answer.service = f"{SERVICE}a DNS server that {network} goes by, where no rule speaks of it"
        else:
            answer.ask(said)
            if (
                said.position == 0
                and peer is None
                and _asks_dns(asked)
                and not scope.instance.spec.dns.servers
            ):
                answer.notes.append(
                    "servers that DHCP has told the application are allowed all the same; which, is not known here"
                )
    label = f"{member[0].name}/{member[1].name}"
    answer.go(Hop(label, f"sends from {own or 'an address that is not known here'}"))
    if peer is not None:
        _arrive(scope, answer, peer, flow, known, inside=True)
    elif known.placeholder:
        answer.notes.append(f"{asked.name} was not resolved, so where it leads is unknown")
    elif answer.service and str(to) in answer.service:
        return answer.record()
    else:
        _leave(scope, answer, to)
    return answer.record()


def _leave(scope: InstanceScope, answer: Answer, to: IPAddress) -> None:
    network, ports = scope.instance.name, ", ".join(port.name for port in scope.ports)
    if not ports:
        answer.reason = (
            f"no application of {network} is known to have {to}, and {network} has no ports (air-gapped)"
        )
        return
    answer.go(
        Hop(f"switch {network}", f"bridges it to {ports}: no application of {network} is known to have {to}")
    )
    answer.notes.append("who answers there, and the way from there, is the site's affair")


def _arrive(
    scope: InstanceScope, answer: Answer, member: Member, flow: Flow, known: Known, *, inside: bool
) -> None:
    answer.ask(ask(scope, member, "in", flow, known, beside={flow.initiator} if inside else ()))
    label = f"{member[0].name}/{member[1].name}"
    answer.go(Hop(f"switch {scope.instance.name}", f"bridges it to {label}"))


def inbound(
    scope: InstanceScope, member: Member, asked: Asked, sender: IPAddress, known: Known
) -> dict[str, Any]:
    """Explain a flow to an application of the switch from somebody behind its ports; ``asked.address`` is of no matter."""
    own = address_of(scope, member, sender.version, local=sender in LINK_LOCAL)
    flow = Flow(sender, own or nobody(sender.version), asked.protocol, asked.source_port, asked.port)
    answer = Answer(member, flow, "", "in")
    network, ports = scope.instance.name, ", ".join(port.name for port in scope.ports)
    if not ports:
        answer.reason = (
            f"no application of {network} is known to have {sender}, and {network} has no ports (air-gapped)"
        )
        return answer.record()
    answer.go(Hop(f"switch {network}", f"comes in by a port of the device ({ports})"))
    _arrive(scope, answer, member, flow, known, inside=False)
    return answer.record()


def between(scope: InstanceScope, peer: Member, member: Member, asked: Asked, known: Known) -> dict[str, Any]:
    """Explain a flow to an application from another one of the same switch."""
    version = asked.address.version
    own, to = address_of(scope, peer, version), address_of(scope, member, version)
    flow = Flow(own or nobody(version), to or nobody(version), asked.protocol, asked.source_port, asked.port)
    answer = Answer(peer, flow, "", "out")
    beside = {flow.initiator, flow.responder}
    answer.ask(ask(scope, peer, "out", flow, known, beside=beside))
    answer.go(
        Hop(f"{peer[0].name}/{peer[1].name}", f"sends from {own or 'an address that is not known here'}")
    )
    _arrive(scope, answer, member, flow, known, inside=True)
    return answer.record()


def from_elsewhere(scope: InstanceScope, member: Member, asked: Asked, who: str) -> dict[str, Any]:
    """Say that somebody who is not on the switch comes to it as whoever he is outside."""
    version = asked.address.version
    unknown = nobody(version)
    to = address_of(scope, member, version) or unknown
    answer = Answer(member, Flow(unknown, to, asked.protocol, asked.source_port, asked.port), "", "in")
    network = scope.instance.name
    answer.reason = (
        f"{who} is not on the switch {network}, and comes to it, if at all, by one of its ports, with the address that it "
        f"has there: ask with that one (--from ADDRESS)"
    )
    return answer.record()


def _always(asked: Asked) -> str:
    what = DHCP.get((asked.protocol, asked.port))
    return f"{SERVICE}{what}" if what else ""


def _asks_dns(asked: Asked) -> bool:
    return asked.protocol in {TCP, UDP} and asked.port == 53


def _to_believed(scope: InstanceScope, member: Member, asked: Asked) -> bool:
    return _asks_dns(asked) and asked.address in believed(scope, *member)
