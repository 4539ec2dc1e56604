#!/usr/bin/env python3
"""The demonstration: colliding network instances on a device made for the purpose, checked by using them.

``make demo``, or ``python poc/demo.py [--json FILE]``; as root.  The machine's own network is not touched.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table
from rich.text import Text

from poc.checks import Outcome, run_all
from tests.lab.bridged import PORTS
from tests.lab.collisions import Collisions
from tests.lab.lab import Lab
from tests.lab.scene import CONFIGURATION

#: Widths of the columns, in shares of what the terminal has, beside the two narrow ones.
SHARES = (5, 4, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring up colliding network instances and check them.")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write what was checked to FILE as well")
    parser.add_argument("--logs", action="store_true", help="print the daemon's log at the end in any case")
    options = parser.parse_args()
    # Written to a file or a pipe, lines needn't be folded to 80 columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    start = time.monotonic()
    outcomes: list[Outcome] = []
    with Lab(PORTS, dhcp_ports=PORTS[-1:]) as lab:
        console.print(f"device and site: {time.monotonic() - start:.2f} s; applying {CONFIGURATION.name}\n")
        console.print(line("", "row", "what", "expected", "seen", style="bold"))
        for outcome in run_all(Collisions(lab).checks()):
            outcomes.append(outcome)
            mark = "[green]ok[/]" if outcome.passed else "[bold red]FAILED[/]"
            seen = outcome.seen if len(outcome.seen) < 200 else outcome.seen[:200] + " …"
            console.print(line(mark, outcome.row, outcome.what, outcome.expected, seen))
        failed = sum(not outcome.passed for outcome in outcomes)
        if failed or options.logs:
            console.print(f"\n{lab.logs()}", markup=False)
    console.print(f"\n{len(outcomes) - failed} passed, {failed} failed in {time.monotonic() - start:.1f} s")
    if options.json:
        options.json.write_text(
            json.dumps({"checks": [outcome.record() for outcome in outcomes], "failed": failed}, indent=2)
            + "\n"
        )
    return 1 if failed else 0


def line(mark: str, row: str, what: str, expected: str, seen: str, style: str = "") -> Table:
    """One line of a table that is printed as it grows, so that all columns have their widths from the start."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(width=6)
    grid.add_column(width=5)
    for share in SHARES:
        grid.add_column(ratio=share, overflow="fold")
    grid.add_row(Text.from_markup(mark), row, Text(what), Text(expected), Text(seen), style=style)
    return grid


if __name__ == "__main__":
    sys.exit(main())
