"""The neighbour table of one link of this namespace: who answered when, and whom the kernel shall ask.

By rtnetlink itself (linux/rtnetlink.h, linux/neighbour.h), without pyroute2: two messages, and a socket for as long as
they take.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from typing import NamedTuple, Self

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nfnetlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    attribute,
    attributes,
)

_NEWNEIGH, _GETNEIGH = 28, 30
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_DST, _LLADDR, _CACHEINFO, _IFINDEX = 1, 2, 3, 8
_BUFFER = 64 << 10
_PROBE = 0x10
_VALID = 0x02 | 0x04 | 0x08 | 0x10
"""Reachable, stale, delayed, being asked."""
_NETLINK_GET_STRICT_CHK = 12
_SOL_NETLINK = 270
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_U32 = struct.Struct("=I")
_TICKS = os.sysconf("SC_CLK_TCK")
_JIFFY = 0.02
"""The kernel's own clock is behind by up to one of its ticks (10 ms), and what it says of it is in hundredths."""


class Neighbour(NamedTuple):
    """Who has an address, and when it was last known that he is there (CLOCK_BOOTTIME; up to 20 ms late)."""

    mac: str
    confirmed: float


def neighbours(link: str) -> dict[IPv6Address, Neighbour]:
    """Return whom the kernel has found by the addresses that it asked for; not those who do not answer.

    Raises ``KernelError``, also when there is no such link.
    """
    found = {}
    with _Asking(link) as asking:
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        message = _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, 0, 0) + attribute(_IFINDEX, _U32.pack(asking.index))
        for data, start, end in asking.request(_GETNEIGH, NLM_F_DUMP, message):
            _, index, state, _, _ = _NEIGHBOUR.unpack_from(data, start)
            if index != asking.index or not state & _VALID:
                continue
            of = {kind: data[a:b] for kind, a, b in attributes(data, start + _NEIGHBOUR.size, end)}
            if of.keys() >= {_DST, _LLADDR, _CACHEINFO}:
                (ago,) = _U32.unpack_from(of[_CACHEINFO])
                seen = min(now, now - ago / _TICKS + _JIFFY)
                found[IPv6Address(of[_DST])] = Neighbour(of[_LLADDR].hex(":"), seen)
    return found


def ask(link: str, whom: Iterable[tuple[IPv6Address, str]]) -> None:
    """Have the kernel ask each, at his MAC address, whether he still has the address: three times, a second apart.

    Raises ``KernelError`` as ``neighbours`` does.
    """
    with _Asking(link) as asking:
        for address, mac in whom:
            message = _NEIGHBOUR.pack(socket.AF_INET6, asking.index, _PROBE, 0, 0)
            message += attribute(_DST, address.packed) + attribute(
                _LLADDR, bytes.fromhex(mac.replace(":", ""))
            )
            asking.request(_NEWNEIGH, NLM_F_ACK | _NLM_F_CREATE | _NLM_F_REPLACE, message)


class _Asking:
    """An rtnetlink socket and the link that it asks about; says what fails as ``KernelError``."""

    def __init__(self, link: str) -> None:
        self._link = link

    def __enter__(self) -> Self:
        with self._explained():
            self.index = socket.if_nametoindex(self._link)
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.settimeout(2.0)
            # Only then the kernel leaves out the other links' (linux 4.20).
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KernelError(f"neighbours of {self._link}: {error.strerror or error}") from error

    def request(self, kind: int, flags: int, body: bytes) -> list[tuple[bytes, int, int]]:
        """Ask, and return the answers: where in which bytes each is."""
        found: list[tuple[bytes, int, int]] = []
        with self._explained():
            self._socket.send(
                _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body
            )
            while True:
                data = self._socket.recv(_BUFFER)
                offset = 0
                while offset + _HEADER.size <= len(data):
                    length, type_, _, _, _ = _HEADER.unpack_from(data, offset)
                    if type_ == NLMSG_DONE:
                        return found
                    if type_ == NLMSG_ERROR:
                        (errno,) = struct.unpack_from("=i", data, offset + _HEADER.size)
                        if errno:
                            raise OSError(-errno, os.strerror(-errno))
                        return found
                    found.append((data, offset + _HEADER.size, offset + length))
                    offset += (max(length, _HEADER.size) + 3) & ~3
