"""What says "look again": netlink messages, changed directories, changed mounts.  None says what changed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import ClassVar

from pyroute2.netlink import rtnl

from netnsmgr.kernel.namespace import inode

GROUPS = rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV4_ROUTE | rtnl.RTMGRP_IPV4_RULE
IPV4_NETCONF = 1 << (24 - 1)
"""``RTNLGRP_IPV4_NETCONF`` of linux/rtnetlink.h as a bit: forwarding and rp_filter, of one link or of all."""
IPV6_GROUPS = (9, 11, 19, 25)
"""``RTNLGRP_IPV6_IFADDR``, ``_ROUTE``, ``_RULE`` and ``_NETCONF`` of linux/rtnetlink.h, by their numbers."""
SOL_NETLINK, ADD_MEMBERSHIP, DROP_MEMBERSHIP = 270, 1, 2
CALM_SECONDS = 0.2
NETLINK_NETFILTER = 12
NFTABLES_GROUP = 1 << (7 - 1)
"""``NFNLGRP_NFTABLES`` of linux/netfilter/nfnetlink.h as a bit: each committed change of tables, chains, rules, sets."""


class NetlinkWatch:
    """Calls ``changed`` when links, addresses, routes, rules, forwarding or nftables of this namespace have changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._ipv6 = self._addresses6 = False
        self._heard: frozenset[int] = frozenset()
        self._routing = _joined(socket.NETLINK_ROUTE, GROUPS | IPV4_NETCONF)
        self._sockets = [self._routing, _joined(NETLINK_NETFILTER, NFTABLES_GROUP)]
        for watched in self._sockets:
            asyncio.get_running_loop().add_reader(watched, self._readable)

    @property
    def ipv6(self) -> bool:
        """Whether changes of IPv6 are heard, too; not at first."""
        return self._ipv6

    @ipv6.setter
    def ipv6(self, wanted: bool) -> None:
        self._ipv6 = wanted
        self._join()

    @property
    def addresses6(self) -> bool:
        """Whether changes of IPv6 addresses are heard, also where nothing else of IPv6 is; not at first."""
        return self._addresses6

    @addresses6.setter
    def addresses6(self, wanted: bool) -> None:
        self._addresses6 = wanted
        self._join()

    def _join(self) -> None:
        wanted = frozenset(IPV6_GROUPS if self._ipv6 else IPV6_GROUPS[:1] if self._addresses6 else ())
        for group in wanted ^ self._heard:
            what = ADD_MEMBERSHIP if group in wanted else DROP_MEMBERSHIP
            self._routing.setsockopt(SOL_NETLINK, what, group)
        self._heard = wanted

    def drain(self) -> bool:
        """Throw away what has been said so far; true if anything was."""
        said = [_drained(watched) for watched in self._sockets]
        return any(said)

    def _readable(self) -> None:
        if self.drain():
            self._changed()

    def close(self) -> None:
        """Stop watching."""
        for watched in self._sockets:
            asyncio.get_running_loop().remove_reader(watched)
            watched.close()


def _joined(family: int, groups: int) -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, family)
    made.bind((0, groups))
    return made


def _drained(watched: socket.socket) -> bool:
    anything = False
    while True:
        try:
            watched.recv(1 << 16)
        except BlockingIOError:
            return anything
        except OSError:  # ENOBUFS: messages were lost, which says "look again" as well
            pass
        anything = True


class DirectoryWatch:
    """Calls ``changed`` when a file in the directory was written, made, renamed or removed; maybe for another's directory.

    By dnotify (fcntl(2), ``F_NOTIFY``): an inotify instance in every agent would reach the machine's limit of 128
    (``fs.inotify.max_user_instances``) at 128 instances; a dnotify watch costs a descriptor.  They share one signal, which
    does not say whose directory it was.
    """

    _all: ClassVar[set[DirectoryWatch]] = set()

    def __init__(self, path: str, changed: Callable[[], None]) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._changed = changed
        if not self._all:
            asyncio.get_running_loop().add_signal_handler(signal.SIGIO, self._any)
        self._all.add(self)
        events = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_RENAME | fcntl.DN_DELETE | fcntl.DN_ATTRIB
        fcntl.fcntl(self._fd, fcntl.F_NOTIFY, events | fcntl.DN_MULTISHOT)

    def close(self) -> None:
        """Stop watching."""
        os.close(self._fd)
        self._all.discard(self)
        if not self._all:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGIO)

    @classmethod
    def _any(cls) -> None:
        for each in list(cls._all):
            each._changed()


class MountWatch:
    """Calls ``changed`` when a mount appears or goes, which is how named namespaces do; any mount of the machine."""

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


class NamespaceWatch:
    """Calls ``changed`` when a named namespace appears, goes, or is another one than before.

    Only then, however many mounts there are: with a container engine beside us there are many.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._mounts = MountWatch(self._mounted)
        self._known: dict[str, int | None] = {}
        self._eager = False
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, seen: Mapping[str, bool]) -> None:
        """Watch these paths; ``seen`` says of each whether there was a namespace when we looked last.

        A namespace that is missed is seen at once, one that goes within ``CALM_SECONDS``.
        """
        before, self._known = self._known, {path: inode(path) for path in seen}
        self._eager = not all(seen.values())
        self._mounts.enable(bool(seen))
        # Of a path that we have watched "seen" proves nothing: there may be a namespace that is none of ours.
        if any(
            before[path] != now if path in before else (now is not None) != seen[path]
            for path, now in self._known.items()
        ):
            self._changed()

    def close(self) -> None:
        """Stop watching."""
        self.watch({})
        if self._timer is not None:
            self._timer.cancel()

    def _mounted(self) -> None:
        if self._eager:
            self._look()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CALM_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        now = {path: inode(path) for path in self._known}
        if now != self._known:
            self._known = now
            self._changed()
