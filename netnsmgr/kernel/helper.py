"""What a helper is left with between fork and exec: its capabilities, its files, and no socket to whom it has no business with.

It has its agent's user, since an agent cannot become anybody else, and inherits all that the agent has given up.  What
keeps it from its agent and from other helpers is Landlock: it signals nobody outside its own domain and looks into nobody
(ptrace(2), and with it ``/proc/<pid>/mem``, ``environ`` and ``fd``), and opens the files that are said here.  Landlock
stops no connect(2) to a socket that has a path, so that who has no use for sockets of AF_UNIX gets none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

from netnsmgr.items.process import Rights
from netnsmgr.kernel import confine, reach, syscalls

LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
COMMON = (
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm",
    "/dev/random",
    "/dev/urandom",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
    "/usr/share/zoneinfo",
)
"""What the C library, OpenSSL and the run time of Go look at; of a process of another domain ``/proc`` shows what it shows to all."""
PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin")


def confined(program: str, rights: Rights) -> Callable[[], None]:
    """Return what a helper does before it runs ``program``; raises ``KernelError`` where the kernel refuses the rules."""
    return confine.narrow(
        rights.capabilities,
        read=list(_read(program, rights)),
        write=["/dev/null", *rights.writes],
        program=b"" if rights.unix else syscalls.without_unix(),
        scoped=not rights.signals,
    )


def _read(program: str, rights: Rights) -> Iterator[str]:
    found = shutil.which(program) or program
    yield found
    yield os.path.realpath(found)
    yield from LIBRARIES
    yield from COMMON
    yield from rights.reads
    if rights.programs:
        yield from PROGRAMS
    if rights.python:
        yield from reach.directories()
