"""``python -m tests.bench``: measure, print the table, write JSON.  As root; about five minutes."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from rich.console import Console

from tests.bench import acl, acl_changes, acl_names, ipv6, measure, switch, switch_times, vpn
from tests.bench.figures import Figure, show
from tests.lab import LabError


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure netnsmgr beside a shell script.")
    parser.add_argument("--instances", nargs=2, type=int, default=(50, 250), metavar=("SMALL", "LARGE"))
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of the short measurements")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch the idle daemon")
    parser.add_argument(
        "--only", choices=("one", "many", "throughput", "acl", "ipv6", "switch", "vpn"), action="append"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the benchmark needs root: real dnsmasq, memory of processes", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 140)  # no folding to 80 in files and pipes
    small, large = options.instances
    start = time.monotonic()
    figures: list[Figure] = []
    failed = False
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "one": lambda: measure.one_more(options.repeat),
        "many": lambda: measure.many(small, large, min(3, options.repeat), options.idle),
        "throughput": lambda: measure.throughput(options.repeat, 2),
        "acl": lambda: chain(
            acl.rates(options.repeat), acl_changes.changes(options.repeat), acl_names.names(options.repeat)
        ),
        "ipv6": lambda: ipv6.figures(options.repeat),
        "switch": lambda: chain(switch_times.figures(options.repeat), switch.figures(options.repeat)),
        "vpn": lambda: vpn.figures(options.repeat),
    }
    for name, part in parts.items():
        if options.only and name not in options.only:
            continue
        try:
            for figure in part():
                figures.append(figure)
                console.print(f"[dim]{time.monotonic() - start:5.0f} s  {figure.name}[/]", highlight=False)
        except (LabError, AssertionError) as error:
            failed = True
            console.print(f"[red]{name} could not be measured:[/] {error}", highlight=False)
    show(figures, console)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "figures": [figure.record() for figure in figures],
    }
    options.json.write_text(json.dumps(record, indent=2) + "\n")
    console.print(f"written: {options.json}", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
