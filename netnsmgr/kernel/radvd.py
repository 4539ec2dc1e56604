"""What the installed radvd can."""

from __future__ import annotations

import re
import subprocess
from functools import cache

PREF64_SINCE = (2, 20)
"""The version that learnt ``nat64prefix`` (RFC 8781); older ones take the word for a syntax error."""


@cache
def knows_pref64() -> bool:
    """Say whether radvd can advertise the prefix of NAT64; asked once, and only where there is one."""
    try:
        done = subprocess.run(["radvd", "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return is_recent(done.stdout + done.stderr)


def is_recent(text: str) -> bool:
    """Say whether what ``radvd --version`` says is of a version that has it."""
    found = re.search(r"Version: (\d+)\.(\d+)", text)
    return found is not None and (int(found[1]), int(found[2])) >= PREF64_SINCE
