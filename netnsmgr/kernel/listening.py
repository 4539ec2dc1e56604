"""Sockets that are made for helpers, and that one more user may connect to."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from netnsmgr.errors import KernelError
from netnsmgr.items.process import Listens

BACKLOG = 16
VERSION = 2
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NOBODY = 0xFFFFFFFF


@contextmanager
def listening(wanted: Listens) -> Iterator[int]:
    """Make the socket, and yield its descriptor while a helper is started; raises ``KernelError``.

    By us and not by the helper: whoever can connect to wireguard-go can read keys, and wireguard-go ends when somebody
    changes who may (its watch for IN_ATTRIB), so that it has to be said before.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as made:
        try:
            with suppress(FileNotFoundError):
                os.unlink(wanted.path)  # of one that was killed
            before = os.umask(0o177)
            try:
                made.bind(wanted.path)
            finally:
                os.umask(before)
            if own := os.geteuid():  # else all agents are the same user
                _lend(wanted.path, own + 1 + wanted.number)
            made.listen(BACKLOG)
        except OSError as error:
            raise KernelError(f"{wanted.path}: {error.strerror}") from error
        yield made.fileno()


def _lend(path: str, user: int) -> None:
    """Let one more user read and write (acl(5), linux/posix_acl_xattr.h): an owner can say that without being root."""
    entries = ((OWNER, 6, NOBODY), (USER, 6, user), (GROUP, 0, NOBODY), (MASK, 6, NOBODY), (OTHER, 0, NOBODY))
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", VERSION) + packed)
