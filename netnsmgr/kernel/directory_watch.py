"""Files that change without a message of the kernel's: helpers' configuration, and kernel parameters (``/proc/sys/net``).

Facts: inotify(7).  A write to a parameter is one to a file, so that it is heard of like any other; not where somebody
writes by another mount of proc (in a container that shares the network): for those one has to look now and then.  The
directory stays open: a parameter's directory has another inode when the kernel has forgotten its name meanwhile
(``proc_sys_lookup``), and then nothing would be heard any more.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Collection
from contextlib import suppress

IN_MODIFY, IN_ATTRIB, IN_MOVED, IN_CREATE, IN_DELETE = 0x2, 0x4, 0xC0, 0x100, 0x200
IN_ONLYDIR = 0x01000000

# Two calls of the C library, no package: those there are add threads or an event loop of their own.
_libc = ctypes.CDLL(None, use_errno=True)


class FilesWatch:
    """Calls ``changed`` when a file in one of the directories was written, made, renamed or removed.

    Where there may be no more inotify instances (``fs.inotify.max_user_instances``) nothing is ever heard.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._open: dict[str, tuple[int, int]] = {}
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._readable)

    @property
    def hears(self) -> bool:
        """Whether anything is heard at all."""
        return self._fd >= 0

    def watch(self, paths: Collection[str]) -> None:
        """Watch these directories, and no others; one that has gone and come back is another."""
        if not self.hears:
            return
        for path in self._open.keys() - set(paths):
            self._forget(path)
        for path in paths:
            known = self._open.get(path)
            try:
                if known is not None and os.stat(path).st_ino == os.fstat(known[0]).st_ino:
                    continue
            except OSError:
                self._forget(path)
                continue
            self._forget(path)
            self._add(path)

    def _add(self, path: str) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        mask = IN_MODIFY | IN_ATTRIB | IN_MOVED | IN_CREATE | IN_DELETE | IN_ONLYDIR
        watched = _libc.inotify_add_watch(self._fd, path.encode(), mask)
        if watched < 0:
            os.close(fd)
        else:
            self._open[path] = fd, watched

    def _forget(self, path: str) -> None:
        if (known := self._open.pop(path, None)) is not None:
            _libc.inotify_rm_watch(self._fd, known[1])  # fails where the directory has gone
            os.close(known[0])

    def drain(self) -> bool:
        """Throw away what has been said so far; true if anything was."""
        said = False
        with suppress(BlockingIOError):
            while self.hears and os.read(self._fd, 1 << 16):
                said = True
        return said

    def _readable(self) -> None:
        if self.drain():
            self._changed()

    def close(self) -> None:
        """Stop watching."""
        for path in list(self._open):
            self._forget(path)
        if self.hears:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
