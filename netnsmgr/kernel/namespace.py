"""Network namespaces: enter one for good, pin it under a name, unpin it, run a command in it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from netnsmgr.errors import KernelError

NETNS_DIR = "/run/netns"

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MS_REC = 16384
MS_SHARED = 1 << 20
MS_SLAVE = 1 << 19
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise KernelError(f"{what}: {os.strerror(ctypes.get_errno())}")


def pin_path(name: str) -> str:
    """Return where a named namespace is pinned, the place that ``ip netns`` knows."""
    return f"{NETNS_DIR}/{name}"


def inode(path: str = "/proc/self/ns/net") -> int | None:
    """Return a network namespace's inode (its identity), or None if ``path`` is not one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino if found.st_dev == os.stat("/proc/self/ns/net").st_dev else None


def open_own() -> int:
    """Open the namespace that this process is in, so that links can be sent there once it is in another one."""
    try:
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"/proc/self/ns/net: {error.strerror}") from error


def enter(path: str) -> None:
    """Move this process into the namespace at ``path``; before it has threads or sockets, and only once."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"network namespace {path}: {error.strerror}") from error
    try:
        _check(_libc.setns(fd, CLONE_NEWNET), f"enter network namespace {path}")
    finally:
        os.close(fd)


def create_and_enter(name: str, mark: Callable[[int], object]) -> None:
    """Make a new namespace, move this process into it and pin it under ``/run/netns/<name>``.

    ``mark`` is told the inode before the pin exists: at no moment is there a pinned namespace that is unmarked.
    """
    _share_netns_dir()
    pin = pin_path(name)
    if inode(pin) is None:
        with suppress(FileExistsError):
            os.close(os.open(pin, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    _check(_libc.unshare(CLONE_NEWNET), "make a network namespace")
    mark(os.stat("/proc/self/ns/net").st_ino)
    bind("/proc/self/ns/net", pin)


def bind(source: str, target: str) -> None:
    """Bind a namespace's file to a plain file, which keeps the namespace alive."""
    _check(_libc.mount(source.encode(), target.encode(), b"none", MS_BIND, None), f"mount {target}")


def unpin(path: str) -> None:
    """Take a namespace's name away; the kernel removes it, later, when no process is left in it."""
    while _libc.umount2(path.encode(), MNT_DETACH) == 0:
        pass
    with suppress(FileNotFoundError):
        os.unlink(path)


def _share_netns_dir() -> None:
    """Do what ``ip netns add`` does first, so that later mounts are seen in all mount namespaces."""
    Path(NETNS_DIR).mkdir(mode=0o755, parents=True, exist_ok=True)
    directory = NETNS_DIR.encode()
    if _libc.mount(b"", directory, b"none", MS_SHARED | MS_REC, None) != 0:
        _check(_libc.mount(directory, directory, b"none", MS_BIND | MS_REC, None), f"mount {NETNS_DIR}")
        _check(_libc.mount(b"", directory, b"none", MS_SHARED | MS_REC, None), f"share {NETNS_DIR}")


def die_with_parent(signum: int) -> None:
    """Have the kernel send ``signum`` when the process that forked us ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def rename_process(name: str) -> None:
    """Set what ``ps`` and ``top`` call this process; the kernel keeps 15 bytes."""
    _libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def exec_in(path: str, argv: list[str], resolv_conf: str | None = None) -> NoReturn:
    """Replace this process by a command that runs in the namespace at ``path``.

    With ``resolv_conf`` the command sees that file as ``/etc/resolv.conf``, so that names resolve as they do for
    the instance's applications.  Raises ``KernelError`` when the namespace or the command is missing.
    """
    enter(path)
    if resolv_conf and os.path.exists(resolv_conf) and os.path.exists("/etc/resolv.conf"):
        _check(_libc.unshare(CLONE_NEWNS), "make a mount namespace")
        _check(_libc.mount(b"", b"/", b"none", MS_SLAVE | MS_REC, None), "mount /")
        bind(resolv_conf, os.path.realpath("/etc/resolv.conf"))
    try:
        os.execvp(argv[0], argv)  # noqa: S606  the user's own command
    except OSError as error:
        raise KernelError(f"{argv[0]}: {error.strerror}") from error
