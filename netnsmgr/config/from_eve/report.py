"""What is said of a configuration of EVE's: what is wrong with it, and what becomes of it only in part.

What is said of many places in the same words is said once.
"""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.config.compose import Node
from netnsmgr.config.load import find
from netnsmgr.errors import ConfigError, Problem

Where = tuple[str | int, ...]

FEW = 8
"""How many places are named where the same is said of many."""
MANY = 50
"""How many faults are told."""
ENOUGH = 1000
"""After how many faults nobody reads on: the document is something else."""


class Report:
    """Collects faults and notes, each with its place in the text."""

    def __init__(self, file: str, node: Node) -> None:
        self._file, self._node = file, node
        self._faults: dict[tuple[Where, str], Problem] = {}
        self._notes: dict[str, list[Where]] = {}
        self._left: dict[str, dict[str, Where]] = {}

    def wrong(self, where: Where, what: str) -> None:
        """Say that the document cannot be converted; raises ConfigError where that has been said too often."""
        self._faults.setdefault((where, what), self._problem(where, what, at_key=False))
        if len(self._faults) >= ENOUGH:
            self.require()

    def note(self, where: Where, what: str) -> None:
        """Say what means something else here, or is not carried over at this one place."""
        places = self._notes.setdefault(what, [])
        if where not in places:
            places.append(where)

    def left(self, where: Where, why: str) -> None:
        """Say that a field is not carried over; fields of all elements of a list are one."""
        self._left.setdefault(why, {}).setdefault(_path(where, numbers=False), where)

    def require(self) -> None:
        """Raise ConfigError with all faults, if there are any."""
        faults = sorted(self._faults.values(), key=_place)
        if len(faults) > MANY:
            faults[MANY:] = [
                Problem(f"… and {len(faults) - MANY} more faults", file=self._file, line=1, column=1)
            ]
        if faults:
            raise ConfigError(faults)

    def notes(self) -> tuple[Problem, ...]:
        """Return what was noted: first what concerns single places, in their order; then what was left as a whole."""
        return (*sorted(self._single(), key=_place), *sorted(self._whole(), key=_place))

    def _single(self) -> Iterator[Problem]:
        for what, places in self._notes.items():
            more = [_path(where) for where in places[1:]]
            also = f" (also {_few(more)})" if more else ""
            yield self._problem(places[0], f"{what}{also}", at_key=True, path=True)

    def _whole(self) -> Iterator[Problem]:
        for why, fields in self._left.items():
            yield self._problem(
                next(iter(fields.values())), f"not carried over: {_few(list(fields))} ({why})", at_key=True
            )

    def _problem(self, where: Where, what: str, *, at_key: bool, path: bool = False) -> Problem:
        line, column = find(self._node, where, at_key=at_key)
        shown = where if path or not at_key else ()
        return Problem(what, shown, file=self._file, line=line, column=column)


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _few(words: list[str]) -> str:
    return ", ".join(words[:FEW]) + (f" and {len(words) - FEW} more" if len(words) > FEW else "")


def _path(where: Where, *, numbers: bool = True) -> str:
    return "".join(f"[{p if numbers else ''}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
