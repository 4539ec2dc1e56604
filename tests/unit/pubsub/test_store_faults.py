"""Each system call of what writes the state directory is the last one, fails, or is followed by a power failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.calls import BY_NUMBER
from tests.faults.cases import CASES
from tests.lab.patience import patient


@pytest.mark.skipif(not BY_NUMBER, reason="nobody has looked up the numbers of this machine's system calls")
def test_old_or_new() -> None:
    """Afterwards the old or the new is there, never a third; what was acknowledged is there; it can go on.

    ``make faults`` tries more: power failures after errors.
    """
    result = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--short"],
        capture_output=True,
        text=True,
        timeout=patient(200),
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == len(CASES) + 2, result.stdout
    _, calls, killed, errors, cuts, _ = lines[-1].rsplit(maxsplit=5)
    # Fewer would mean that somebody's system calls are not seen any more.
    assert (int(calls) > 300, int(killed) > 100, int(errors) > 300, int(cuts) > 50) == (True,) * 4, (
        result.stdout
    )
