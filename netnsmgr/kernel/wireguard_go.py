"""wireguard-go's sockets: whether it answers, and what it leaves behind when it is killed.

A process is reached by its socket (``/var/run/wireguard/<name>.sock``, wireguard-go's ``ipc``), which it makes after its
link: where somebody answers there is, or was, a link.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from netnsmgr.errors import KernelError
from netnsmgr.kernel.proc import has_ended

DIRECTORY = "/var/run/wireguard"
SUFFIX = ".sock"
READY_SECONDS = 20.0
"""How long one that was started may take: a hundred at once, on a small machine, need some."""
BOUND_SECONDS = 0.01
"""Between a socket's bind(2), which shows, and its listen(2), which does not."""
IN_CREATE = 0x100
EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class KernelWireguardGo:
    """See ``items.system.WireguardGo``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._directory = directory
        self._watch = -1
        self._awaited: dict[str, asyncio.Event] = {}

    def left(self, prefix: str, live: Collection[str]) -> Sequence[str]:
        """Return which names with this prefix have a socket at which nobody answers, beside those that are ``live``."""
        try:
            found = [
                entry.removesuffix(SUFFIX) for entry in os.listdir(self._directory) if entry.endswith(SUFFIX)
            ]
        except FileNotFoundError:
            return ()
        return [
            name for name in found if name.startswith(prefix) and name not in live and not self._answers(name)
        ]

    def remove(self, name: str) -> None:
        """Remove a socket's file if nobody answers; fine if there is none."""
        if not self._answers(name):
            with suppress(FileNotFoundError):
                os.unlink(self._path(name))

    async def ready(self, name: str, pid: int) -> None:
        """Wait until a process that was started answers; ``KernelError`` if it ends before, or takes too long."""
        # wireguard-go makes it for everybody to look into; who can connect can read keys.
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.chmod(self._directory, 0o700)
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise KernelError("wireguard-go has ended") from None
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, changed.set)
        try:
            async with asyncio.timeout(READY_SECONDS):
                with self._watching(name, changed):
                    while not self._answers(name):
                        if has_ended(pidfd):
                            raise KernelError("wireguard-go has ended")
                        changed.clear()
                        bound = os.path.exists(self._path(name))
                        with suppress(TimeoutError):
                            async with asyncio.timeout(BOUND_SECONDS if bound else None):
                                await changed.wait()
        except TimeoutError:
            raise KernelError(
                f"wireguard-go has not made {self._path(name)} in {READY_SECONDS:g} s"
            ) from None
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}{SUFFIX}"

    def _answers(self, name: str) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
            asking.setblocking(False)
            try:
                asking.connect(self._path(name))
            except BlockingIOError:
                return True  # its queue is full
            except OSError:
                return False
        return True

    @contextmanager
    def _watching(self, name: str, changed: asyncio.Event) -> Iterator[None]:
        """Have ``changed`` set when the socket appears.  All share one watch: of those a user has 128 on the whole machine
        (``fs.inotify.max_user_instances``), and each wireguard-go needs one.
        """
        loop = asyncio.get_running_loop()
        if not self._awaited:
            self._watch = _watch(self._directory)
            loop.add_reader(self._watch, self._made)
        self._awaited[name] = changed
        try:
            yield
        finally:
            del self._awaited[name]
            if not self._awaited:
                loop.remove_reader(self._watch)
                os.close(self._watch)

    def _made(self) -> None:
        data, offset = os.read(self._watch, 1 << 16), 0
        while offset < len(data):
            *_, length = EVENT.unpack_from(data, offset)
            name = (
                data[offset + EVENT.size : offset + EVENT.size + length]
                .rstrip(b"\0")
                .decode(errors="replace")
            )
            offset += EVENT.size + length
            if (changed := self._awaited.get(name.removesuffix(SUFFIX))) is not None:
                changed.set()


def _watch(directory: str) -> int:
    watch: int = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if watch < 0:
        words = os.strerror(ctypes.get_errno())
        raise KernelError(
            f"inotify: {words}; raise the machine's limit (sysctl fs.inotify.max_user_instances)"
        )
    if _libc.inotify_add_watch(watch, directory.encode(), IN_CREATE) < 0:
        words = os.strerror(ctypes.get_errno())
        os.close(watch)
        raise KernelError(f"{directory}: {words}")
    return watch
