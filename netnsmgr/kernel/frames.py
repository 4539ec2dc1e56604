"""Frames sent to a link as they are, past bridge and filter (packet(7), ``PACKET_VNET_HDR``).

The header before each frame (virtio 1.2, 5.1.6) leaves checksums to the kernel, and the cutting of what is longer than the
link's MTU: a bridge that tracks flows sees fragments put together, and TCP segments joined.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable

from netnsmgr.core.protocols import TCP, UDP
from netnsmgr.errors import KernelError
from netnsmgr.kernel.nflog import five_tuple, transport

_SOL_PACKET, _PACKET_VNET_HDR, _SIOCGIFMTU = 263, 15, 0x8921
_HEADER = struct.Struct("=BBHHHH")
"""Flags, kind of segmentation, length of headers, size of a segment, where to sum from, where to put the sum."""
_NEEDS_CSUM = 1
_GSO = {(TCP, 4): 1, (UDP, 4): 3, (UDP, 6): 3, (TCP, 6): 4}
_SUM = {TCP: 16, UDP: 6}
"""Where the checksum is in the transport's header."""
SMALL = 1280
"""Bytes that each link carries that has IPv6 (RFC 8200, 5), and the smallest MTU that an instance may have."""


class FrameSender:
    """Sends to links of this namespace.  Needs CAP_NET_RAW when it is made, and never again.

    Raises ``KernelError`` where it lacks that, or the kernel has no packet sockets.
    """

    def __init__(self) -> None:
        try:
            # Of no protocol: it hears nothing.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        except OSError as error:
            raise KernelError(f"packet socket: {error.strerror}") from error
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, link: str, frame: bytes, packet: bytes) -> None:
        """Send an IP packet of TCP or UDP, whole; ``frame`` is what goes before it.

        Raises ``OSError``: the link is not there, or down, or full; ``ValueError``: it is no such packet.
        """
        self._socket.sendto(prepared(frame, packet, lambda: self._mtu(link)), (link, 0))

    def _mtu(self, link: str) -> int:
        answer = fcntl.ioctl(self._socket, _SIOCGIFMTU, struct.pack("16si12x", link.encode(), 0))
        return int(struct.unpack("16si12x", answer)[1])


def prepared(frame: bytes, packet: bytes, mtu: Callable[[], int]) -> bytes:
    """Return header, frame and packet, the latter with the sum of its pseudo header where the kernel adds the rest.

    ``mtu`` is asked only about packets that some link may not carry.
    """
    found = five_tuple(packet)
    if found is None or (protocol := found[0].protocol) not in _SUM:
        raise ValueError("no packet of TCP or UDP")
    headers, start, version = found[2], transport(packet), packet[0] >> 4
    place = start + _SUM[protocol]
    addresses = packet[12:20] if version == 4 else packet[8:40]
    pseudo = int.from_bytes(addresses) + protocol + len(packet) - start
    # The sum of 16-bit words in one's complement is what is left of their number after a division by 0xffff (RFC 1071).
    summed = pseudo % 0xFFFF
    kind = size = 0
    if len(packet) > SMALL and len(packet) > (limit := mtu()):
        kind = _GSO[protocol, version]
        # Of UDP, fragments: of a multiple of 8 bytes, with the header of UDP in the first.
        size = limit - headers if protocol == TCP else (limit - start - (8 if version == 6 else 0)) & ~7
    header = _HEADER.pack(
        _NEEDS_CSUM, kind, len(frame) + headers if kind else 0, size, len(frame) + start, _SUM[protocol]
    )
    return header + frame + packet[:place] + summed.to_bytes(2) + packet[place + 2 :]
