"""Links in other namespaces that we put there: what they are, and a word when one goes.

Asked with messages of our own (linux/rtnetlink.h, if_link.h, net_namespace.h): by pyroute2 a hundred cost 0.2 s a pass.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from netnsmgr.items.system import FarLink
from netnsmgr.kernel.nfnetlink import NLA_TYPE_MASK
from netnsmgr.kernel.route_socket import HEADER, RouteSocket

RTM_DELLINK, RTM_GETLINK, RTM_GETNSID = 17, 18, 90
NLM_F_ACK = 4
NETNSA_NSID, NETNSA_FD = 1, 3
IFLA_IFNAME, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_EXT_MASK, IFLA_IF_NETNSID = 3, 18, 20, 29, 46
IFLA_INFO_KIND = 1
SKIP_STATISTICS = 1 << 3
RTNLGRP_LINK = 1
SOL_NETLINK, ADD_MEMBERSHIP, DROP_MEMBERSHIP, LISTEN_ALL_NSID = 270, 1, 2, 8

_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")


def far_links(wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], FarLink]:
    """Return the links that there are of these, by the path of their namespace and their name.

    Of a namespace that nothing of ours ever went to the kernel has no id: there is none of them.
    """
    found: dict[tuple[str, str], FarLink] = {}
    if not wanted:
        return found
    with RouteSocket(timeout=5.0) as asking:
        for path, name in wanted:
            with suppress(OSError):  # no such namespace, no such link
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    body = struct.pack("=B3x", 0) + _attribute(NETNSA_FD, struct.pack("=I", fd))
                    answers = asking.request(RTM_GETNSID, NLM_F_ACK, body)
                finally:
                    os.close(fd)
                nsid = next(dict(_attributes(data, at + 4, end))[NETNSA_NSID] for data, at, end in answers)
                if struct.unpack("=i", nsid)[0] >= 0:
                    body = _LINK.pack(0, 0, 0, 0, 0) + _attribute(IFLA_IF_NETNSID, nsid)
                    body += _attribute(IFLA_IFNAME, name.encode() + b"\0")
                    body += _attribute(IFLA_EXT_MASK, struct.pack("=I", SKIP_STATISTICS))
                    for data, at, end in asking.request(RTM_GETLINK, NLM_F_ACK, body):
                        found[path, name] = _link(data, at, end)
    return found


def _link(data: bytes, start: int, end: int) -> FarLink:
    known = dict(_attributes(data, start + _LINK.size, end))
    info = known.get(IFLA_LINKINFO, b"")
    kind = dict(_attributes(info, 0, len(info))).get(IFLA_INFO_KIND, b"")
    return FarLink(_text(kind), _text(known.get(IFLA_IFALIAS, b"")))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _attribute(kind: int, value: bytes) -> bytes:
    return (_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value).ljust(
        (_ATTRIBUTE.size + len(value) + 3) & ~3, b"\0"
    )


def _attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    while start + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        yield kind & NLA_TYPE_MASK, data[start + _ATTRIBUTE.size : start + length]
        start += (max(length, _ATTRIBUTE.size) + 3) & ~3


class FarWatch:
    """Calls ``changed`` when a link of one of these names has gone from any namespace that we know an id of.

    To be made while the process may still hear of other namespaces (CAP_NET_BROADCAST; the kernel asks who has opened the
    socket); it hears of nothing before it is told what to listen for.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
        )
        self._socket.bind(
            (0, 0)
        )  # with no address of its own it would be taken for the kernel, which hears nothing of itself
        with suppress(OSError):  # in a container: then such a link is missed until the next look
            self._socket.setsockopt(SOL_NETLINK, LISTEN_ALL_NSID, 1)
        self._names: frozenset[str] = frozenset()
        self._changed: Callable[[], object] = lambda: None

    def follow(self, names: Collection[str], changed: Callable[[], object]) -> None:
        """Listen for these; for none, not at all."""
        before, self._names, self._changed = self._names, frozenset(names), changed
        if bool(before) == bool(names):
            return
        self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP if names else DROP_MEMBERSHIP, RTNLGRP_LINK)
        loop = asyncio.get_running_loop()
        if names:
            loop.add_reader(self._socket, self._readable)
        else:
            loop.remove_reader(self._socket)

    def close(self) -> None:
        """Stop listening."""
        self.follow((), self._changed)
        self._socket.close()

    def _readable(self) -> None:
        gone = False
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: messages were lost
                gone = True
                continue
            gone |= any(name in self._names for name in _gone(data))
        if gone:
            self._changed()


def _gone(data: bytes) -> Iterator[str]:
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, offset)
        if kind == RTM_DELLINK:
            known = dict(_attributes(data, offset + HEADER.size + _LINK.size, offset + length))
            yield _text(known.get(IFLA_IFNAME, b""))
        offset += (max(length, HEADER.size) + 3) & ~3
