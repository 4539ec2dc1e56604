"""wireguard-go's sockets: whether it answers, and what it leaves behind when it is killed.

A process is reached by its socket (``/var/run/wireguard/<name>.sock``, wireguard-go's ``ipc``), which is made for it; it
answers there when it has its link.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress

from netnsmgr.errors import KernelError

DIRECTORY = "/var/run/wireguard"
SUFFIX = ".sock"
READY_SECONDS = 20.0
"""How long one that was started may take: a hundred at once, on a small machine, need some."""
ASKED_SECONDS = 2.0


class KernelWireguardGo:
    """See ``items.system.WireguardGo``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._directory = directory

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

    async def ready(self, name: str) -> None:
        """Wait until a process that was started answers; ``KernelError`` if it ends before, or takes too long.

        Its socket is there before it is, so that it is asked something: to change nothing.
        """
        try:
            async with asyncio.timeout(READY_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path(name))
                try:
                    writer.write(b"set=1\n\n")
                    await reader.readuntil(b"\n\n")
                finally:
                    writer.close()
        except TimeoutError:
            raise KernelError(f"wireguard-go has not answered in {READY_SECONDS:g} s") from None
        except (OSError, EOFError):
            raise KernelError("wireguard-go has ended") from None

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
