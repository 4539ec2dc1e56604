"""Conntrack follows the port maps: its entries that went by another map are forgotten, or marked to end.

Numbers are those of linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from netnsmgr.core.ip import IPAddress, Version
from netnsmgr.core.protocols import PROTOCOLS
from netnsmgr.errors import KernelError
from netnsmgr.items.flows import UDP, Fate, Flow, Mapped, fate
from netnsmgr.kernel import conntrack
from netnsmgr.kernel.nfnetlink import NLA_F_NESTED, NLM_F_DUMP, Nfnetlink, attribute

RECEIVE_BYTES = 1 << 20
CT_NEW, CT_GET, CT_DELETE = 0x100, 0x101, 0x102
TUPLE_ORIG, MARK, FILTER, FILTER_ORIG_FLAGS = 1, 8, 25, 1
TUPLE_IP, TUPLE_PROTO = 1, 2
IP_SRC: dict[Version, int] = {4: 1, 6: 3}
IP_DST: dict[Version, int] = {4: 2, 6: 4}
FAMILY: dict[Version, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
BY_PROTOCOL = 1 << 3
BY = {"src": (1 << 0, 1 << 4), "dst": (1 << 1, 1 << 5)}
"""What of the tuple a filtered dump compares: the protocol; at either end, the address and the port."""
Key = tuple[IPAddress, str, int]


class KernelConntrack:
    """See ``items.flows.Conntrack``; ``memory`` is the file of the maps that conntrack has been made to follow."""

    def __init__(self, memory: str) -> None:
        self._memory = memory
        self._maps: frozenset[Mapped] | None = None
        with suppress(OSError, ValueError, TypeError), open(memory, encoding="ascii") as file:
            self._maps = frozenset(map(_read, json.load(file)))

    def followed(self) -> frozenset[Mapped] | None:
        return self._maps

    async def follow(self, maps: frozenset[Mapped], end_mark: int) -> None:
        before, now = _by_key(self._maps or ()), _by_key(maps)
        changed = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
        if changed:
            _redirect(changed, before, now, end_mark)
        self._maps = maps
        os.makedirs(os.path.dirname(self._memory), exist_ok=True)
        temporary = f"{self._memory}.tmp"
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(sorted(map(_written, maps), key=str), file)
        os.replace(temporary, self._memory)

    def forget(self) -> None:
        self._maps = None
        with suppress(FileNotFoundError):
            os.unlink(self._memory)


def _by_key(maps: Iterable[Mapped]) -> dict[Key, frozenset[Mapped]]:
    found: dict[Key, frozenset[Mapped]] = {}
    for mapped in maps:
        key = mapped.address, mapped.protocol, mapped.port
        found[key] = found.get(key, frozenset()) | {mapped}
    return found


def _redirect(
    keys: Iterable[Key],
    before: dict[Key, frozenset[Mapped]],
    now: dict[Key, frozenset[Mapped]],
    end_mark: int,
) -> None:
    link = Nfnetlink(RECEIVE_BYTES)
    try:
        for key in keys:
            address, protocol, port = key
            for found in _entries(link, "dst", address, PROTOCOLS[protocol], port):
                maps = now.get(key, frozenset())
                match fate(_flow(found, protocol, end_mark), before.get(key, ()), maps):
                    case Fate.END if end_mark:
                        _change(link, CT_NEW, found, _marked(end_mark))
                    case Fate.RESUME:
                        _change(link, CT_NEW, found, _marked(max(mapped.mark for mapped in maps)))
                    case Fate.END | Fate.FORGET:
                        _change(link, CT_DELETE, found)
            if not end_mark:
                for mapped in before.get(key, frozenset()) - now.get(key, frozenset()):
                    _forget_own(link, mapped)
    except OSError as error:
        raise KernelError(f"connection tracking: {error.strerror}") from error
    finally:
        link.close()


def _forget_own(link: Nfnetlink, mapped: Mapped) -> None:
    """Forget what an application that is elsewhere now sent of itself: to the other side it came from the mapped port,
    whose packets it so leads to where the application was.
    """
    if mapped.protocol != UDP:
        return
    for found in _entries(link, "src", mapped.to, PROTOCOLS[UDP], mapped.to_port):
        if (found.reply.dst, found.reply.dport) == (str(mapped.address), mapped.port):
            _change(link, CT_DELETE, found)


def _entries(
    link: Nfnetlink, end: Literal["src", "dst"], address: IPAddress, protocol: int, port: int
) -> Iterator[conntrack.Flow]:
    """Yield the entries whose first packet had this address and port as its source, or as its destination."""
    # The kernel picks them (CTA_FILTER, since Linux 5.8): a device has thousands of other flows.
    by_address, by_port = BY[end]
    if address.version == 6:
        by_address = 0  # of IPv6 ctnetlink_filter_match_tuple() picks those that have another one (6.18)
    flags = struct.pack("=I", by_address | BY_PROTOCOL | by_port)
    source = end == "src"
    wanted = (
        _tuple(protocol, address, None, port, None) if source else _tuple(protocol, None, address, None, port)
    )
    wanted += _nested(FILTER, attribute(FILTER_ORIG_FLAGS, flags))
    for message in link.request(CT_GET, FAMILY[address.version], 0, wanted, flags=NLM_F_DUMP):
        if (found := conntrack.parse(message)) is None:
            continue
        _, src, sport, dst, dport = found.original
        # An older kernel sends all.
        if found.original.protocol == protocol and (str(address), port) == (
            (src, sport) if source else (dst, dport)
        ):
            yield found


def _change(link: Nfnetlink, kind: int, found: conntrack.Flow, what: bytes = b"") -> None:
    protocol, src, sport, dst, dport = found.original
    initiator = ip_address(src)
    entry = _tuple(protocol, initiator, ip_address(dst), sport, dport)
    try:
        link.request(kind, FAMILY[initiator.version], 0, entry + what)
    except OSError as error:
        if error.errno != errno.ENOENT:  # it has ended meanwhile
            raise


def _marked(mark: int) -> bytes:
    return attribute(MARK, struct.pack("!I", mark))


def _tuple(
    protocol: int,
    src: IPAddress | None,
    dst: IPAddress | None,
    sport: int | None,
    dport: int | None,
) -> bytes:
    addresses = (IP_SRC, src), (IP_DST, dst)
    ports = (PROTO_SRC_PORT, sport), (PROTO_DST_PORT, dport)
    ip = b"".join(
        attribute(kinds[address.version], address.packed)
        for kinds, address in addresses
        if address is not None
    )
    proto = attribute(PROTO_NUM, bytes([protocol]))
    proto += b"".join(attribute(kind, struct.pack("!H", port)) for kind, port in ports if port is not None)
    return _nested(TUPLE_ORIG, _nested(TUPLE_IP, ip) + _nested(TUPLE_PROTO, proto))


def _nested(kind: int, content: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, content)


def _flow(found: conntrack.Flow, protocol: str, end_mark: int) -> Flow:
    return Flow(
        protocol,
        ip_address(found.original.src),
        ip_address(found.original.dst),
        found.original.dport,
        ip_address(found.reply.src),
        found.reply.sport,
        bool(found.status & conntrack.SRC_NAT),
        bool(end_mark) and found.mark == end_mark,
    )


def _written(mapped: Mapped) -> list[Any]:
    senders = None if mapped.senders is None else list(map(str, mapped.senders))
    return [
        str(mapped.address),
        mapped.protocol,
        mapped.port,
        str(mapped.to),
        mapped.to_port,
        senders,
        mapped.mark,
    ]


def _read(row: list[Any]) -> Mapped:
    address, protocol, port, to, to_port, senders, mark = row
    networks = None if senders is None else tuple(map(ip_network, senders))
    return Mapped(ip_address(address), protocol, port, ip_address(to), to_port, networks, mark)
