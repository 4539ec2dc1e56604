"""DNS between applications and their dnsmasq, as copied by NFLOG group 2: who asked what, and what was answered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from socket import AF_INET6, inet_ntop
from typing import Any, NamedTuple

from dnslib import QTYPE, DNSRecord

from netnsmgr.core.protocols import TCP
from netnsmgr.kernel.nflog import Packet, five_tuple

PORT = 53
PENDING = 2048
"""Questions whose answer has not been seen; the oldest makes room."""
ANSWERS, TEXT, NAME = 12, 128, 255
"""Answers of a record, and characters of each and of the name; more answers are counted, not listed."""
READ = 64
"""Answers of a message that are read."""
HALF = 0xFFFF


class Answer(NamedTuple):
    """One resource record of an answer; ``ttl`` in seconds."""

    type: str
    data: str
    ttl: int


class Observation(NamedTuple):
    """An answered question.  ``vif``: the asker's number, 0 if its question was not seen."""

    vif: int
    client: str
    name: str
    type: str
    status: str
    answers: tuple[Answer, ...]


class Incomplete(Exception):
    """An answer that is spread over several packets (TCP), or none that can be read."""


class Conversations:
    """Joins answers to the questions that say, by their mark, from which interface they came."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def packet(self, packet: Packet) -> Observation | None:
        """Take in a packet; an observation if it is an answer.  Raises ``Incomplete``."""
        if (found := five_tuple(packet.payload)) is None:
            return None
        flow, _, start = found
        message = packet.payload[start:]
        if flow.protocol == TCP:
            if not message:
                return None  # a handshake
            if len(message) < 14 or int.from_bytes(message[:2], "big") > len(message) - 2:
                if flow.sport == PORT:
                    raise Incomplete
                return None
            message = message[2:]
        if len(message) < 12:
            return None
        ident = int.from_bytes(message[:2], "big")
        if not message[2] & 0x80:  # a question
            if flow.dport == PORT and packet.link_in and packet.mark & HALF:
                self._asked[flow.src, flow.sport, ident] = packet.mark & HALF
                if len(self._asked) > PENDING:
                    self._asked.popitem(last=False)
            return None
        # What came in by a link is no answer of ours, whatever it says of itself: it would open its sender's host rules.
        if flow.sport != PORT or packet.link_in:
            return None
        vif = self._asked.pop((flow.dst, flow.dport, ident), packet.mark >> 16)
        return observation(vif, flow.dst, message)


def observation(vif: int, client: str, message: bytes) -> Observation | None:
    """Read an answer; None without a question.  Raises ``Incomplete`` for one that is broken or cut off."""
    # Only the answers, and not more than anybody needs: reading costs 0.2 ms for each record.
    count = min(int.from_bytes(message[6:8], "big"), READ)
    message = message[:6] + count.to_bytes(2, "big") + bytes(4) + message[12:]
    try:
        parsed = DNSRecord.parse(message)
        if not parsed.questions:
            return None
        name = str(parsed.q.qname).rstrip(".").lower()
        answers = tuple(
            Answer(_type(answer.rtype), _data(answer), max(0, answer.ttl)) for answer in parsed.rr
        )
        return Observation(vif, client, name, _type(parsed.q.qtype), _status(parsed.header.rcode), answers)
    except Exception as error:
        # dnslib refuses what it cannot read in any of a dozen ways, and others choose what it reads.
        raise Incomplete from error


def _data(answer: Any) -> str:
    """Return an answer's data as text; dnslib does not write IPv6 addresses as everybody else does (RFC 5952)."""
    if answer.rtype == QTYPE.AAAA:
        return inet_ntop(AF_INET6, bytes(answer.rdata.data))
    return str(answer.rdata)


def record(seen: Observation, interface: str, now: float) -> dict[str, Any]:
    """Return the record of an observation, at most 4 KB of JSON."""
    made: dict[str, Any] = {
        "type": "dns",
        "start": round(now, 3),
        "end": round(now, 3),
        "interface": interface,
        "name": _plain(seen.name, NAME),
        "query": seen.type,
        "status": seen.status,
        "answers": [_plain(answer.data.rstrip("."), TEXT) for answer in seen.answers[:ANSWERS]],
        "ttl": min((answer.ttl for answer in seen.answers), default=None),
    }
    if len(seen.answers) > ANSWERS:
        made["more"] = len(seen.answers) - ANSWERS
    return made


def _plain(text: str, limit: int) -> str:
    """Return what may stand in a table and in JSON: others choose what is in a name or a text record."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:limit])


def _type(number: int) -> str:
    return str(QTYPE.forward.get(number, f"TYPE{number}"))


def _status(code: int) -> str:
    return {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}.get(
        code, str(code)
    )


def covering(name: str, domains: Mapping[str, Any]) -> Iterator[str]:
    """Yield the domains that a name equals or lies below, the nearest first."""
    while name:
        if name in domains:
            yield name
        _, _, name = name.partition(".")
