"""Python for users who have no way to it: below a directory that only its owner can search."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import netnsmgr

pytestmark = pytest.mark.root

PROGRAM = """
import os, sys
from netnsmgr.errors import KernelError
from netnsmgr.kernel import confine, reach
import structlog
try:
    reach.furnish(sys.argv[1])
except KernelError as error:
    sys.exit(f"refused: {error}")
reach.hold()
confine.become(1_900_012_345)
reach.import_by_descriptors()
assert "wave" not in sys.modules and "netnsmgr.core.dot" not in sys.modules
import wave, netnsmgr.core.dot  # late, as agents do it
asks = "import netnsmgr.core.ip, structlog, sys; print(netnsmgr.__file__, sys.flags.isolated, *sys.path)"
os.execv(reach.python(), [reach.python(), "-I", "-c", asks])
"""


def run(place: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    """As the daemon does it; where it was started is no place for code."""
    place.mkdir(parents=True)
    for each in (place, *place.parents):
        if each.owner() == "root" and str(each).startswith("/tmp/"):
            each.chmod(0o711)
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", PROGRAM, str(place)]
    return subprocess.run(command, env=env, cwd="/", check=False, capture_output=True, text=True)


def test_a_checkout_that_only_root_can_enter(tmp_path: Path) -> None:
    """Agents import from it, and helpers run, as a user who has no way to it; also where ``mktemp -d`` is its root."""
    checkout = tmp_path / "private"
    checkout.mkdir(mode=0o700)
    (checkout / "netnsmgr").symlink_to(os.path.dirname(netnsmgr.__file__))
    place = tmp_path / "run"
    done = run(place, checkout)
    assert done.returncode == 0, done.stderr
    file, isolated, *path = done.stdout.split()
    assert file == f"{place}/python/package/netnsmgr/__init__.py"
    assert isolated == "1"
    assert not {"/", str(checkout), ""} & set(path)


def test_a_checkout_that_only_root_can_read(tmp_path: Path) -> None:
    """No way to it helps: it is said, and agents stay root."""
    checkout = tmp_path / "private"
    (checkout / "netnsmgr").mkdir(parents=True)
    for each in Path(netnsmgr.__file__).parent.iterdir():
        (checkout / "netnsmgr" / each.name).symlink_to(each)
    (checkout / "netnsmgr").chmod(0o700)
    done = run(tmp_path / "run", checkout)
    assert f"refused: {checkout}/netnsmgr can be read by its owner alone" in done.stderr
