"""What says "look again": netlink messages, changed directories, changed mounts.  None says what changed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from pyroute2.netlink import rtnl

GROUPS = rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV4_ROUTE | rtnl.RTMGRP_IPV4_RULE


class NetlinkWatch:
    """Calls ``changed`` when links, addresses, routes or rules of this namespace have changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, GROUPS))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def drain(self) -> bool:
        """Throw away what has been said so far; true if anything was."""
        anything = False
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return anything
            except OSError:  # ENOBUFS: messages were lost, which says "look again" as well
                pass
            anything = True

    def _readable(self) -> None:
        if self.drain():
            self._changed()

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class DirectoryWatch:
    """Calls ``changed`` when a file in the directory was written, made or renamed.

    By dnotify (fcntl(2), ``F_NOTIFY``): an inotify instance in every agent would reach the machine's limit of 128
    (``fs.inotify.max_user_instances``) at 128 instances; a dnotify watch costs a descriptor.  One in each process.
    """

    def __init__(self, path: str, changed: Callable[[], None]) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        asyncio.get_running_loop().add_signal_handler(signal.SIGIO, changed)
        events = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_RENAME
        fcntl.fcntl(self._fd, fcntl.F_NOTIFY, events | fcntl.DN_MULTISHOT)

    def close(self) -> None:
        """Stop watching."""
        os.close(self._fd)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGIO)


class MountWatch:
    """Calls ``changed`` when a mount appears or goes, which is how named namespaces do.

    Worth having only while somebody waits for a namespace: every mount on the machine wakes us.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._fd = -1
        self._epoll: select.epoll | None = None

    def enable(self, wanted: bool) -> None:
        """Watch, or stop watching."""
        loop = asyncio.get_running_loop()
        if wanted and self._epoll is None:
            # The kernel reports a changed mount table as an exceptional condition (proc(5)), which asyncio
            # cannot wait for; an epoll instance that can is itself readable.
            self._fd = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
            self._epoll = select.epoll()
            self._epoll.register(self._fd, select.EPOLLPRI | select.EPOLLERR)
            loop.add_reader(self._epoll.fileno(), self._readable)
            self._changed()  # it may have appeared before we watched
        elif not wanted and self._epoll is not None:
            loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            os.close(self._fd)
            self._epoll = None

    def _readable(self) -> None:
        if self._epoll is not None:
            with suppress(OSError):
                self._epoll.poll(0)
            self._changed()
