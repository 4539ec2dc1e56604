"""What a run says: a table that grows, and the same as JSON in the end."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from poc.checks import Outcome

#: Widths of the columns, in shares of what the terminal has, beside the narrow one.
SHARES = (5, 4, 5)
WIDEST = 160
#: Characters of what was seen that the table shows; the JSON has all.
LONGEST = 300


@dataclass
class RowResult:
    """A row of the scenario with its checks; times are those of the clock, in seconds."""

    number: str
    title: str
    outcomes: list[Outcome] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    ended: float = 0.0
    evidence: Path | None = None

    @property
    def passed(self) -> bool:
        return bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)

    def record(self) -> dict[str, Any]:
        """For the JSON."""
        checks = [{k: v for k, v in outcome.record().items() if k != "row"} for outcome in self.outcomes]
        return {
            "row": self.number,
            "title": self.title,
            "passed": self.passed,
            "seconds": round(self.ended - self.began, 3),
            "checks": checks,
            "evidence": str(self.evidence) if self.evidence else None,
        }


class Report:
    """``wanted``: the rows that were asked for; those that were not run in the end have not passed."""

    def __init__(self, where: str, wanted: Sequence[str], file: Path) -> None:
        self.where, self.wanted, self.file = where, wanted, file
        self.results: list[RowResult] = []
        self.error = ""
        self.began = time.time()
        self.seconds_up = 0.0
        # Written to a file or a pipe, lines needn't be folded to 80 columns; colour is for terminals alone.
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDEST)
        self.console.width = min(self.console.width, WIDEST)

    def up(self) -> None:
        """The scene is there."""
        self.seconds_up = time.time() - self.began
        self.console.print(f"the scenario in {self.where}: there after {self.seconds_up:.2f} s\n")
        self.console.print(line(Text(""), "what", "expected", "seen", style="bold"))

    def headline(self, result: RowResult) -> None:
        self.console.print(Text(f"\n{result.number:>5}  {result.title}", style="bold"))

    def line(self, outcome: Outcome) -> None:
        mark = Text("   ok", style="green") if outcome.passed else Text("FAILED", style="bold red")
        seen = outcome.seen if len(outcome.seen) < LONGEST else outcome.seen[:LONGEST] + " …"
        self.console.print(line(mark, outcome.what, outcome.expected, seen))

    def add(self, result: RowResult) -> None:
        self.results.append(result)

    def broken(self, text: str) -> None:
        """The run cannot go on."""
        self.error = text
        self.console.print(Text(f"\nerror: {text}", style="bold red"))

    def end(self) -> int:
        """Write the JSON, say where failing rows left what they saw, and the sum; the exit code."""
        rows = [result for result in self.results if result.number != "apply"]
        passed = [result.number for result in rows if result.passed]
        failed = [result.number for result in rows if not result.passed]
        missing = [number for number in self.wanted if number not in {*passed, *failed}]
        checks = sum(len(result.outcomes) for result in self.results)
        seconds = time.time() - self.began
        self.file.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "in": self.where,
            "kernel": os.uname().release,
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "seconds_until_up": round(self.seconds_up, 3),
            "rows": [result.record() for result in self.results],
            "checks": checks,
            "passed": len(passed),
            "failed": len(failed),
            "not_run": missing,
            "error": self.error or None,
        }
        self.file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        say = self.console.print
        say()
        for result in self.results:
            if result.evidence:
                say(Text(f"row {result.number}: captures and logs in {result.evidence}"))
        say(Text(f"{checks} checks in {seconds:.1f} s; written to {self.file}"))
        if missing:
            say(Text(f"not run: {', '.join(missing)}", style="bold red"))
        say(f"{len(passed)} passed, {len(failed)} failed")
        return 1 if failed or missing or self.error or not all(r.passed for r in self.results) else 0


def line(mark: Text, what: str, expected: str, seen: str, style: str = "") -> Table:
    """One line of a table that is printed as it grows, so that all columns have their widths from the start."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(width=6)
    for share in SHARES:
        grid.add_column(ratio=share, overflow="fold")
    grid.add_row(mark, Text(what), Text(expected), Text(seen), style=style)
    return grid
