"""The option of router advertisements that names DNS servers (RFC 8106, 5.1)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.kernel.advertisements import MOST, Heard, newest, rdnss

ONE, TWO = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")


def option(life: int, *servers: IPv6Address) -> bytes:
    packed = b"".join(server.packed for server in servers)
    return struct.pack("!BBHI", 25, 1 + 2 * len(servers), 0, life) + packed


def test_servers_with_their_ends() -> None:
    """Each has the lifetime of its option; all ones have no end, and 0 takes one back."""
    assert rdnss(option(60, ONE, TWO), 1000) == {ONE: 1060, TWO: 1060}
    assert rdnss(option(0xFFFFFFFF, ONE) + option(0, TWO), 1000) == {ONE: 0, TWO: 1000}


def test_others_are_left_out() -> None:
    """Other options, link-local servers, which an instance cannot ask, and what is no address of a host."""
    search = struct.pack("!BBHI", 31, 2, 0, 60) + b"\x04site\x00\x00\x00"
    odd = option(60, IPv6Address("fe80::1"), IPv6Address("ff02::1"), IPv6Address("::"), ONE)
    assert rdnss(search + odd, 0) == {ONE: 60}


@given(st.binary(max_size=200))
def test_nonsense_does_no_harm(data: bytes) -> None:
    """Whatever a router sends."""
    rdnss(data, 0)


def test_a_router_that_never_ends() -> None:
    """Other servers in each advertisement are not kept for ever: the newest few are, and those that have ended are not."""
    heard: Heard = {}
    for number in range(10_000):
        heard = newest(heard, {IPv6Address(0xFD << 120 | number): 1e9}, 1.0)
    assert list(heard) == [IPv6Address(0xFD << 120 | number) for number in range(10_000 - MOST, 10_000)]
    one = IPv6Address("fd00::1")
    assert newest({one: 2.0}, {}, 3.0) == {}
    assert newest({one: 0.0}, {}, 3.0) == {one: 0.0}
    assert newest({one: 0.0}, {one: 4.0}, 3.0) == {one: 4.0}
