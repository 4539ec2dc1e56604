"""What ``apply`` has imported when its first request leaves: start-up time, asserted by what costs it."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.unit.cli.straw import SITE, Machine, Straw

PROBE = """
import json, sys
from netnsmgr.pubsub import peer

def first(self, frames):
    print(json.dumps(sorted(sys.modules)))
    sys.stdout.flush()
    import os
    os._exit(0)

peer.Client._send = first
from netnsmgr.cli.main import main
main()
"""

HEAVY = {
    "pydantic",
    "structlog",
    "pyroute2",
    "rich",
    "asyncio",
    "logging",
    "nftables",
    "subprocess",
}
"""Between 5 and 60 ms each, and none of them is needed to send a file."""


def test_apply_imports_little(machine: Machine, straw: Straw) -> None:
    """Before the first request is on the socket, nothing heavy has been imported."""
    args = ["--run-dir", str(machine.run_dir), "apply", machine.file(SITE)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *args], capture_output=True, text=True, check=True, timeout=30
    )
    loaded = set(json.loads(done.stdout))
    assert {"zmq", "yaml", "click"} <= loaded
    assert not loaded & HEAVY


def test_help_imports_no_command() -> None:
    """The overview is printed without importing a command."""
    code = "import sys; from netnsmgr.cli.main import cli; cli(['--help'], standalone_mode=True)"
    probe = f"try:\n  {code}\nfinally:\n  print(sorted(m for m in sys.modules if m.startswith('netnsmgr.')))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=30
    )
    last = done.stdout.splitlines()[-1]
    assert last == str(
        ["netnsmgr.cli", "netnsmgr.cli.main", "netnsmgr.cli.output", "netnsmgr.cli.place", "netnsmgr.errors"]
    )
