"""Who an agent's helpers run as."""

from __future__ import annotations

import grp
import os
import pwd

from netnsmgr.kernel.proc import HELPER_USERS


def helper_user() -> str:
    """Return the user that helpers change to: the first of ``HELPER_USERS`` that exists, else root.

    In a user namespace with one mapped user there is nobody to change to.
    """
    if os.geteuid() != 0:
        return "root"  # whoever we are: helpers stay that
    with open("/proc/self/uid_map", encoding="ascii") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    if mapped < 65536:
        return "root"
    for name in HELPER_USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return "root"


def helper_group(user: str) -> str:
    """Return the name of the group that a user of helpers is in."""
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
