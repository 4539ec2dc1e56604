"""A change that waits for confirmation: until when, and which rows take it back.

It is stored with the rows themselves, so that after a restart of the daemon it still waits, and after a restart of
the device it is known that nobody confirmed it.  Time is counted by ``CLOCK_BOOTTIME`` (clock_gettime(2)), which goes
on while the device sleeps and which nobody sets; the device's time of day may be a year off until it hears of a better.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from netnsmgr.errors import Problem
from netnsmgr.pubsub.row import Change, Row
from netnsmgr.pubsub.store import Stored
from netnsmgr.pubsub.what import Put, name

Validate = Callable[[Sequence[Change]], Awaitable[list[Problem]]]
"""Says what is wrong with a transaction of configuration; ``Problem.document`` is the index of the change."""

SHORTEST, LONGEST = 1.0, 86_400.0
"""Seconds that a change may wait."""


class Moment(NamedTuple):
    """Which start of the device, and seconds since then."""

    boot: str
    since: float


Clock = Callable[[], Moment]
"""Says which moment it is: ``now``."""


class Trial(NamedTuple):
    """The change that was accepted as ``revision`` and goes unless it is confirmed within ``seconds`` of ``began``.

    ``undo`` are the rows that it changed, as they were before, in the order in which they have to be put back.
    """

    revision: int
    seconds: float
    began: Moment
    undo: tuple[Put, ...]

    def left(self, now: Moment) -> float:
        """How many seconds there are to confirm it; 0 when it is too late, which it is after a start of the device."""
        passed = now.since - self.began.since
        return max(0.0, self.seconds - passed) if now.boot == self.began.boot and passed >= 0 else 0.0

    async def clashes(
        self, rows: Sequence[Put], others: Sequence[Put], left: float, confirm: bool, validate: Validate
    ) -> list[Problem]:
        """What is wrong with rows that are put while this waits ``left`` seconds; ``others`` of them become different.

        They are kept when this is taken back.  So they have to be right both with it and without it.
        """
        waits = f"revision {self.revision} waits for confirmation, {left:.0f} s more"
        how = "confirm it or roll it back first"
        if confirm:
            return [Problem(f"{waits}, and only one change at a time can; {how}")]
        places = {(row.table, row.key): n for n, row in enumerate(rows)}
        own = {(row.table, row.key) for row in self.undo}
        if touched := [(row.table, row.key) for row in others if (row.table, row.key) in own]:
            return [
                Problem(f"{name(*row)} was changed by what waits: {waits}; {how}", document=places[row])
                for row in touched
            ]
        changes, back = [row.change for row in rows], [put.change for put in self.undo]
        if problems := await validate(changes):
            return problems
        known = {problem.what for problem in await validate(back)}
        found = [each for each in await validate([*changes, *back]) if each.what not in known]
        return [self._without(each, len(changes), f"{waits}; {how}") for each in found]

    def _without(self, problem: Problem, count: int, why: str) -> Problem:
        about = ""
        if problem.document >= count:
            row = self.undo[problem.document - count]
            about = f"{name(row.table, row.key)}: "
            problem = replace(problem, where=(), document=-1)
        return replace(
            problem, what=f"it has to be right without what waits, too: {about}{problem.what} ({why})"
        )

    def stored(self) -> Row:
        """What is put on disk."""
        return {"revision": self.revision, "seconds": self.seconds, "boot": self.began.boot, "began": self.began.since,
                "undo": [[table, key, *(stored or (None, None))] for table, key, stored in self.undo]}  # fmt: skip


def now() -> Moment:
    """This moment."""
    boot = ""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    return Moment(boot, time.clock_gettime(time.CLOCK_BOOTTIME))


def restored(row: Row | None) -> Trial | None:
    """The trial that was put on disk; None if none was, or if what stands there is none."""
    match row:
        case {"revision": int(revision), "seconds": int() | float() as seconds, "boot": str(boot),
              "began": int() | float() as began, "undo": list(undo)}:  # fmt: skip
            with suppress(ValueError):
                return Trial(revision, seconds, Moment(boot, began), tuple(map(_put, undo)))
    return None


def bounds(seconds: float) -> list[Problem]:
    """What is wrong with a time to wait."""
    if SHORTEST <= seconds <= LONGEST:
        return []
    return [Problem(f"a change can wait {SHORTEST:g} s to {LONGEST:g} s to be confirmed, not {seconds:g} s")]


def _put(row: object) -> Put:
    match row:
        case [str(table), str(key), None, None]:
            return Put(table, key, None)
        case [str(table), str(key), str(writer), dict(value)]:
            return Put(table, key, Stored(writer, value))
    raise ValueError("not a row")
