"""How much longer things may take where the tests run, than on the machine that their limits were written for."""

from __future__ import annotations

import os

#: 1, or what tests/fullkernel sets for its virtual machine.
SLOWNESS = float(os.environ.get("NETNSMGR_TESTS_SLOWNESS", "1"))


def patient(seconds: float) -> float:
    """The limit for something that is expected to happen; never for what is expected not to."""
    return seconds * SLOWNESS
