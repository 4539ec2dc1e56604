"""Waiting with something to look at: live on a terminal, a line for each step otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.client.kinds import CONFIG_TABLES, STATE_TABLES
from netnsmgr.client.readiness import DELETED, READY, News, Progress, Target, progress

PATIENCE = 3.0
"""Seconds after which somebody who sees only lines is told what is waited for."""

TOLD = 10
"""Of so many objects it is told; the rest is counted."""

States = Mapping[Target, Progress]


class Display(Protocol):
    """Shows the progress of targets while it is entered."""

    told: Mapping[Target, str]
    """What was said of targets that were waited for, and still stands on standard error."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End; what was shown last stays."""
        ...

    def update(self, states: States, looked_at: Sequence[Target]) -> None:
        """Show this; only what was looked at can be different from the last time."""
        ...


class Lines:
    """A line when a target gets there: for logs, pipes and continuous integration.

    What was there from the beginning, because nothing touched it, is only counted.
    """

    def __init__(self) -> None:
        """Start with nothing said."""
        self._began = time.monotonic()
        self._said: set[Target] = set()
        self.told: Mapping[Target, str] = {}
        self._states: States = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End with the sum of it."""
        if self._states:
            done = sum(state.done for state in self._states.values())
            seconds = time.monotonic() - self._began
            output.say(f"{done} of {len(self._states)} {goal(self._states)}, {seconds:.1f} s")

    def update(self, states: States, looked_at: Sequence[Target]) -> None:
        """Say what got there since the last time."""
        first = not self._states
        self._states = states
        for target in looked_at:
            state = states[target]
            if state.done and target not in self._said:
                self._said.add(target)
                if not (first and target.goal == READY and not target.revision):
                    output.say(f"{target.label} {output.state_word(state.state)}")
        if self.told or time.monotonic() - self._began < PATIENCE:
            return
        if waiting := [(target, state) for target, state in states.items() if not state.done]:
            self.told = {target: str(state) for target, state in waiting[:TOLD]}
            output.say("waiting for:", err=True)
            for target, said in self.told.items():
                output.say(f"  {target.label}: {said}", err=True)
            if len(waiting) > TOLD:
                output.say(f"  … and {len(waiting) - TOLD} more", err=True)


class Screen:
    """A table that renews itself, those that are waited for first."""

    def __init__(self) -> None:
        """Load rich, which only a terminal needs."""
        from rich.console import Console
        from rich.live import Live

        self._console = Console(no_color=not output.colourful(), highlight=False)
        self._live = Live(console=self._console, refresh_per_second=10)
        self._began = time.monotonic()
        self._states: States = {}
        self.told: Mapping[Target, str] = {}

    def __enter__(self) -> Self:
        """Begin."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End; the last table stays on the screen, without the reasons if they follow there, at full length."""
        if kind is None and sys.stderr.isatty():
            self._live.update(self._draw(self._states, reasons=False))
        self._live.stop()

    def update(self, states: States, looked_at: Sequence[Target]) -> None:
        """Draw the table anew."""
        self._states = states
        self._live.update(self._draw(states))

    def _draw(self, states: States, *, reasons: bool = True) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        done = sum(state.done for state in states.values())
        room = max(self._console.height - 3, 5)
        shown = sorted(states.items(), key=lambda entry: entry[1].done)[:room]
        grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for target, state in shown:
            word = Text(output.harmless(state.state), style=output.COLOURS.get(state.state, ""))
            # The word stands in the column before already.
            why = "; ".join(reason.removeprefix(f"{state.state}: ") for reason in state.reasons)
            grid.add_row(target.label, word, Text(output.harmless(why if reasons and not state.done else "")))
        hidden = len(states) - len(shown)
        seconds = time.monotonic() - self._began
        footer = f"{done} of {len(states)} {goal(states)}, {seconds:.1f} s" + (
            f" ({hidden} not shown)" if hidden else ""
        )
        return Group(grid, Text(footer, style="bold"))


def goal(states: States) -> str:
    """Return the word for what is waited for: ready, deleted, or done where it is both."""
    goals = {target.goal for target in states}
    return goals.pop() if len(goals) == 1 else "done"


def display() -> Display:
    """Return the display that fits standard output."""
    return Screen() if sys.stdout.isatty() else Lines()


def wait(daemon: Daemon, wanted: Sequence[Target], timeout: float) -> int:
    """Wait until all targets are there; say which are not when ``timeout`` (seconds) is over.

    Returns the exit code.
    """
    if not wanted:
        return 0
    states = {target: Progress(False, "pending") for target in wanted}
    news, began = News(wanted), False
    tables = STATE_TABLES
    if any(target.goal == DELETED for target in wanted):
        tables += CONFIG_TABLES
    with display() as shown:
        for rows, keys in daemon.watch(*tables, timeout=timeout, again=PATIENCE):
            looked_at = news.of(keys) if began else wanted
            began = True
            for target in looked_at:
                if not states[target].done:
                    states[target] = progress(target, rows)
            if done := all(state.done for state in states.values()):
                looked_at = wanted  # what was there may have gone meanwhile
                states = {target: progress(target, rows) for target in wanted}
                done = all(state.done for state in states.values())
            shown.update(states, looked_at)
            if done:
                return 0
    late = {target: str(state) for target, state in states.items() if not state.done}
    if late == shown.told:
        output.say(f"not {goal(states)} after {timeout:g} s, for the same reasons", err=True)
    else:
        output.say(f"not {goal(states)} after {timeout:g} s:", err=True)
        for target, said in late.items():
            output.say(f"  {target.label}: {said}", err=True)
    if stands := [target.label for target, state in states.items() if state.done]:
        more = f" and {len(stands) - TOLD} more" if len(stands) > TOLD else ""
        output.say(f"{goal(states)}: {', '.join(stands[:TOLD])}{more}", err=True)
    return 1
