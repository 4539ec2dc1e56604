"""The filter of system calls that agents and their helpers live with: what none of them has a use for fails with EPERM.

A list of what is refused, not of what is allowed: it has to hold for Python, strongSwan and Go's run time of the next
release, too.  Each entry either leads out of the namespaces, into another process, or to a large part of the kernel.
Made by libseccomp, which knows the numbers of each architecture; compiled once, by the fork server, and then plain bytes.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
from typing import Any

REFUSED = (
    # Into other namespaces, and other views of the file system.
    "setns",
    "unshare",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "open_by_handle_at",
    # Into other processes.
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "kcmp",
    "process_madvise",
    "migrate_pages",
    "move_pages",
    # The kernel and the machine as a whole.
    "bpf",
    "perf_event_open",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vhangup",
    "nfsservctl",
    "lookup_dcookie",
    "uselib",
    "_sysctl",
    "fanotify_init",
    # Large parts of the kernel that nobody here needs.
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
)
NAMESPACES = 0x7E020080
"""CLONE_NEW* of linux/sched.h: time, mount, cgroup, uts, ipc, user, pid and network."""
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Into the terminal that somebody started the daemon from."""
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET)


@functools.cache
def program() -> bytes:
    """Return the filter as the kernel takes it (``struct sock_filter``s); empty where libseccomp is missing."""
    try:
        import pyseccomp  # loads libseccomp.so.2; RuntimeError without it
    except (ImportError, RuntimeError, OSError):
        return b""
    refuse = pyseccomp.ERRNO(errno.EPERM)
    made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        if number != -1:  # __NR_SCMP_ERROR: an older libseccomp does not know it
            made.add_rule(refuse, number)
    for bit in range(32):
        if NAMESPACES >> bit & 1:
            made.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 1 << bit, 1 << bit))
    # Its flags are in memory, where no filter can look: the C library takes clone(2) where there is no clone3.
    made.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for request in (TIOCSTI, TIOCLINUX):
        made.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, request))
    # Compared as the kernel reads it, an int: the upper half of the register is nobody's.
    for family in set(range(max(FAMILIES) + 1)) - set(FAMILIES):
        made.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 0xFFFFFFFF, family))
    made.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.GT, max(FAMILIES)))
    return _bytes(made)


@functools.cache
def without_unix() -> bytes:
    """Return a filter that refuses sockets of AF_UNIX as a kernel without them would; a pair of them stays possible."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError):
        return b""
    made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    unix = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 0xFFFFFFFF, socket.AF_UNIX)
    made.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", unix)
    return _bytes(made)


def _bytes(made: Any) -> bytes:
    with open(os.memfd_create("filter"), "r+b") as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()
