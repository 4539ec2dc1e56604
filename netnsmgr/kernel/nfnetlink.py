"""Netfilter's netlink (nfnetlink), read without pyroute2: its conntrack parser alone is 11 MB in each process.

Layouts are those of linux/netlink.h and linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from netnsmgr.errors import KernelError

NETLINK_NETFILTER = 12
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
SO_RCVBUFFORCE = 33
BUFFER = 256 << 10
"""Bytes of one reception: more than the kernel puts into one datagram (NFLOG gathers several packets)."""

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
PAYLOAD = _HEADER.size + _FAMILY.size
"""Where a message's attributes begin."""


class Message(NamedTuple):
    """One message: its attributes are ``data[start:end]``; ``resource`` is NFLOG's group."""

    type: int
    flags: int
    resource: int
    data: bytes
    start: int
    end: int


class Nfnetlink:
    """One socket in the namespace of the process, subscribed to multicast ``groups`` (numbers).

    ``overruns`` counts what the kernel threw away because we were too slow: exactly, from ``/proc/net/netlink``.
    Raises ``KernelError`` where the kernel has no nfnetlink or the process lacks CAP_NET_ADMIN.
    """

    def __init__(self, receive_bytes: int, groups: tuple[int, ...] = ()) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
            )
            try:
                # Beyond net.core.rmem_max, which is 208 KB: about 300 events.
                self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_bytes)
            except PermissionError:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self._socket.bind((0, sum(1 << (group - 1) for group in groups)))
        except OSError as error:
            raise KernelError(f"nfnetlink: {error.strerror}") from error
        self._socket.setblocking(False)
        self._port = self._socket.getsockname()[0]
        self._drops = 0
        self._buffer = bytearray(BUFFER)
        self._sequence = 0

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are messages."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it; the kernel forgets every subscription."""
        self._socket.close()

    def request(
        self,
        kind: int,
        family: int,
        resource: int,
        attributes: bytes,
        *,
        flags: int = NLM_F_ACK,
        timeout: float = 2.0,
    ) -> list[Message]:
        """Ask, and return what was answered before the acknowledgement, or the end of a dump; raises ``OSError`` with the kernel's errno."""
        self._sequence += 1
        body = _FAMILY.pack(family, 0, resource) + attributes
        header = _HEADER.pack(
            _HEADER.size + len(body), kind, NLM_F_REQUEST | flags, self._sequence, self._port
        )
        self._socket.settimeout(timeout)
        answers: list[Message] = []
        try:
            self._socket.send(header + body)
            while True:
                data = self._socket.recv(BUFFER)
                for offset, (_, type_, _, sequence, _) in _headers(data):
                    if type_ == NLMSG_DONE and sequence == self._sequence:
                        return answers + list(messages(data))
                    if type_ == NLMSG_ERROR and sequence == self._sequence:
                        (errno,) = struct.unpack_from("=i", data, offset + _HEADER.size)
                        if errno:
                            raise OSError(-errno, os.strerror(-errno))
                        return answers
                answers += messages(data)
        finally:
            self._socket.setblocking(False)

    def receive(self, budget: int) -> Iterator[Message]:
        """Yield what has arrived, at most ``budget`` datagrams, so that others have their turn."""
        for _ in range(budget):
            try:
                size = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: something was thrown away; ``overruns`` says how much
                continue
            yield from messages(bytes(memoryview(self._buffer)[:size]))

    def overruns(self) -> int:
        """Return how many messages were thrown away since the last call."""
        with suppress(OSError, ValueError, IndexError), open("/proc/net/netlink", encoding="ascii") as file:
            for line in file:
                # sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
                words = line.split()
                if words[1] == str(NETLINK_NETFILTER) and words[2] == str(self._port):
                    before, self._drops = self._drops, int(words[8])
                    return self._drops - before
        return 0


def messages(data: bytes) -> Iterator[Message]:
    """Yield netfilter's messages of one datagram; a broken one ends it."""
    for offset, (length, type_, flags, _, _) in _headers(data):
        if type_ >= 0x100 and length >= PAYLOAD:
            _, _, resource = _FAMILY.unpack_from(data, offset + _HEADER.size)
            yield Message(type_, flags, resource, data, offset + PAYLOAD, offset + length)


def _headers(data: bytes) -> Iterator[tuple[int, tuple[int, int, int, int, int]]]:
    offset, end = 0, len(data)
    while offset + _HEADER.size <= end:
        header = _HEADER.unpack_from(data, offset)
        length = header[0]
        if length < _HEADER.size or offset + length > end:
            return
        yield offset, header
        offset += (length + 3) & ~3


def attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield type, first and last offset of each attribute; a broken one ends them."""
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > end:
            return
        yield kind & NLA_TYPE_MASK, start + 4, start + length
        start += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
