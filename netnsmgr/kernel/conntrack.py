"""Flows as conntrack tells of them (ctnetlink): each at its beginning and at its end.

Numbers are those of linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple

from netnsmgr.kernel.nfnetlink import Message, Nfnetlink, attributes

GROUP_NEW, GROUP_DESTROY = 1, 3
MSG_NEW, MSG_DELETE = 0x100, 0x102
RECEIVE_BYTES = 4 << 20
"""About 4,000 events (the kernel counts 1 KB for each): four seconds of a thousand flows a second."""

SEEN_REPLY, SRC_NAT, DST_NAT = 1 << 1, 1 << 4, 1 << 5
"""Bits of ``status``."""

_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _MARK = 1, 2, 3, 8
_COUNTERS_ORIG, _COUNTERS_REPLY, _ID, _TIMESTAMP = 9, 10, 12, 20
_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")
_U16 = struct.Struct("!H")


class Tuple(NamedTuple):
    """One direction of a flow.  For ICMP ``sport`` is its identifier and ``dport`` is type << 8 | code."""

    protocol: int
    src: str
    sport: int
    dst: str
    dport: int


class Flow(NamedTuple):
    """A flow at its beginning (``end`` 0.0) or end; times in epoch seconds, 0.0 where the kernel keeps none.

    ``original`` and ``reply`` are the two directions as seen on the wire, so that what was translated is where
    the one is not the other turned round.
    """

    id: int
    ended: bool
    original: Tuple
    reply: Tuple
    status: int
    mark: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    start: float
    end: float


class ConntrackEvents:
    """Every flow of this namespace that begins or ends; see ``Nfnetlink`` for errors."""

    def __init__(self) -> None:
        self._socket = Nfnetlink(RECEIVE_BYTES, (GROUP_NEW, GROUP_DESTROY))
        self.fileno = self._socket.fileno
        self.overruns = self._socket.overruns
        self.close = self._socket.close

    def receive(self, budget: int = 1000) -> Iterator[Flow]:
        """Yield what has arrived."""
        for message in self._socket.receive(budget):
            if (flow := parse(message)) is not None:
                yield flow


def parse(message: Message) -> Flow | None:
    """Read an event; None for other messages, and for flows without addresses."""
    if message.type not in (MSG_NEW, MSG_DELETE):
        return None
    data = message.data
    original = reply = None
    status = mark = ident = 0
    there = back = (0, 0)
    start = end = 0.0
    for kind, first, last in attributes(data, message.start, message.end):
        if kind == _TUPLE_ORIG:
            original = _tuple(data, first, last)
        elif kind == _TUPLE_REPLY:
            reply = _tuple(data, first, last)
        elif kind == _STATUS:
            (status,) = _U32.unpack_from(data, first)
        elif kind == _MARK:
            (mark,) = _U32.unpack_from(data, first)
        elif kind == _ID:
            (ident,) = _U32.unpack_from(data, first)
        elif kind == _COUNTERS_ORIG:
            there = _pair(data, first, last)
        elif kind == _COUNTERS_REPLY:
            back = _pair(data, first, last)
        elif kind == _TIMESTAMP:
            begun, ended = _pair(data, first, last)
            start, end = begun / 1e9, ended / 1e9
    if original is None or reply is None:
        return None
    return Flow(
        ident, message.type == MSG_DELETE, original, reply, status, mark,
        (there[0], back[0]), (there[1], back[1]), start, end,
    )  # fmt: skip


def _pair(data: bytes, start: int, end: int) -> tuple[int, int]:
    values = {
        kind: _U64.unpack_from(data, first)[0]
        for kind, first, last in attributes(data, start, end)
        if last - first == 8
    }
    return values.get(1, 0), values.get(2, 0)


def _tuple(data: bytes, start: int, end: int) -> Tuple | None:
    src = dst = ""
    protocol = sport = dport = 0
    for kind, first, last in attributes(data, start, end):
        if kind == 1:
            for which, begin, stop in attributes(data, first, last):
                text = inet_ntop(AF_INET if stop - begin == 4 else AF_INET6, data[begin:stop])
                if which in (1, 3):
                    src = text
                else:
                    dst = text
        elif kind == 2:
            for which, begin, _ in attributes(data, first, last):
                if which == 1:
                    protocol = data[begin]
                elif which in (2, 4, 7):  # a port, or the identifier of an ICMP echo
                    (sport,) = _U16.unpack_from(data, begin)
                elif which == 3:
                    (dport,) = _U16.unpack_from(data, begin)
                elif which in (5, 8):
                    dport |= data[begin] << 8
                elif which in (6, 9):
                    dport |= data[begin]
    return Tuple(protocol, src, sport, dst, dport) if src and dst else None
