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


def test_publishes(machine: Machine, straw: Straw) -> None:
    """It puts the documents as its own, waits until they are true, and deletes what is not among them any more."""
    done = zedbox(machine, "publish", "--wait", "5", machine.file(SITE))
    assert (done.returncode, done.stdout) == (0, "published 3 objects, revision 1\nready\n"), done.stderr
    assert set(straw.hub.rows(tables.APP_CONFIG)) == {"app1"}
    shorter = machine.file(SITE[: SITE.rindex("---")], "shorter.yaml")
    done = zedbox(machine, "publish", "--wait", "5", shorter)
    assert done.stdout == "published 2 objects, revision 2, deleted app/app1\nready\n", done.stderr
    assert not straw.hub.rows(tables.APP_CONFIG)
    zedbox(machine, "publish", machine.file(SITE))
    refused = machine.run("delete", "app", "app1")
    assert refused.exit_code == 2
    assert "zedbox" in refused.stderr


def test_exit_codes(machine: Machine) -> None:
    """Input errors and an absent daemon are told apart, as by netnsmgr itself."""
    assert zedbox(machine, "publish", machine.file(SITE)).returncode == 3
    broken = zedbox(machine, "publish", machine.file("kind: [\n"))
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
