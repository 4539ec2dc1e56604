"""rtnetlink's refusals as sentences, and the small questions that all requests share."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from netnsmgr.errors import KernelError

GONE = (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO)


async def listed(what: str, dump: Awaitable[AsyncIterator[Any]]) -> list[Any]:
    with explained(f"list of {what}"):
        return [message async for message in await dump]


def index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise KernelError(f"there is no link {name}") from error


def index_or_none(name: str) -> int | None:
    with suppress(KernelError):
        return index(name)
    return None


@contextmanager
def opened(path: str) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"network namespace {path}: {error.strerror}") from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def explained(what: str, *, gone_is_fine: bool = False) -> Iterator[None]:
    """Turn the kernel's refusal into a sentence that names the object."""
    try:
        yield
    except NetlinkError as error:
        if not (gone_is_fine and error.code in GONE):
            raise KernelError(f"{what}: {os.strerror(error.code)}") from error
    except KernelError:
        if not gone_is_fine:
            raise
