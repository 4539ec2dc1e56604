"""Router advertisements as far as the kernel leaves them to others: DNS servers (RFC 8106), and asking for one.

Addresses and routes of advertisements are the kernel's own work.  The options that it does not understand it passes on
(``RTM_NEWNDUSEROPT``); they cannot be listed, so what was heard is kept in a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address

ND_USEROPT = 20  # RTNLGRP_ND_USEROPT, linux/rtnetlink.h
NEW_ND_USEROPT = 68  # RTM_NEWNDUSEROPT
HEADER = struct.Struct("=IHHII")  # nlmsghdr
OPTIONS = struct.Struct(
    "=BxHiBB6x"
)  # nduseroptmsg: family, length of the options, link, type and code of ICMPv6
ADVERTISEMENT, SOLICITATION = 134, 133
RDNSS = 25
INFINITE = 0xFFFFFFFF
MOST = 16
"""DNS servers of a link that are remembered."""
ALL_ROUTERS = "ff02::2"
HOP_LIMIT = 255  # of all neighbour discovery (RFC 4861, 6.1.1)

Heard = dict[IPv6Address, float]
"""A DNS server and until when it may be asked, in seconds since the device's start; 0: no end."""


class Advertisements:
    """Hears the DNS servers that routers advertise; ``changed`` is called when there are others than before.

    ``path`` is a file of the run directory: it does not outlive a reboot, and so the clock that the times are of.
    """

    def __init__(self, path: str, changed: Callable[[], object]) -> None:
        self._path = path
        self._changed = changed
        self._heard: dict[str, Heard] = {}
        with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            self._heard = {
                link: {IPv6Address(server): end for server, end in servers.items()}
                for link, servers in json.load(file).items()
            }
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, 1 << (ND_USEROPT - 1)))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def servers(self, link: str) -> tuple[IPv6Address, ...]:
        """Return the DNS servers that are advertised on a link."""
        now = _now()
        return tuple(server for server, end in self._heard.get(link, {}).items() if not end or end > now)

    def ends(self) -> list[float]:
        """Return the moments at which a server may not be asked any more."""
        now = _now()
        return [end for servers in self._heard.values() for end in servers.values() if end > now]

    def _readable(self) -> None:
        before = {link: self.servers(link) for link in self._heard}
        while True:
            try:
                self._take(self._socket.recv(1 << 16))
            except BlockingIOError:
                break
            except OSError:
                continue  # messages were lost: the next advertisement says it all again
        self._keep()
        if before != {link: self.servers(link) for link in self._heard}:
            self._changed()

    def _take(self, data: bytes) -> None:
        offset = 0
        while offset + HEADER.size <= len(data):
            length, kind, *_ = HEADER.unpack_from(data, offset)
            if length < HEADER.size:
                return
            if kind == NEW_ND_USEROPT:
                self._option(data[offset + HEADER.size : offset + length])
            offset += (length + 3) & ~3

    def _option(self, message: bytes) -> None:
        if len(message) < OPTIONS.size:
            return
        _, size, ifindex, kind, _ = OPTIONS.unpack_from(message)
        with suppress(OSError):
            link = socket.if_indextoname(ifindex)
            if kind == ADVERTISEMENT:
                now = _now()
                news = rdnss(message[OPTIONS.size : OPTIONS.size + size], now)
                self._heard[link] = newest(self._heard.get(link, {}), news, now)

    def _keep(self) -> None:
        temporary = f"{self._path}.tmp"
        record = {
            link: {str(each): end for each, end in servers.items()} for link, servers in self._heard.items()
        }
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(temporary, self._path)


def newest(before: Heard, news: Heard, now: float) -> Heard:
    """Return the servers that may be asked now: those that were advertised last, ``MOST`` of them.

    Who is on the port's network advertises as many as he likes (RFC 8106, 5.3.1, has hosts keep three).
    """
    kept = {server: end for server, end in before.items() if server not in news and (not end or end > now)}
    return dict([*kept.items(), *news.items()][-MOST:])


def rdnss(options: bytes, now: float) -> Heard:
    """Read the servers of the option RDNSS, with the moment that each ends; others than global ones are left out."""
    found: Heard = {}
    while len(options) >= 8:
        kind, units = options[0], options[1]
        if not units or len(options) < 8 * units:
            break
        if kind == RDNSS:
            (life,) = struct.unpack_from("!I", options, 4)
            for offset in range(8, 8 * units - 15, 16):
                server = IPv6Address(options[offset : offset + 16])
                if not server.is_link_local and not server.is_multicast and not server.is_unspecified:
                    # A lifetime of 0 takes a server back at once; 0 as an end would be none.
                    found[server] = 0 if life == INFINITE else now + life
        options = options[8 * units :]
    return found


def solicit(link: str) -> None:
    """Ask the routers of a link for an advertisement (RFC 4861, 4.1); the kernel does so only when a link comes up."""
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        # The kernel computes the checksum of a raw socket of ICMPv6 (RFC 3542, 3.1).
        sender.sendto(
            struct.pack("!BBHI", SOLICITATION, 0, 0, 0), (ALL_ROUTERS, 0, 0, socket.if_nametoindex(link))
        )


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
