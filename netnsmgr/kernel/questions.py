"""Asks hosts on single links whether they still have an address, without having one oneself.

Frames go out of a bridge's port directly (packet(7)), so that only the host behind it is asked and no other hears it; the
answer comes to the bridge's own MAC address.  ARP as a probe (RFC 5227, 2.1.1: sender 0.0.0.0) leaves no trace in anybody's
cache; a neighbour solicitation has to have a sender, or its answer would go to all.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from netnsmgr.core.ip import IPAddress, mac_made
from netnsmgr.core.protocols import ICMPV6
from netnsmgr.errors import KernelError

_ARP, _IPV6, _VLAN = b"\x08\x06", b"\x86\xdd", b"\x81\x00"
_LINK = IPv6Network("fe80::/64")


class Whom(NamedTuple):
    """Who is asked: the link that leads to him, his MAC address, the VLAN (0: untagged) and the address in question."""

    link: str
    mac: str
    tag: int
    address: IPAddress


def ask(whom: Iterable[Whom], sender: str) -> None:
    """Ask each once; answers go to the MAC address ``sender``.  A link that is gone or down is asked in vain.

    Raises ``KernelError`` without CAP_NET_RAW.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as wire:
            wire.setblocking(False)
            for each in whom:
                with suppress(OSError):  # it was there when this was planned
                    wire.sendto(frame(each, sender), (each.link, 0))
    except OSError as error:
        raise KernelError(f"packet socket: {error.strerror}") from error


def frame(whom: Whom, sender: str) -> bytes:
    """Return the frame that asks."""
    mac, own, address = _octets(whom.mac), _octets(sender), whom.address
    tag = _VLAN + struct.pack("!H", whom.tag) if whom.tag else b""
    if not isinstance(address, IPv6Address):
        probe = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + bytes(4) + bytes(6) + address.packed
        return (mac + own + tag + _ARP + probe).ljust(60, b"\0")
    source = mac_made(_LINK, sender).packed
    # RFC 4861, 4.3: with the sender's own link-layer address, so that whoever answers need not ask for it.
    body = bytes(8) + address.packed + b"\1\1" + own
    pseudo = source + address.packed + struct.pack("!II", len(body), ICMPV6)
    body = struct.pack("!BBH", 135, 0, _checksum(pseudo + b"\x87" + body[1:])) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255) + source + address.packed
    return mac + own + tag + _IPV6 + header + body


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
