"""DNS on a switch, where the servers are the site's: what interfaces asked, and answers that wait for their addresses' sets.

Of a believed server's answer the copy is all that there is, so each is to be sent on, or is lost.  Sent on is what names no
domain of a host rule, and of the others what was asked: the same interface, ports, servers, number and name.  What was not
asked (or asked before this program began) is dropped, and asked again by who waits for it.

A stream of TCP is held in its order: a segment that comes too early is dropped and repeated.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from netnsmgr.core.agreed import HELD
from netnsmgr.core.protocols import TCP
from netnsmgr.kernel.conntrack import Tuple
from netnsmgr.kernel.nflog import Packet, five_tuple, transport
from netnsmgr.services.flowlog.dns import PORT, Incomplete, Observation, observation
from netnsmgr.services.flowlog.scope import Vif

QUESTIONS, STREAMS = 256, 16
"""Open questions, and connections, of one interface: its oldest makes room, so that nobody pushes out another's."""
HEADER = 12
"""Bytes of a DNS message before its question (RFC 1035, 4.1.1)."""
NEAR = 1 << 17
"""Bytes between what a stream has had and what comes: two messages."""

K = TypeVar("K")
V = TypeVar("V")


class Taken(NamedTuple):
    """What came of a packet: answers that were read, those of them that may fill sets, and whether it is to be sent on."""

    seen: tuple[Observation, ...] = ()
    believed: tuple[Observation, ...] = ()
    passes: bool = False
    broken: int = 0
    """Answers that could not be read."""


class Bounded(OrderedDict[K, V], Generic[K, V]):
    """Keeps the newest."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def put(self, key: K, value: V) -> None:
        """Add as the newest."""
        self.pop(key, None)
        self[key] = value
        if len(self) > self._size:
            self.popitem(last=False)


class Stream:
    """One direction of a connection: messages with their length before them (RFC 1035, 4.2.2)."""

    def __init__(self, begin: int) -> None:
        self._next = begin
        self._data = b""

    def near(self, sequence: int) -> bool:
        """Say whether a segment may belong to this stream, and not to a later one of the same ports."""
        return (sequence - self._next + NEAR) & 0xFFFFFFFF < 2 * NEAR

    def feed(self, sequence: int, data: bytes) -> list[bytes] | None:
        """Take a segment in and return the messages that are complete now; None: it comes too early."""
        late = (self._next - sequence) & 0xFFFFFFFF
        if late >= 1 << 31:
            return None
        self._data += data[late:]
        self._next = (self._next + len(data[late:])) & 0xFFFFFFFF
        found = []
        while len(self._data) >= 2 and len(self._data) >= (end := 2 + int.from_bytes(self._data[:2])):
            found.append(self._data[2:end])
            self._data = self._data[end:]
        return found


class _Interface:
    """What one interface has asked."""

    def __init__(self) -> None:
        self.open: Bounded[tuple[Tuple, int], bytes] = Bounded(QUESTIONS)
        self.streams: Bounded[Tuple, tuple[Stream, Stream]] = Bounded(STREAMS)
        """By the flow as the question has it: what is asked, what is answered."""


class Held:
    """Joins the answers to the questions; ``covered`` says whether a name is one of a host rule."""

    def __init__(self, covered: Callable[[str], bool]) -> None:
        self._covered = covered
        self._interfaces: dict[str, _Interface] = {}

    def keep(self, links: set[str]) -> None:
        """Forget the interfaces that are not among these bridge ports."""
        self._interfaces = {name: each for name, each in self._interfaces.items() if name in links}

    def packet(self, packet: Packet, asker: Vif | None, answered: Vif | None, *, log: bool) -> Taken:
        """Take in a packet from ``asker`` or to ``answered``; with ``log`` every answer is read, else those of host rules."""
        held = packet.prefix == HELD
        found = five_tuple(packet.payload)
        if found is None:
            return Taken(passes=held, broken=1)
        flow, length, start = found
        if held and len(packet.payload) < length:
            return Taken(broken=1)
        data = packet.payload[start:length]
        if asker is not None and not held and flow.dport == PORT:
            self._question(self._of(asker), flow, packet.payload, data)
            return Taken()
        if answered is None or flow.sport != PORT:
            return Taken(passes=held)
        asked = flow._replace(src=flow.dst, sport=flow.dport, dst=flow.src, dport=flow.sport)
        state, messages = self._of(answered), [data]
        if flow.protocol == TCP:
            if not data:
                return Taken(passes=held)
            known = state.streams.get(asked)
            fed = known[1].feed(_sequence(packet.payload), data) if known is not None else None
            if fed is None:
                return Taken()
            messages = fed
        return self._answers(state, asked, answered, messages, held=held, log=log)

    def _of(self, vif: Vif) -> _Interface:
        return self._interfaces.setdefault(vif.link, _Interface())

    def _question(self, state: _Interface, flow: Tuple, packet: bytes, data: bytes) -> None:
        messages: list[bytes] = [data]
        if flow.protocol == TCP:
            if not data:
                return
            at = transport(packet)
            known = state.streams.get(flow)
            if known is None or not known[0].near(_sequence(packet)):
                # The answers' first byte is the one that the question waits for.
                known = Stream(_sequence(packet)), Stream(int.from_bytes(packet[at + 8 : at + 12]))
            state.streams.put(flow, known)
            messages = known[0].feed(_sequence(packet), data) or []
        for message in messages:
            if (name := _name(message)) and not message[2] & 0x80:
                state.open.put((flow, _ident(message)), name)

    def _answers(
        self, state: _Interface, asked: Tuple, vif: Vif, messages: list[bytes], *, held: bool, log: bool
    ) -> Taken:
        seen: list[Observation] = []
        believed: list[Observation] = []
        broken = 0
        for message in messages:
            name = _name(message)
            if name is None:
                broken += 1
                continue
            covered = held and self._covered(_text(name))
            expected = state.open.pop((asked, _ident(message)), None) == name
            if covered and not expected:
                state.streams.pop(asked, None)
                return Taken(tuple(seen), tuple(believed), broken=broken)
            if not covered and not log:
                continue
            try:
                read = observation(vif.number, asked.src, message)
            except Incomplete:
                broken += 1
                continue
            if read is not None:
                seen.append(read)
                if covered:
                    believed.append(read)
        return Taken(tuple(seen), tuple(believed), held, broken)


def _sequence(packet: bytes) -> int:
    at = transport(packet)
    return int.from_bytes(packet[at + 4 : at + 8])


def _ident(message: bytes) -> int:
    return int.from_bytes(message[:2])


def _name(message: bytes) -> bytes | None:
    """Return the name in a message's question as it is on the wire, in small letters; None where it has none."""
    if len(message) < HEADER or not int.from_bytes(message[4:6]):
        return None
    labels = [*_labels(message)]
    return b"".join(labels).lower() if labels and labels[-1] == b"\0" else None


def _labels(message: bytes) -> Iterator[bytes]:
    at = HEADER
    while at < min(len(message), HEADER + 255) and message[at] < 64:
        length = 1 + message[at]
        if at + length > len(message):
            return
        yield message[at : at + length]
        if length == 1:
            return
        at += length


def _text(name: bytes) -> str:
    """Return a name with dots; a dot within a label is no dot of ours."""
    found, at = [], 0
    while name[at]:
        found.append(name[at + 1 : at + 1 + name[at]].decode("latin-1").replace(".", "\\."))
        at += 1 + name[at]
    return ".".join(found)
