"""wireguard-go's sockets: whether it answers, and what it leaves behind when it is killed.

A process is reached by its socket (``/var/run/wireguard/<name>.sock``, wireguard-go's ``ipc``), which it makes after its
link: where somebody answers there is, or was, a link.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
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
ASKED_SECONDS = 2.0
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
APPEARED = signal.SIGRTMIN + 1


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

    async def ready(self, name: str, pid: int, number: int) -> None:
        """Wait until a process that was started answers, also the agent of the instance with this number.

        ``KernelError`` if it ends before, or takes too long.
        """
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
        if user := os.geteuid():
            _lend(self._path(name), user + 1 + number)

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
        """Have ``changed`` set when the socket may have appeared.

        By dnotify (fcntl(2), ``F_NOTIFY``), with a signal of its own: each wireguard-go needs an inotify instance, and of
        those a user has 128 on the whole machine (``fs.inotify.max_user_instances``).
        """
        if not self._awaited:
            self._watch = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            asyncio.get_running_loop().add_signal_handler(APPEARED, self._appeared)
            fcntl.fcntl(self._watch, fcntl.F_SETSIG, APPEARED)
            fcntl.fcntl(self._watch, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)
        self._awaited[name] = changed
        try:
            yield
        finally:
            del self._awaited[name]
            if not self._awaited:
                # The handler stays: without one, a signal that is late would end us.
                os.close(self._watch)

    def _appeared(self) -> None:
        for entry in os.listdir(self._directory):
            if (changed := self._awaited.get(entry.removesuffix(SUFFIX))) is not None:
                changed.set()


def _lend(path: str, user: int) -> None:
    """Let one more user connect to a socket of ours (acl(5); the form is linux/posix_acl_xattr.h's).

    Who can connect can read keys, so that nobody else may, and only an owner can say so without being root.
    """
    entries = (
        (OWNER, 6, 0xFFFFFFFF),
        (USER, 6, user),
        (GROUP, 0, 0xFFFFFFFF),
        (MASK, 6, 0xFFFFFFFF),
        (OTHER, 0, 0xFFFFFFFF),
    )
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        raise KernelError(f"{path}: no access list for user {user}: {error.strerror}") from error


async def forget_sources(name: str, peers: Collection[str]) -> None:
    """Have the interface choose anew from where it sends to these peers (public keys in hexadecimal digits).

    Their endpoints are set to what they are: with that it forgets what it has learnt of the way (wireguard-go's ``IpcSet``).
    Raises ``OSError`` or ``EOFError`` where nobody answers.
    """
    async with asyncio.timeout(ASKED_SECONDS):
        reader, writer = await asyncio.open_unix_connection(f"{DIRECTORY}/{name}{SUFFIX}")
        try:
            writer.write(b"get=1\n\n")
            said = (await reader.readuntil(b"\n\n")).decode()
            peer, wanted = "", []
            for line in said.splitlines():
                word, _, value = line.partition("=")
                if word == "public_key":
                    peer = value
                elif word == "endpoint" and peer in peers:
                    wanted.append(f"public_key={peer}\nupdate_only=true\nendpoint={value}\n")
            if wanted:
                writer.write(f"set=1\n{''.join(wanted)}\n".encode())
                await reader.readuntil(b"\n\n")
        finally:
            writer.close()
