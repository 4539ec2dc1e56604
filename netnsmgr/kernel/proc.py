"""Processes as /proc shows them: which of them are helpers of ours."""

from __future__ import annotations

import os
import pwd
import re
import select
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

FORMER_USERS = ("root", "dnsmasq", "nobody")
"""Who the helpers of versions were that had them change users."""


def pattern_of(etc: str, inode: int) -> re.Pattern[str]:
    """Return what is found in the vectors of a namespace's helpers, with their names."""
    # A helper may be named after a link, which may have dots ("eth0.100").
    return re.compile(rf"{re.escape(etc)}/([^/]+)\.{inode}\.")


def named(argv: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    """Return the name of the helper that has this vector; None of a process that is none of ours."""
    return next((match.group(1) for argument in argv if (match := pattern.search(argument))), None)


def former_users() -> set[int]:
    """Return the numbers of ``FORMER_USERS``."""
    found = set()
    for account in FORMER_USERS:
        with suppress(KeyError):
            found.add(pwd.getpwnam(account).pw_uid)
    return found


def helpers(pattern: re.Pattern[str], users: Collection[int]) -> Iterator[tuple[int, str]]:
    """Yield processes of these users with such a vector, and their names; none that is in a container."""
    _, depth = status(os.getpid())
    for entry in os.listdir("/proc"):
        name = named(argv_of(int(entry)) or (), pattern) if entry.isdigit() else None
        if name is not None:
            with suppress(FileNotFoundError, ProcessLookupError):
                user, levels = status(int(entry))
                if user in users and levels == depth:
                    yield int(entry), name


def status(pid: int) -> tuple[int, int]:
    """Return the user of a process, and how many process-id namespaces it is in, seen from ours."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        fields = {name: words.split() for name, _, words in (line.partition(":") for line in file)}
    return int(fields["Uid"][0]), len(fields.get("NSpid", ()))  # none without CONFIG_PID_NS


def has_ended(pidfd: int) -> bool:
    """Say whether a process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def argv_of(pid: int) -> tuple[str, ...] | None:
    """Return a process's vector; empty while it starts or is not waited for, None where there is none to see."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            raw = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # gone, or hidden from us (hidepid=1) and so none of ours
    # Empty: it has ended but was not waited for, or its program is being started this moment.
    return tuple(part.decode(errors="replace") for part in raw.rstrip(b"\0").split(b"\0")) if raw else None


def parent(pid: int) -> int | None:
    """Return the process that a process is a child of."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name in parentheses may hold anything, also spaces and parentheses.
            return int(file.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
