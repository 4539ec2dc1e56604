"""The lock by which one daemon alone uses a run directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from netnsmgr.errors import NetnsmgrError


def take_lock(run_dir: Path) -> int:
    """Return a descriptor that holds the lock until it is closed; NetnsmgrError if another daemon has it."""
    fd = os.open(run_dir / "hub.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Of the kernel's, not a PID file: it goes away with the process, however that ends.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        what = f"another netnsmgr daemon uses {run_dir}; stop it, or give this one another --run-dir"
        raise NetnsmgrError(what) from None
    return fd
