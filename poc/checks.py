"""A check: what was expected, what was seen, and that it was obtained by doing it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """One line of the table.  ``row``: of the scenario's table, or a word; ``seconds``: what doing it took."""

    row: str
    what: str
    expected: str
    seen: str
    passed: bool
    seconds: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """``do`` returns what was seen; it passes if that is ``expected``, or if ``accept`` says so.

    A failure of the lab (no lease, no answer) is something seen, too, and so is a status without what is looked for.  ``essential``: without it no later check
    can pass, and none is run.
    """

    row: str
    what: str
    expected: str
    do: Callable[[], str]
    accept: Callable[[str], bool] | None = None
    essential: bool = False

    def run(self) -> Outcome:
        start = time.monotonic()
        try:
            seen = self.do().strip()
            passed = self.accept(seen) if self.accept else seen == self.expected
        except Exception as error:
            seen, passed = f"{type(error).__name__}: {error}", False
        return Outcome(self.row, self.what, self.expected, seen, passed, time.monotonic() - start)


def run_all(checks: Iterator[Check]) -> Iterator[Outcome]:
    """Run checks one by one as the generator makes them: what comes later may build upon what was seen."""
    check: Check | None = None
    try:
        for check in checks:
            outcome = check.run()
            yield outcome
            if check.essential and not outcome.passed:
                return
    except Exception as error:
        after = f"after: {check.what}" if check else "the first check"
        yield Outcome(
            check.row if check else "",
            after,
            "the next check begins",
            f"{type(error).__name__}: {error}",
            False,
            0.0,
        )
