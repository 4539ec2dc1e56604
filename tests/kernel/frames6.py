"""IPv6 frames, honest ones and others: headers put one behind the other as one likes."""

from __future__ import annotations

import itertools
import struct
from ipaddress import IPv6Address

HOP, ROUTING, FRAGMENT, AH, ICMP6, NONE, OPTIONS = 0, 43, 44, 51, 58, 59, 60
UDP, TCP = 17, 6
RS, RA, NS, NA, REDIRECT = 133, 134, 135, 136, 137
QUERY, REPORT, DONE, REPORT2 = 130, 131, 132, 143
SLLAO, TLLAO, NONCE = 1, 2, 14
ALL_NODES = "ff02::1"
_NAMES = itertools.count(1)
"""Of fragmented packets: pieces that wait for others are not joined with those of the next."""


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def option(kind: int, value: bytes | str) -> bytes:
    """An option of neighbour discovery; text is a MAC address."""
    data = octets(value) if isinstance(value, str) else value
    return bytes([kind, (len(data) + 9) // 8]) + data.ljust((len(data) + 9) // 8 * 8 - 2, b"\0")


def solicited(address: str) -> str:
    """The group that a solicitation for an address goes to (RFC 4291, 2.7.1)."""
    return str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(IPv6Address(address)) & 0xFFFFFF))


def solicit(target: str, *options: bytes, code: int = 0) -> bytes:
    return struct.pack("!BBHI", NS, code, 0, 0) + IPv6Address(target).packed + b"".join(options)


def advertise(target: str, *options: bytes, code: int = 0, flags: int = 0x60000000) -> bytes:
    return struct.pack("!BBHI", NA, code, 0, flags) + IPv6Address(target).packed + b"".join(options)


def icmp(kind: int, *rest: bytes, code: int = 0) -> bytes:
    """Any ICMPv6 message; four more octets of its head are zero."""
    return struct.pack("!BBHI", kind, code, 0, 0) + b"".join(rest)


def router(prefix: str = "fd66::") -> bytes:
    """A router advertisement with a prefix to make addresses of (RFC 4861, 4.2)."""
    information = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + IPv6Address(prefix).packed
    return struct.pack("!BBHBBHII", RA, 0, 0, 64, 0, 1800, 0, 0) + information


def udp(sport: int, dport: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def header(kind: int, following: int, data: bytes = b"\x01\x04\0\0\0\0") -> bytes:
    """An extension header; what is not said is padding."""
    if kind == FRAGMENT:
        return struct.pack("!BBHI", following, 0, 0, 7)
    if kind == AH:
        return struct.pack("!BBHIII", following, 4, 0, 1, 1, 0) + bytes(8)
    if kind == ROUTING:
        return struct.pack("!BBBBI", following, 0, 253, 0, 0)
    return bytes([following, (len(data) + 2) // 8 - 1]) + data


def behind(kinds: tuple[int, ...], last: int, payload: bytes) -> tuple[int, bytes]:
    """A payload behind extension headers: the first header's number, and all of it."""
    number, data = last, payload
    for kind in reversed(kinds):
        data = header(kind, number) + data
        number = kind
    return number, data


def packet(
    source: str, target: str, last: int, payload: bytes, headers: tuple[int, ...] = (), hops: int = 255
) -> bytes:
    """A packet with its checksum, if it is ICMPv6 or UDP."""
    src, dst = IPv6Address(source).packed, IPv6Address(target).packed
    payload = summed(src, dst, last, payload)
    number, data = behind(headers, last, payload)
    return struct.pack("!IHBB", 6 << 28, len(data), number, hops) + src + dst + data


def fragments(
    source: str,
    target: str,
    number: int,
    data: bytes,
    size: int,
    *,
    before: int | None = None,
    hops: int = 255,
) -> list[bytes]:
    """The pieces of what a header's number and data say, ``size`` octets each; ``before`` stands before the fragment header."""
    src, dst = IPv6Address(source).packed, IPv6Address(target).packed
    found, name = [], next(_NAMES)
    for start in range(0, len(data), size):
        more = start + size < len(data)
        piece = struct.pack("!BBHI", number, 0, start | more, name) + data[start : start + size]
        first = FRAGMENT
        if before is not None:
            piece, first = header(before, FRAGMENT) + piece, before
        found.append(struct.pack("!IHBB", 6 << 28, len(piece), first, hops) + src + dst + piece)
    return found


def summed(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    at = {ICMP6: 2, UDP: 6}.get(protocol)
    if at is None or len(payload) < at + 2:
        return payload
    pseudo = source + target + struct.pack("!IHBB", len(payload), 0, 0, protocol)
    data = pseudo + payload
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return payload[:at] + struct.pack("!H", ~total & 0xFFFF) + payload[at + 2 :]


def ethernet(target: str, source: str, body: bytes) -> bytes:
    return octets(target) + octets(source) + b"\x86\xdd" + body


def group_mac(address: str) -> str:
    """The MAC address of a multicast group (RFC 2464, 7)."""
    return "33:33:" + IPv6Address(address).packed[12:].hex(":")
