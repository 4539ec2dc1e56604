"""The one limit of the machine that many instances meet: inotify instances per user, 128 as the kernel comes.

Each instance needs two: its dnsmasq's and its agent's.  The limit isn't divided by namespaces, so it is raised only
where the caller allows that, and set back at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
EACH = 2
OTHERS = 20


def affordable() -> int:
    """How many instances the limit as it is has room for."""
    return (int(LIMIT.read_text()) - OTHERS) // EACH


@contextmanager
def room_for(count: int, *, allowed: bool) -> Iterator[int]:
    """Raise the limit for the block, if it is too low and that is allowed; yields how many instances fit."""
    if count <= affordable() or not allowed:
        yield min(count, affordable())
        return
    before = LIMIT.read_text()
    LIMIT.write_text(f"{EACH * count + OTHERS}\n")
    try:
        yield count
    finally:
        LIMIT.write_text(before)
