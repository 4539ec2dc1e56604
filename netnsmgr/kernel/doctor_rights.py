"""What the doctor says of agents' rights: which of their bounds this machine can keep.  Nothing works worse without."""

from __future__ import annotations

import os
from collections.abc import Iterator

from netnsmgr.errors import KernelError
from netnsmgr.kernel import landlock, reach, syscalls
from netnsmgr.kernel.confine import USERS, has_user


def bounds(users: int = USERS) -> Iterator[tuple[str, bool, str, str, str]]:
    """Yield of each bound: its name, whether there is it, a detail, what is lost without, how to get it."""
    there = has_user(users)
    yield (
        "users for agents",
        there,
        f"{users} and above" if there else f"{users} means nobody here",
        "agents and their helpers stay root, without root's rights: files are no bound between instances",
        "run it outside of a user namespace, or map these users into it",
    )
    found = ""
    try:
        reach.readable()
    except KernelError as error:
        found = str(error)
    yield (
        "code for agents",
        not found,
        found or os.path.dirname(reach.__file__),
        "agents and their helpers stay root, without root's rights",
        "let others read the package: chmod -R go+rX",
    )
    filtered = bool(syscalls.program())
    yield (
        "system call filter",
        filtered,
        f"{len(syscalls.REFUSED)} and those with conditions" if filtered else "libseccomp.so.2 is not there",
        "agents and helpers may ask the kernel for more than they use",
        "apt install libseccomp2",
    )
    version = landlock.abi()
    yield (
        "Landlock",
        version > 0,
        f"version {version} of its interface" if version else "not in this kernel, or turned off",
        "helpers can read their own instance's other files, and what all may read",
        "a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm= of its command line",
    )
