"""What is read of a packet that announces an address."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.kernel.nflog import Packet
from netnsmgr.kernel.solicitations import Announcement, announcement

TARGET, UNSPECIFIED, NODES = (
    IPv6Address("fd00:1::12:3456"),
    IPv6Address("::"),
    IPv6Address("ff02::1:ff12:3456"),
)


def packet(
    *,
    source: IPv6Address = UNSPECIFIED,
    to: IPv6Address = NODES,
    target: IPv6Address = TARGET,
    kind: int = 135,
    code: int = 0,
    limit: int = 255,
    following: int = 58,
    mark: int = 0x00070005,
) -> Packet:
    header = struct.pack("!IHBB", 6 << 28, 24, following, limit) + source.packed + to.packed
    body = struct.pack("!BBHI", kind, code, 0, 0) + target.packed
    return Packet(4, "nd", mark, 1, 0, 2, 0, header + body)


def test_detection_and_use() -> None:
    assert announcement(packet()) == Announcement(5, TARGET)
    assert announcement(packet(source=IPv6Address("fd00::9"), kind=1)) == Announcement(
        5, IPv6Address("fd00::9")
    )


@pytest.mark.parametrize(
    "other",
    [
        packet(mark=0x00070000),
        packet(kind=136),
        packet(code=1),
        packet(limit=254),
        packet(following=17),
        packet(to=IPv6Address("ff02::1:ff12:3457")),
        packet(to=IPv6Address("fd00:1::1")),
        packet(source=IPv6Address("ff02::1")),
        packet()._replace(payload=b""),
        packet()._replace(payload=packet().payload[:63]),
        packet()._replace(payload=b"\x45" + bytes(80)),
    ],
)
def test_what_says_nothing(other: Packet) -> None:
    assert announcement(other) is None


@given(st.binary(max_size=80))
def test_whatever_comes(payload: bytes) -> None:
    announcement(packet()._replace(payload=payload))
    announcement(packet()._replace(payload=b"\x60" + payload))
