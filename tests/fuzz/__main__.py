"""``make fuzz``: each target of `targets` for some seconds, led by what it reaches (atheris, which is libFuzzer for Python).

``python -m tests.fuzz [--seconds S] [TARGET …]``.  A target that fails is told with the input that did it, kept in
``build/fuzz/TARGET/``; what was found to reach something new is kept in ``build/fuzz/TARGET/corpus/`` for the next run.
Where atheris is not installed it says so and does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.rooms import ROOT

BUILD = ROOT / "build" / "fuzz"
INSTALL = f"pip install -c {ROOT}/constraints.txt 'netnsmgr[fuzz]'"
LACKING = (
    f"make fuzz: nothing was done: the package atheris is not installed here; where its wheels fit: {INSTALL}"
)
MEMORY, LENGTH, ONE = 1024, 4096, 20
"""Mebibytes of a process, bytes of an input, seconds for one input; what is beyond is a fault."""


def main() -> int:
    """Run the targets one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each target (20)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    asked = parser.parse_args()
    if find_spec("atheris") is None:
        print(LACKING)
        return 0
    if asked.inside:
        _inside(asked.targets[0], asked.seconds)
    from tests.fuzz.targets import TARGETS

    if unknown := sorted(set(asked.targets) - TARGETS.keys()):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    failed = []
    for name in asked.targets or TARGETS:
        for number, seed in enumerate(TARGETS[name].seeds):
            _corpus(name).joinpath(f"seed{number}").write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz", "--inside", "--seconds", str(asked.seconds), name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        lines = done.stderr.splitlines()
        runs = next((line for line in lines if line.startswith("stat::number_of_executed_units")), "")
        print(
            f"{name:16} {runs.rpartition(':')[2].strip() or '?':>9} inputs  {'failed' if done.returncode else 'ok'}"
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout, *lines[-60:], sep="\n")
    print(f"{len(failed)} failed: {' '.join(failed)}" if failed else "all ok")
    return bool(failed)


def _corpus(name: str) -> Path:
    place = BUILD / name / "corpus"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _inside(name: str, seconds: int) -> None:
    """Run one target here; does not come back."""
    import atheris

    # What is imported within is watched: our own code, and that of the libraries that read for us.
    with atheris.instrument_imports(include=["netnsmgr", "dnslib", "h11", "pyroute2.dhcp"]):
        from tests.fuzz.targets import TARGETS
    limits = [
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={LENGTH}",
        f"-timeout={ONE}",
    ]
    place = f"-artifact_prefix={BUILD / name}/"
    atheris.Setup(
        [sys.argv[0], *limits, place, "-print_final_stats=1", "-verbosity=0", str(_corpus(name))],
        TARGETS[name].run,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
