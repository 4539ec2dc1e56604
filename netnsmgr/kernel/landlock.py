"""Landlock: the files that a process can still open, as it says itself; the kernel keeps it to that.

Three system calls, by ctypes: the packages for it are either of a development release that takes an old errno for a new
error (landlock 1.0.0.dev5), or need a compiler.  Facts: landlock(7), linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

from netnsmgr.errors import KernelError

# The same numbers on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14
SCOPED = 0b11
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL: neither reaches out of the domain (since version 6)."""

READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
"""Rights that make sense for a file; the kernel refuses a rule about a file with others (EINVAL)."""

_libc = ctypes.CDLL(None, use_errno=True)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _syscall(number: int, *arguments: object) -> int:
    return int(_libc.syscall(ctypes.c_long(number), *arguments))


def abi() -> int:
    """Return which version of Landlock the kernel has (Debian 12: 2); 0 for none, or where it is turned off."""
    version = ctypes.c_uint32(CREATE_RULESET_VERSION)
    return max(0, _syscall(CREATE_RULESET, None, ctypes.c_size_t(0), version))


class Ruleset:
    """Rules that are ready to be taken on; owns a descriptor until ``close``, none where there is no Landlock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def restrict(self) -> None:
        """Take the rules on, for this process and all that it starts, beside those that it has; needs no_new_privs."""
        if self._descriptor < 0:
            return
        if _syscall(RESTRICT_SELF, ctypes.c_int(self._descriptor), ctypes.c_uint32(0)) != 0:
            raise KernelError(f"landlock: {os.strerror(ctypes.get_errno())}")

    def close(self) -> None:
        """Give the descriptor back; in the parent of who took the rules on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


def ruleset(read: Iterable[str], write: Iterable[str], *, scoped: bool = False) -> Ruleset:
    """Return rules that leave only ``read`` (also to run) and ``write``, each with all below it; absent paths are none.

    ``scoped``: signals, and abstract sockets, reach only what has the same rules.  Not for who ends helpers that somebody
    before him has started.
    Ends of namespaces (``/run/netns``) and sockets are beyond Landlock: who may open those is a matter of users.
    """
    version = abi()
    if version == 0:
        return Ruleset(-1)
    every = READ | WRITE_FILE | REMOVE_AND_MAKE
    every |= REFER if version >= 2 else 0
    every |= TRUNCATE if version >= 3 else 0
    # struct landlock_ruleset_attr: files, the network (which is nobody's affair here), scopes.  An older one ends earlier.
    handled = (ctypes.c_uint64 * 3)(every, 0, SCOPED if scoped else 0)
    size = ctypes.c_size_t(24 if version >= 6 else 8)
    descriptor = _syscall(CREATE_RULESET, ctypes.byref(handled), size, ctypes.c_uint32(0))
    if descriptor < 0:
        raise KernelError(f"landlock: {os.strerror(ctypes.get_errno())}")
    rules = Ruleset(descriptor)
    os.set_inheritable(descriptor, False)
    for rights, paths in ((READ, read), (every, write)):
        for path in paths:
            _allow(descriptor, path, rights)
    return rules


def _allow(descriptor: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= OF_FILES
        beneath = _PathBeneath(rights, parent)
        what = ctypes.c_int(descriptor), ctypes.c_int(RULE_PATH_BENEATH), ctypes.byref(beneath)
        if _syscall(ADD_RULE, *what, ctypes.c_uint32(0)) != 0:
            raise KernelError(f"landlock: {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(parent)
