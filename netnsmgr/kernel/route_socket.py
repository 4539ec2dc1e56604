"""rtnetlink(7) itself, for the few messages that pyroute2 does not know: one socket, one question at a time."""

from __future__ import annotations

import os
import socket
import struct
from types import TracebackType
from typing import Self

from netnsmgr.kernel.nfnetlink import NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR

HEADER = struct.Struct("=IHHII")
BUFFER = 256 << 10
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12


class RouteSocket:
    """Open within a ``with``, in the namespace of the process; waits at most ``timeout`` seconds for an answer.

    ``strict``: the kernel looks at what a listing asks for, and leaves out the rest (linux 4.20).  ``protocol``: another of
    netlink's, with messages of the same frame.
    """

    def __init__(self, *, strict: bool = False, timeout: float = 5.0, protocol: int = 0) -> None:
        self._strict, self._timeout, self._protocol = strict, timeout, protocol

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
        self._socket.settimeout(self._timeout)
        if self._strict:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(self, kind: int, flags: int, body: bytes) -> list[tuple[bytes, int, int]]:
        """Ask, and return the answers: where in which bytes each is.  Raises ``OSError`` with the kernel's errno."""
        found: list[tuple[bytes, int, int]] = []
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = self._socket.recv(BUFFER)
            offset = 0
            while offset + HEADER.size <= len(data):
                length, type_, _, _, _ = HEADER.unpack_from(data, offset)
                if type_ == NLMSG_DONE:
                    return found
                if type_ == NLMSG_ERROR:
                    (errno,) = struct.unpack_from("=i", data, offset + HEADER.size)
                    if errno:
                        raise OSError(-errno, os.strerror(-errno))
                    return found
                found.append((data, offset + HEADER.size, offset + length))
                offset += (max(length, HEADER.size) + 3) & ~3
