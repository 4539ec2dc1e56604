"""Names asked of DNS servers, each over the port of the device that told of it.

Not by the C library, which asks whom it finds in one file, by whatever way, and blocks meanwhile.  dnslib is loaded with
the first question: only a device's agent asks, and only for tunnels whose other ends have names.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from netnsmgr.core.ip import IPAddress, Version
from netnsmgr.errors import KernelError

PORT = 53
ANSWER_SECONDS, TRIES = 2.0, 2
"""How long an answer is waited for, and how often a server is asked, before the next one is."""
RECORDS: dict[Version, str] = {4: "A", 6: "AAAA"}
NO_ERROR, NO_NAME = 0, 3
LARGEST = 1232
"""Bytes of an answer that no network on the way has to cut in pieces (dnsflagday.net/2020)."""


class Server(NamedTuple):
    """A DNS server and the link by which it is asked; none: the device's own routes say."""

    address: IPAddress
    link: str = ""

    def __str__(self) -> str:
        return f"{self.address} ({self.link})" if self.link else str(self.address)


class Resolved(NamedTuple):
    """A name's addresses, those of IPv4 first, and for how many seconds they hold."""

    addresses: tuple[IPAddress, ...]
    seconds: int


class Unanswered(Exception):
    """A server does not know or does not say; another one may."""


def machine_servers(path: str = "/etc/resolv.conf") -> tuple[Server, ...]:
    """Return the DNS servers of the machine itself (resolv.conf(5)); none if nobody has set any."""
    found = []
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for word, *rest in filter(None, map(str.split, file)):
            with suppress(ValueError):
                if word == "nameserver" and rest:
                    address, _, zone = rest[0].partition("%")
                    found.append(Server(ip_address(address), zone))
    return tuple(found)


async def resolve(host: str, servers: Sequence[Server], versions: Collection[Version]) -> Resolved:
    """Return the addresses of these versions that a name has; the servers are asked in their order until one answers.

    Raises ``KernelError`` that says what they said, or that they say nothing.
    """
    troubles = []
    for server in servers:
        asked = (_ask(host, RECORDS[each], server) for each in sorted(versions))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = [each for each in answers if isinstance(each, Resolved) and each.addresses]
        if told:
            found = dict.fromkeys(address for each in told for address in each.addresses)
            return Resolved(tuple(found), min(each.seconds for each in told))
        failed = [each for each in answers if isinstance(each, BaseException)]
        if not failed:
            kinds = " or ".join(f"IPv{each}" for each in sorted(versions))
            raise KernelError(f"{host} has no address of {kinds}, says DNS server {server}")
        if other := next((each for each in failed if not isinstance(each, Unanswered)), None):
            raise other
        troubles.append(str(failed[0]))
    raise KernelError(f"{host}: {'; '.join(troubles) or 'no DNS server is known'}")


async def _ask(host: str, kind: str, server: Server) -> Resolved:
    import dnslib

    question = dnslib.DNSRecord.question(host, kind)
    question.add_ar(dnslib.EDNS0(udp_len=LARGEST))
    packed = question.pack()
    for _ in range(TRIES):
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await _by_udp(packed, question, server)
                if said.header.tc:
                    said = await _by_tcp(packed, question, server)
                return _read(said, host, kind, server)
    raise Unanswered(f"DNS server {server} does not answer")


def _read(said: Any, host: str, kind: str, server: Server) -> Resolved:
    import dnslib

    if said.header.rcode == NO_NAME:
        raise KernelError(f"there is no {host}, says DNS server {server}")
    if said.header.rcode != NO_ERROR:
        raise Unanswered(
            f"DNS server {server} could not find out ({dnslib.RCODE.get(said.header.rcode, said.header.rcode)})"
        )
    wanted = [each for each in said.rr if each.rtype == getattr(dnslib.QTYPE, kind)]
    try:
        found = tuple(ip_address(bytes(each.rdata.data)) for each in wanted)
    except (ValueError, TypeError, AttributeError):
        raise Unanswered(f"DNS server {server} tells addresses that are none") from None
    # Of a chain of names the one that ends first says when to ask again.
    return Resolved(found, min((each.ttl for each in said.rr), default=0))


def _parsed(data: bytes, question: Any) -> Any | None:
    """Return an answer to this question; None of what is none, whoever sent it."""
    import dnslib

    try:
        said = dnslib.DNSRecord.parse(data)
        same = said.header.id == question.header.id and said.header.qr and said.q.qtype == question.q.qtype
        return said if same and said.q.qname == question.q.qname else None
    except Exception:  # dnslib refuses what it cannot read in any of a dozen ways
        return None


async def _by_udp(packed: bytes, question: Any, server: Server) -> Any:
    loop = asyncio.get_running_loop()
    with _door(server, socket.SOCK_DGRAM) as door:
        try:
            await loop.sock_connect(door, _there(server))
            await loop.sock_sendall(door, packed)
            while True:
                if (said := _parsed(await loop.sock_recv(door, 65535), question)) is not None:
                    return said
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise Unanswered(f"DNS server {server} cannot be asked: {error.strerror}") from None


async def _by_tcp(packed: bytes, question: Any, server: Server) -> Any:
    loop = asyncio.get_running_loop()
    with _door(server, socket.SOCK_STREAM) as door:
        try:
            await loop.sock_connect(door, _there(server))
            await loop.sock_sendall(door, len(packed).to_bytes(2) + packed)
            data = await _exactly(int.from_bytes(await _exactly(2, door)), door)
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Unanswered(f"DNS server {server} cannot be asked by TCP: {error}") from None
    if (said := _parsed(data, question)) is None:
        raise Unanswered(f"DNS server {server} answers something else")
    return said


async def _exactly(count: int, door: socket.socket) -> bytes:
    data = b""
    while len(data) < count:
        part = await asyncio.get_running_loop().sock_recv(door, count - len(data))
        if not part:
            raise EOFError("it hangs up")
        data += part
    return data


def _door(server: Server, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if server.address.version == 6 else socket.AF_INET
    door = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if server.link:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, server.link.encode())
    except OSError as error:
        door.close()
        raise Unanswered(f"DNS server {server} cannot be asked: {error.strerror}") from None
    return door


def _there(server: Server) -> tuple[Any, ...]:
    if not isinstance(server.address, IPv6Address):
        return str(server.address), PORT
    zone = 0
    if server.address.is_link_local and server.link:
        with suppress(OSError):
            zone = socket.if_nametoindex(server.link)
    return str(server.address), PORT, 0, zone
