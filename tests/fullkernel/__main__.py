"""``python -m tests.fullkernel [pytest's arguments]``: what is marked ``fullkernel`` or ``bothkernels``, on Debian's kernel.

Without arguments all of it; with a file, ``-k`` and the like, what they choose.  ``--command 'ip link; …'`` runs that
instead, in bash.  What stays of it is in build/fullkernel: junit.xml, dmesg, the folders of tests that failed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fullkernel.lacking import Lacking
from tests.fullkernel.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "fullkernel"
NOTHING_CHOSEN = 5
#: Longer than the commands of tests may take in there; a test that hangs is ended with all.
TIMEOUT = 1500.0
#: How much longer the tests' own limits are in there.
SLOWNESS = 10
#: Options of pytest that mean the same once the tests are chosen.
PASSED_ON = ("-x", "-s", "-v", "-l", "--maxfail", "--tb", "--durations")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fullkernel", description=__doc__)
    parser.add_argument(
        "--where-possible", action="store_true", help="success where no virtual machine can run"
    )
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, help="seconds for everything (default: %(default)s)"
    )
    parser.add_argument("--memory", type=int, default=2048, help="MiB (default: %(default)s)")
    parser.add_argument("--command", help="run this in bash instead of tests")
    options, arguments = parser.parse_known_args()
    try:
        machine = Machine.found(options.timeout, options.memory)
        shutil.rmtree(OUT, ignore_errors=True)
        (OUT / "tmp").mkdir(parents=True)
        if options.command is not None:
            return machine.run(["bash", "-c", options.command], Path.cwd(), OUT)
        chosen = collect(arguments)
        passed = [one for one in arguments if one.startswith(PASSED_ON)]
        if not chosen:
            print("full kernel: no test for it among those chosen")
            return 0
        return machine.run(test_command(chosen, passed), ROOT, OUT)
    except Lacking as lacking:
        print(f"full kernel: SKIPPED, its tests did not run: {lacking}", flush=True)
        return 0 if options.where_possible else 1


def test_command(chosen: Sequence[str], options: Sequence[str]) -> list[str]:
    """pytest inside.  Folders of tests that failed come back, but for what is no file in them (sockets)."""
    pytest = [sys.executable, "-m", "pytest", "--fullkernel", "-p", "no:cacheprovider"]
    reports = [
        "--junitxml=/run/out/junit.xml",
        "--basetemp=/tmp/pytest",
        "-o",
        "tmp_path_retention_policy=failed",
    ]
    settings = f"export PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 NETNSMGR_TESTS_SLOWNESS={SLOWNESS}"
    run = shlex.join([*pytest, *reports, *options, *chosen])
    keep = "cp -r --no-preserve=all /tmp/pytest/. /run/out/tmp 2>/dev/null"
    return ["bash", "-c", f"{settings}; {run}; code=$?; {keep}; exit $code"]


def collect(arguments: Sequence[str]) -> list[str]:
    """Names of the tests, found out here: to read all test files inside would take minutes."""
    argv = [sys.executable, "-m", "pytest", "--fullkernel", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [*argv, *arguments], check=False, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    if done.returncode not in {0, NOTHING_CHOSEN}:
        sys.exit(done.stdout + done.stderr)
    return names(done.stdout)


def names(listing: str) -> list[str]:
    return [line for line in listing.splitlines() if "::" in line]


if __name__ == "__main__":
    sys.exit(main())
