"""Supervisors of the device: the public client from outside, zedbox_mock as a program inside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from netnsmgr.client import Client
from tests.lab.lab import ROOT, Lab
from tests.lab.process import Process
from tests.scenarios.world import World


def client(w: World, name: str = "zedagent") -> Client:
    """A client of the daemon in the lab."""
    return Client(name, w.lab.path("/run/netnsmgr"))


def revision(w: World) -> int:
    """The number of transactions that changed anything."""
    rows: dict[str, int] = w.client.call("revisions")
    return max(rows.values())


def mock(lab: Lab, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """``python -m zedbox_mock`` in the device, to its end."""
    return lab.device.run(_argv(arguments), env={"PYTHONPATH": str(ROOT)}, check=False, timeout=timeout)


def running(lab: Lab, *arguments: str) -> Process:
    """The same while it goes on."""
    return lab.device.popen(_argv(arguments), env={"PYTHONPATH": str(ROOT)})


def _argv(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "zedbox_mock", *arguments]


def files(lab: Lab, **texts: str) -> Path:
    """A directory in the lab's /run with these files ``NAME.yaml``; where it is reached from outside."""
    place = lab.path("/run/zedbox")
    place.mkdir(exist_ok=True)
    for name, text in texts.items():
        (place / f"{name}.yaml").write_text(text)
    return place
