"""The stand-in for the edge supervisor, against the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from netnsmgr.pubsub import tables
from tests.unit.cli.straw import SITE, Machine, Straw

ROOT = Path(__file__).parents[3]


def zedbox(machine: Machine, *args: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    argv = [sys.executable, "-m", "zedbox_mock", "--run-dir", str(machine.run_dir), *args]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=environment)


def test_publishes_and_prints(machine: Machine, straw: Straw) -> None:
    """It puts the documents as its own and prints the statuses that come back."""
    done = zedbox(machine, "--for", "0.5", machine.file(SITE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("published 3 objects as revision 1\n")
    assert "NetworkInstanceStatus ni1: ready" in done.stdout
    assert set(straw.hub.rows(tables.APP_CONFIG)) == {"app1"}
    refused = machine.run("delete", "app", "app1")
    assert refused.exit_code == 2
    assert "zedbox" in refused.stderr


def test_exit_codes(machine: Machine) -> None:
    """Input errors and an absent daemon are told apart, as by netnsmgr itself."""
    assert zedbox(machine, machine.file(SITE)).returncode == 3
    broken = zedbox(machine, machine.file("kind: [\n"))
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
