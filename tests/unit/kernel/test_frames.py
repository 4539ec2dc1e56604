"""What the kernel is told of a frame that is sent on: where its checksum goes, and how it is cut."""

from __future__ import annotations

import struct

import pytest

from netnsmgr.kernel.frames import prepared
from netnsmgr.kernel.nflog import _tag
from tests.unit.services.flowlog.test_flows import udp

ETHERNET = bytes(12) + b"\x08\0"


def parts(data: bytes) -> tuple[int, ...]:
    return struct.unpack("=BBHHHH", data[:10])


def test_the_sum_of_the_pseudo_header_is_what_the_kernel_begins_with() -> None:
    packet = udp("10.0.0.1", 53, "10.0.0.2", 4000, 4)
    made = prepared(ETHERNET, packet, lambda: pytest.fail("nobody needs the MTU of a small packet"))
    assert parts(made) == (1, 0, 0, 0, 34, 6)
    assert made[10:24] == ETHERNET
    words = 0x0A00 + 0x0001 + 0x0A00 + 0x0002 + 17 + 12
    assert made[24:] == packet[:26] + words.to_bytes(2) + packet[28:]


def test_what_is_too_long_is_cut_by_the_kernel() -> None:
    packet = udp("10.0.0.1", 53, "10.0.0.2", 4000, 3000)
    assert parts(prepared(ETHERNET, packet, lambda: 1500)) == (1, 3, 14 + 28, 1480, 34, 6)
    assert parts(prepared(ETHERNET, packet, lambda: 9000))[1:4] == (0, 0, 0)


def test_what_is_no_packet_is_refused() -> None:
    for packet in b"", b"\x45", bytes(40), udp("10.0.0.1", 53, "10.0.0.2", 4000)[:9] + b"\x01" + bytes(30):
        with pytest.raises(ValueError, match="no packet"):
            prepared(ETHERNET, packet, lambda: 1500)


def test_a_vlan_tag_is_what_stands_beside_the_packet() -> None:
    nested = struct.pack("=HH2sxx", 6, 1, b"\x81\0") + struct.pack("=HH2sxx", 6, 2, b"\0\x64")
    assert _tag(nested, 0, len(nested)) == b"\x81\0\0\x64"
