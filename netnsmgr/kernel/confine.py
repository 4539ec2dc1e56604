"""What a process may still do: its user, its capabilities, the system calls and the files that it gives up for good.

An agent confines itself once, by ``become`` and ``seal``, after it has entered its namespace.  Its helpers inherit user,
filter, ``no_new_privs`` and Landlock rules, and lose further capabilities and files between fork and exec (``narrow``).

Facts: capabilities(7), seccomp(2), landlock(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from netnsmgr.errors import KernelError
from netnsmgr.kernel import landlock

USERS = 1_900_000_000
"""User and group of the uplink agent, unless the daemon is told another; instance ``n``'s are this + n + 1.

Above what distributions, systemd and container engines hand out (systemd's UIDS-GIDS.md: up to 1,879,048,191)."""
CAPABILITIES = {"CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
AGENT = ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE")
"""What an agent holds: links, routes, nftables and sysctls of its namespace; packets as they are; ports below 1024."""

PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 4, 8, 22, 24, 28
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
SECCOMP_MODE_FILTER = 2
# SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP and their locks: user 0 is nobody special, also where there is no other.
SECUREBITS = 0b1111
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _check(result: int, what: str) -> None:
    if result != 0:
        raise KernelError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, *arguments: int) -> int:
    # Of the C type that the kernel reads: ctypes passes plain integers as int, and prctl refuses rubbish above it.
    four = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return int(_libc.prctl(option, *four))


def has_user(uid: int) -> bool:
    """Say whether processes here can have this user and group: in a user namespace most numbers mean nobody."""
    return all(_maps(Path(f"/proc/self/{kind}_map"), uid) for kind in ("uid", "gid"))


def _maps(path: Path, number: int) -> bool:
    lines = path.read_bytes().splitlines()
    ranges = [(int(first), int(count)) for first, _, count in (line.split() for line in lines)]
    return any(first <= number < first + count for first, count in ranges)


def become(uid: int | None, keep: Iterable[str] = AGENT) -> None:
    """Change to a user (and the group of the same number) and hold only ``keep``: permitted, effective, inheritable.

    None stays who it is, and is root without root's rights all the same.  Nothing of it is ambient: a program that is
    started without ``narrow`` holds nothing.  Clears PR_SET_PDEATHSIG (the kernel does, with each change of user).
    """
    kept = [CAPABILITIES[name] for name in keep]
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_bytes())
    _check(_prctl(PR_SET_KEEPCAPS, 1), "prctl(PR_SET_KEEPCAPS)")
    if uid is not None:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            raise KernelError(f"become user {uid}: {error.strerror}") from error
    # The change of user has taken everything out of the effective set; SETPCAP is what the next steps need.
    _set_capabilities([*kept, CAPABILITIES["CAP_SETPCAP"]])
    for number in range(last + 1):
        if number not in kept:
            # Fails for a capability that is not in the set to begin with, which is as good.
            _prctl(PR_CAPBSET_DROP, number)
    _check(_prctl(PR_SET_SECUREBITS, SECUREBITS), "prctl(PR_SET_SECUREBITS)")
    _set_capabilities(kept)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def _set_capabilities(numbers: Iterable[int]) -> None:
    mask = sum(1 << number for number in numbers)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(*(3 * [mask & 0xFFFFFFFF]), *(3 * [mask >> 32]))
    _check(_libc.capset(header, data), "capset")


def seal(program: bytes) -> None:
    """Give up what a program file or a system call could give back; ``program`` is of ``kernel/syscalls``.

    For this process and all that it starts: set-user-id bits and file capabilities count no more, others of the same
    user cannot look into it, and the filter's system calls fail with EPERM.  An empty program filters nothing.
    """
    _check(_prctl(PR_SET_NO_NEW_PRIVS, 1), "prctl(PR_SET_NO_NEW_PRIVS)")
    _check(_prctl(PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE)")
    _filter(program)


def _filter(program: bytes) -> None:
    if program:
        code = ctypes.create_string_buffer(program, len(program))
        whole = _Program(len(program) // 8, ctypes.addressof(code))
        _check(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(whole), 0, 0), "seccomp")


def keep_only(*names: str) -> None:
    """Hold only these capabilities from now on: of a program that needs others at its start."""
    _set_capabilities(CAPABILITIES[name] for name in names)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def narrow(
    keep: Iterable[str] = (),
    *,
    read: Iterable[str] | None = None,
    write: Iterable[str] = (),
    program: bytes = b"",
    scoped: bool = True,
) -> Callable[[], None]:
    """Return what a helper does between fork and exec (``preexec_fn``): to hold only ``keep``, see only those files.

    ``read`` and ``write`` are what Landlock leaves it, with all below them (None: no rules of its own); paths that do
    not exist are passed over, and what has such rules and is ``scoped`` signals nobody else.  ``program`` is one more filter of system calls.
    Everything is worked out here, before the fork; in the child there are system calls only.
    """
    kept = [CAPABILITIES[name] for name in keep]
    rules = None if read is None else landlock.ruleset(read, write, scoped=scoped)

    def confine() -> None:
        # Agents have done so; without, exec would give user 0 everything again.
        _prctl(PR_SET_SECUREBITS, SECUREBITS)
        _set_capabilities(kept)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
        for number in kept:
            _check(_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number), "prctl(PR_CAP_AMBIENT)")
        _check(_prctl(PR_SET_NO_NEW_PRIVS, 1), "prctl(PR_SET_NO_NEW_PRIVS)")
        if rules is not None:
            rules.restrict()
        _filter(program)

    return confine
