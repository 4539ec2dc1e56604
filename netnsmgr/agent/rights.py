"""What an agent gives up before it works: another user, three capabilities, few system calls, files of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import NamedTuple

from netnsmgr.kernel import confine, landlock, namespace, places, reach, syscalls

DATA = {"boot", "home", "lost+found", "media", "mnt", "persist", "root", "srv", "tmp", "var"}
"""Directories of the machine's root in which nothing is that agents or their helpers run or read."""
SHARED = ("/dev", "/proc", places.WIREGUARD, *places.DHCPCD)
"""Where agents write beside their own: devices that all may use, parameters of the namespace, and what is lent to helpers."""


class Person(NamedTuple):
    """Whom an agent becomes; ``user`` is None where it stays root."""

    user: int | None


def give_up(person: Person, own: Iterable[str], parent: int) -> None:
    """Keep what an agent needs, for good; ``own`` are its directories.

    Ends the process if ``parent`` has ended meanwhile: the change of user forgets that we die with it.
    """
    program = syscalls.program()
    rules = landlock.ruleset(_system(), [*SHARED, *own])
    confine.become(person.user)
    namespace.die_with_parent(signal.SIGKILL)
    if parent not in (0, os.getppid()):
        raise SystemExit(1)
    confine.seal(program)
    rules.restrict()
    rules.close()
    reach.import_by_descriptors()


def _system() -> list[str]:
    return [f"/{name}" for name in os.listdir("/") if name not in DATA] + reach.directories()
