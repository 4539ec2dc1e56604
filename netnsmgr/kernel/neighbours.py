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
from typing import NamedTuple

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nfnetlink import NLM_F_ACK, NLM_F_DUMP, attribute, attributes
from netnsmgr.kernel.route_socket import RouteSocket

_NEWNEIGH, _GETNEIGH = 28, 30
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_DST, _LLADDR, _CACHEINFO, _IFINDEX = 1, 2, 3, 8
_PROBE = 0x10
_VALID = 0x02 | 0x04 | 0x08 | 0x10
"""Reachable, stale, delayed, being asked."""
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
    with _asking(link) as (asking, own):
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        message = _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, 0, 0) + attribute(_IFINDEX, _U32.pack(own))
        for data, start, end in asking.request(_GETNEIGH, NLM_F_DUMP, message):
            _, index, state, _, _ = _NEIGHBOUR.unpack_from(data, start)
            if index != own or not state & _VALID:
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
    with _asking(link) as (asking, own):
        for address, mac in whom:
            message = _NEIGHBOUR.pack(socket.AF_INET6, own, _PROBE, 0, 0)
            message += attribute(_DST, address.packed) + attribute(
                _LLADDR, bytes.fromhex(mac.replace(":", ""))
            )
            asking.request(_NEWNEIGH, NLM_F_ACK | _NLM_F_CREATE | _NLM_F_REPLACE, message)


@contextmanager
def _asking(link: str) -> Iterator[tuple[RouteSocket, int]]:
    """Open a socket to ask about a link, of which this is the index; says what fails as ``KernelError``."""
    try:
        index = socket.if_nametoindex(link)
        # Strict: only then the kernel leaves out the other links' neighbours.
        with RouteSocket(strict=True, timeout=2.0) as asking:
            yield asking, index
    except OSError as error:
        raise KernelError(f"neighbours of {link}: {error.strerror or error}") from error
