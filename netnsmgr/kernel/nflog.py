"""Packets that rules copy to a group (``log group N``; nfnetlink_log), and what of their headers is asked for.

Numbers are those of linux/netfilter/nfnetlink_log.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from socket import AF_INET, AF_INET6, AF_UNSPEC, inet_ntop
from typing import NamedTuple

from netnsmgr.core.protocols import ICMP, ICMPV6, TCP, UDP
from netnsmgr.errors import KernelError
from netnsmgr.kernel.conntrack import Tuple
from netnsmgr.kernel.nfnetlink import Message, Nfnetlink, attribute, attributes

MSG_PACKET, MSG_CONFIG = 0x400, 0x401
RECEIVE_BYTES = 2 << 20
_CMD, _MODE, _TIMEOUT, _QTHRESH, _FLAGS = 1, 2, 4, 5, 6
_BIND, _COPY_PACKET, _SEQ = 1, 2, 1
_PACKET_HEADER, _PACKET_MARK, _IN, _OUT, _PHYS_IN, _PHYS_OUT, _PAYLOAD, _PREFIX, _SEQUENCE = (
    1,
    2,
    4,
    5,
    6,
    7,
    9,
    10,
    12,
)
_VLAN, _LINK_HEADER = 20, 21
_VLAN_PROTO, _VLAN_TCI = 1, 2
_U32 = struct.Struct("!I")
_ADDRESSES = 12
"""Bytes of a frame before its EtherType, or its VLAN tag."""

_EXTENSIONS, _FRAGMENT, _AUTHENTICATION = (0, 43, 60), 44, 51
"""IPv6 headers that may stand before the transport's: hop-by-hop, routing, destination options (RFC 8200, 4.1)."""


class Packet(NamedTuple):
    """A packet from its network header on; links by index, 0 for none, bridge ports in ``port_in``, ``port_out``.

    ``frame``: what was before it, of a packet that was logged by a bridge, with its VLAN tag.
    """

    group: int
    prefix: str
    mark: int
    link_in: int
    link_out: int
    port_in: int
    port_out: int
    payload: bytes
    frame: bytes = b""
    tag: int = 0
    """Of the VLAN that it is tagged with beside it, 0: none."""


class PacketLog:
    """One group of this namespace.  Raises ``KernelError`` when somebody else listens to it already.

    ``size``: bytes of each packet that are wanted; ``gather``: packets, and ``wait``: seconds until they are handed over;
    ``receive_bytes``: of the socket.
    """

    def __init__(
        self,
        group: int,
        size: int,
        *,
        gather: int = 1,
        wait: float = 0.0,
        receive_bytes: int = RECEIVE_BYTES,
    ) -> None:
        self._socket = Nfnetlink(receive_bytes)
        self._next: int | None = None
        self._missing = 0
        self.fileno = self._socket.fileno
        self.close = self._socket.close
        try:
            self._configure(group, attribute(_CMD, bytes([_BIND])))
            self._configure(group, attribute(_MODE, struct.pack("!IBB", size, _COPY_PACKET, 0)))
            self._configure(group, attribute(_FLAGS, struct.pack("!H", _SEQ)))
            self._configure(group, attribute(_QTHRESH, _U32.pack(gather)))
            self._configure(group, attribute(_TIMEOUT, _U32.pack(max(1, round(wait * 100)))))
        except OSError as error:
            self.close()
            # nfulnl_recv_config() says EPERM for a group that is somebody else's; without CAP_NET_ADMIN so says all of it.
            why = "another process listens to it" if error.errno == errno.EPERM else error.strerror
            raise KernelError(f"packet log group {group}: {why}") from error

    def _configure(self, group: int, config: bytes) -> None:
        self._socket.request(MSG_CONFIG, AF_UNSPEC, group, config)

    def receive(self, budget: int = 1000) -> Iterator[Packet]:
        """Yield what has arrived."""
        for message in self._socket.receive(budget):
            packet, sequence = parse(message)
            if packet is None:
                continue
            if sequence is not None:
                # The kernel numbers what it logs for us, also what it then could not hand over.
                if self._next is not None:
                    self._missing += (sequence - self._next) & 0xFFFFFFFF
                self._next = sequence + 1
            yield packet

    def overruns(self) -> int:
        """Return how many packets were logged and did not arrive, since the last call."""
        missing, self._missing = self._missing, 0
        return missing


def parse(message: Message) -> tuple[Packet | None, int | None]:
    """Read a packet and its number; None for other messages."""
    if message.type != MSG_PACKET:
        return None, None
    data = message.data
    prefix, payload, sequence, frame, tag = "", b"", None, b"", b""
    numbers = dict.fromkeys((_PACKET_MARK, _IN, _OUT, _PHYS_IN, _PHYS_OUT), 0)
    for kind, first, last in attributes(data, message.start, message.end):
        if kind in numbers:
            (numbers[kind],) = _U32.unpack_from(data, first)
        elif kind == _PAYLOAD:
            payload = data[first:last]
        elif kind == _PREFIX:
            prefix = data[first:last].rstrip(b"\0").decode("ascii", "replace")
        elif kind == _SEQUENCE:
            (sequence,) = _U32.unpack_from(data, first)
        elif kind == _LINK_HEADER:
            frame = data[first:last]
        elif kind == _VLAN:
            tag = _tag(data, first, last)
    if tag:
        frame = frame[:_ADDRESSES] + tag + frame[_ADDRESSES:]
    mark, link_in, link_out, port_in, port_out = numbers.values()
    packet = Packet(
        message.resource,
        prefix,
        mark,
        link_in,
        link_out,
        port_in,
        port_out,
        payload,
        frame,
        int.from_bytes(tag[2:4], "big") & 0xFFF,
    )
    return packet, sequence


def _tag(data: bytes, start: int, end: int) -> bytes:
    """Return a VLAN tag, which the kernel keeps beside the packet (``nfulnl_put_bridge``)."""
    found = {kind: data[first : first + 2] for kind, first, _ in attributes(data, start, end)}
    return found.get(_VLAN_PROTO, b"") + found.get(_VLAN_TCI, b"")


def transport(packet: bytes) -> int:
    """Return where the transport's header begins.  ``IndexError`` where there is none."""
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else _behind_extensions(packet)[1]


def five_tuple(packet: bytes) -> tuple[Tuple, int, int] | None:
    """Return addresses and ports of an IP packet, its length, and where its transport's data begin; None if it has none.

    Of a fragment that is not the first the ports are 0, and of IPv6 where the headers before the transport's are longer
    than what was copied of the packet; the protocol is then the last that is known.
    """
    try:
        if packet[0] >> 4 == 4:
            at, length, protocol = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big"), packet[9]
            src, dst = inet_ntop(AF_INET, packet[12:16]), inet_ntop(AF_INET, packet[16:20])
            if int.from_bytes(packet[6:8], "big") & 0x1FFF:
                return Tuple(protocol, src, 0, dst, 0), length, len(packet)
        elif packet[0] >> 4 == 6:
            length = int.from_bytes(packet[4:6], "big") + 40
            src, dst = inet_ntop(AF_INET6, packet[8:24]), inet_ntop(AF_INET6, packet[24:40])
            protocol, at, whole = _behind_extensions(packet)
            if not whole:
                return Tuple(protocol, src, 0, dst, 0), length, len(packet)
        else:
            return None
        sport = dport = 0
        data = at
        if protocol in (TCP, UDP):
            sport, dport = struct.unpack_from("!HH", packet, at)
            data = at + (
                8 if protocol == UDP else (packet[at + 12] >> 4) * 4 if len(packet) > at + 12 else 20
            )
        elif protocol in (ICMP, ICMPV6):
            dport = packet[at] << 8 | packet[at + 1]
            if len(packet) >= at + 6:
                sport = int.from_bytes(packet[at + 4 : at + 6], "big")
        return Tuple(protocol, src, sport, dst, dport), length, data
    except (IndexError, ValueError, struct.error):
        return None


def _behind_extensions(packet: bytes) -> tuple[int, int, bool]:
    """Return protocol and place of what follows the headers of an IPv6 packet; False: it is not there."""
    protocol, at = packet[6], 40
    while protocol in (*_EXTENSIONS, _FRAGMENT, _AUTHENTICATION):
        if len(packet) < at + 4:
            return protocol, at, False
        if protocol == _FRAGMENT and int.from_bytes(packet[at + 2 : at + 4], "big") & 0xFFF8:
            return packet[at], at + 8, False
        # RFC 8200, 4.3 to 4.6; RFC 4302, 2.2: authentication counts in words of four bytes.
        length = 8 if protocol == _FRAGMENT else (packet[at + 1] + 1) * 8
        if protocol == _AUTHENTICATION:
            length = (packet[at + 1] + 2) * 4
        protocol, at = packet[at], at + length
    return protocol, at, at < len(packet)
