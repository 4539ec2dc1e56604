"""Packets of any source, put into a router as if they came from one of its links."""

from __future__ import annotations

import fcntl
import os
import struct

from netnsmgr.features.acl.verdict import Flow

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SYN, INIT = 0x02, 1


class Tun:
    """A link of this namespace, up, whose other end is the test."""

    def __init__(self, name: str) -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))

    def send(self, packet: bytes) -> None:
        """Have a packet arrive here.  It has passed the hooks when this returns."""
        os.write(self.fd, packet)


def first_packet(flow: Flow, number: int) -> bytes:
    """The packet that begins a flow; ``number`` (16 bits) is its ``ip id`` or ``ip6 flowlabel``.

    Checksums of the transport are left out: without ``nf_conntrack_checksum`` nobody looks at them.
    """
    return packet(flow, number, _payload(flow, number))


def packet(flow: Flow, number: int, payload: bytes) -> bytes:
    """A packet of a flow's initiator."""
    source, target = flow.initiator.packed, flow.responder.packed
    if flow.family == 6:
        return (
            struct.pack(">IHBB", 6 << 28 | number, len(payload), flow.protocol, 64)
            + source
            + target
            + payload
        )
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number, 0, 64, flow.protocol, 0, source, target
    )
    return header[:10] + struct.pack(">H", _checksum(header)) + header[12:] + payload


def _payload(flow: Flow, number: int) -> bytes:
    ports = struct.pack(">HH", flow.sport, flow.dport)
    match flow.protocol:
        case 1 | 58:
            return struct.pack(">HHHH", flow.dport, 0, number, 1)
        case 6:
            return ports + struct.pack(">IIBBHHH", number, 0, 5 << 4, SYN, 1024, 0, 0)
        case 17:
            return ports + struct.pack(">HH", 8, 0)
        case 132:
            return ports + struct.pack(">IIBBHIIHHI", 0, 0, INIT, 0, 20, number, 1500, 1, 1, number)
        case _:
            return bytes(8)


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
