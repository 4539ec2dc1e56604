"""From conntrack's flows and logged packets to records of applications.

The application is who the mark's rule index belongs to.  Addresses only tell on which end of a mapped flow it is,
and whose a flow is that no list decides: of the instance's services, and from the device itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from netnsmgr.core.agreed import DEVICE, INDEX_MASK, METADATA, METADATA6, Action
from netnsmgr.core.protocols import ICMP, ICMPV6, PROTOCOLS, SCTP, TCP, UDP
from netnsmgr.kernel.conntrack import DST_NAT, Flow, Tuple
from netnsmgr.kernel.nflog import Packet, five_tuple
from netnsmgr.services.flowlog.ring import Record
from netnsmgr.services.flowlog.scope import Decision, Scope, Vif, verdict

NAMED = {PROTOCOLS[name]: name for name in ("icmp", "tcp", "udp", "icmpv6", "gre", "esp", "sctp")}
"""Protocols that records name; all others by number."""
PORTED = (TCP, UDP, SCTP)
"""Protocols whose flows are known by their ports."""
DENIALS = tuple(action.name.lower() for action in Action if action is not Action.ALLOW)
DECISIONS = 8192
"""Flows between applications whose second decision is remembered until they end; 3 MB at most."""
WINDOW = 10.0
"""Seconds in which dropped packets of one five-tuple are one record."""
WINDOWS = 2048
"""Five-tuples whose drops are being counted; the oldest makes room.  2 MB at most."""

Entry = tuple[str, Hashable, Record]
"""Application, key and content of a record."""
AddressOf = Callable[[str], Vif | None]


class Flows:
    """Knows what was decided about flows between applications."""

    def __init__(self) -> None:
        self._inward: OrderedDict[Tuple, int] = OrderedDict()

    def decided(self, packet: Packet) -> None:
        """Remember the responder's decision (NFLOG group 3) until conntrack tells of the flow."""
        if (found := five_tuple(packet.payload)) is None:
            return
        self._inward[_plain(found[0])] = packet.mark
        if len(self._inward) > DECISIONS:
            self._inward.popitem(last=False)

    def entries(self, flow: Flow, scope: Scope, owner: AddressOf, now: float) -> Iterator[Entry]:
        """Yield the flow's record for each application that takes part; none for the instance's own flows."""
        key = _plain(flow.original._replace(dst=flow.reply.src, dport=flow.reply.sport))
        inward = self._inward.pop(key, None) if flow.ended else self._inward.get(key)
        record = _record(flow, now)
        if target := _stands_for(flow.original.dst, scope.nat64):
            record["nat64"] = target
        first = scope.rules.decision(flow.mark)
        second = scope.rules.decision(inward) if inward is not None else None
        if service := _service(flow.original, scope, first):
            record["service"] = service
        ident = ("flow", flow.id, flow.original)
        if second is not None and scope.switch and second == first:
            # One interface is one end of a flow: the other is outside, where this one began.
            yield _entry(ident, record, "in", second)
        elif first is not None and second is not None:
            yield _entry(ident, record, "out", first, peer=second.app)
            yield _entry(
                ident if second.app != first.app else (*ident, "in"), record, "in", second, peer=first.app
            )
        elif first is not None:
            direction = _began(flow, first, owner) if scope.switch else _direction(flow, first, owner)
            yield _entry(ident, record, direction, first)
        elif flow.mark & INDEX_MASK == DEVICE and (vif := owner(flow.reply.src)):
            yield _entry(
                ident, record, "in", Decision(vif.app, vif.interface, None, "allow"), peer="(device)"
            )
        elif vif := owner(flow.original.src):
            yield _entry(ident, record, "out", Decision(vif.app, vif.interface, None, verdict(flow.mark)))


class _Drop(NamedTuple):
    entry: Entry
    first: float
    packets: int
    size: int
    last: float


class Drops:
    """Dropped packets (NFLOG group 1): the first of a five-tuple is a record at once, the others within ten seconds
    are counted in one that then takes its place.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, _Drop] = OrderedDict()

    def packet(
        self, packet: Packet, scope: Scope, port: Callable[[int], Vif | None], owner: AddressOf, now: float
    ) -> Iterator[Entry]:
        """Yield what the packet makes a record: itself if it is the first, and a window that had to make room."""
        if (found := five_tuple(packet.payload)) is None:
            return
        flow, size, _ = found
        source, target = port(packet.port_in), port(packet.port_out)
        decision = scope.rules.decision(packet.mark)
        if decision is None:
            # A list that is long gone, or none: anti-spoofing.  The bridge port knows who sent it.
            if (vif := source or owner(flow.src)) is None:
                return
            decision = Decision(vif.app, vif.interface, None, verdict(packet.mark))
        if decision.verdict == "allow":
            decision = decision._replace(verdict=packet.prefix if packet.prefix in DENIALS else "drop")
        key = (decision, flow)
        if (known := self._open.get(key)) is not None and now - known.first < WINDOW:
            self._open[key] = known._replace(packets=known.packets + 1, size=known.size + size, last=now)
            return
        if known is not None:
            yield from self._close(key)
        src, dst = source or owner(flow.src), target or owner(flow.dst)
        direction = "in" if not _is(src, decision) and _is(dst, decision) else "out"
        other = src if direction == "in" else dst
        record = {
            "type": "drop",
            "start": round(now, 3),
            "end": round(now, 3),
            **_ends(flow),
            "packets": [1, 0],
            "bytes": [size, 0],
        }
        if stands_for := _stands_for(flow.dst, scope.nat64):
            record["nat64"] = stands_for
        peer = other.app if other is not None and not _is(other, decision) else ""
        entry = _entry(("drop", flow, decision, now), record, direction, decision, peer=peer)
        self._open[key] = _Drop(entry, now, 1, size, now)
        if len(self._open) > WINDOWS:
            yield from self._close(next(iter(self._open)))
        yield entry

    def due(self, now: float) -> Iterator[Entry]:
        """Yield the final records of windows that are over."""
        while self._open:
            key = next(iter(self._open))
            if now - self._open[key].first < WINDOW:
                return
            yield from self._close(key)

    @property
    def next_due(self) -> float | None:
        """When the oldest window is over."""
        return next(iter(self._open.values())).first + WINDOW if self._open else None

    def _close(self, key: Hashable) -> Iterator[Entry]:
        drop = self._open.pop(key)
        if drop.packets > 1:
            app, ident, record = drop.entry
            yield (
                app,
                ident,
                record | {"end": round(drop.last, 3), "packets": [drop.packets, 0], "bytes": [drop.size, 0]},
            )


def _is(vif: Vif | None, decision: Decision) -> bool:
    return vif is not None and (vif.app, vif.interface) == (decision.app, decision.interface)


def _direction(flow: Flow, decision: Decision, owner: AddressOf) -> str:
    # Only a mapped port leads to an application from outside; a flow that it began itself starts at its address.
    if not flow.status & DST_NAT:
        return "out"
    if _is(owner(flow.original.src), decision):
        return "out"
    responder = owner(flow.reply.src)
    return "in" if responder is None or _is(responder, decision) else "out"


def _began(flow: Flow, decision: Decision, owner: AddressOf) -> str:
    # Only where nobody has heard of the decision inwards: a flow that is older than this program.
    begins, ends = owner(flow.original.src), owner(flow.reply.src)
    return "in" if not _is(begins, decision) and _is(ends, decision) else "out"


def _plain(flow: Tuple) -> Tuple:
    return flow if flow.protocol in PORTED else flow._replace(dport=0)


def _service(flow: Tuple, scope: Scope, decision: Decision | None) -> str:
    # On a switch services are the site's, so that lists decide; but each lets its DNS servers be asked, by no rule.
    if scope.switch and decision is not None:
        return "dns" if decision.rule == 0 and decision.verdict == "allow" and flow.dport == 53 else ""
    if flow.protocol in (TCP, UDP) and flow.dport == 53 and flow.dst in scope.gateways:
        return "dns"
    if flow.protocol == UDP and flow.dport in (67, 547):
        return "dhcp"
    metadata = flow.protocol == TCP and flow.dport == 80 and flow.dst in (METADATA, *METADATA6)
    return "metadata" if metadata else ""


def _stands_for(address: str, prefix: str) -> str:
    """Return the IPv4 address that one of the NAT64 prefix (a /96) stands for, else nothing."""
    if not prefix or ":" not in address:
        return ""
    packed, network = inet_pton(AF_INET6, address), inet_pton(AF_INET6, prefix.partition("/")[0])
    return inet_ntop(AF_INET, packed[12:]) if packed[:12] == network[:12] else ""


def _ends(flow: Tuple) -> Record:
    record: Record = {
        "protocol": NAMED.get(flow.protocol, str(flow.protocol)), "src": flow.src, "dst": flow.dst,
    }  # fmt: skip
    if flow.protocol in (ICMP, ICMPV6):
        record |= {"icmpType": flow.dport >> 8, "icmpCode": flow.dport & 255}
    elif flow.sport or flow.dport:
        record |= {"sport": flow.sport, "dport": flow.dport}
    return record


def _record(flow: Flow, now: float) -> Record:
    end = flow.end or now
    record: Record = {
        "type": "flow",
        "start": round(flow.start or (end if flow.ended else now), 3),
        "end": round(end, 3) if flow.ended else None,
        **_ends(flow.original),
    }
    original, reply = flow.original, flow.reply
    ports = original.protocol in PORTED
    straight = (reply.dst, reply.src) == (original.src, original.dst) and (
        not ports or (reply.dport, reply.sport) == (original.sport, original.dport)
    )
    if not straight:
        record["translated"] = {"src": reply.dst, "dst": reply.src} | (
            {"sport": reply.dport, "dport": reply.sport} if ports else {}
        )
    return record | {"packets": list(flow.packets), "bytes": list(flow.bytes)}


def _entry(key: Hashable, record: Record, direction: str, decision: Decision, *, peer: str = "") -> Entry:
    made = record | {
        "interface": decision.interface,
        "direction": direction,
        "rule": decision.rule,
        "verdict": decision.verdict,
    }
    if peer:
        made["peer"] = peer
    return decision.app, key, made
