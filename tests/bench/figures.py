"""Figures: samples of one quantity, its floor and its target, as a line of the table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import truediv
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Samples:
    """Repeated measurements of one quantity; ``value`` is their median."""

    values: tuple[float, ...]

    @property
    def value(self) -> float:
        return median(self.values)

    def text(self, unit: str) -> str:
        low, high = min(self.values), max(self.values)
        spread = "" if low == high else f" ({number(low)}-{number(high)})"
        return f"{number(self.value)}{spread} {unit}".rstrip()

    def record(self) -> dict[str, Any]:
        return {
            "median": self.value,
            "min": min(self.values),
            "max": max(self.values),
            "samples": self.values,
        }


def samples(values: Sequence[float]) -> Samples:
    return Samples(tuple(values))


@dataclass(frozen=True)
class Figure:
    """One line: what was measured; the floor, measured in the same run; and the target.

    ``at_most`` and ``at_least`` bound the ratio to the floor; without a floor, the value itself.  Neither: the
    figure is told for its own sake.  ``paired``: a sample and the floor's of the same number were taken one right after
    the other, so that what else the machine did then met both; the ratio is the median of theirs.
    """

    name: str
    unit: str
    measured: Samples
    floor: Samples | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    paired: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def judged(self) -> float:
        """What the target is about."""
        if self.paired and self.floor is not None:
            ratios: list[float] = list(map(truediv, self.measured.values, self.floor.values))
            return median(ratios)
        return self.measured.value if self.floor is None else self.measured.value / self.floor.value

    @property
    def met(self) -> bool | None:
        if self.at_most is not None:
            return self.judged <= self.at_most
        if self.at_least is not None:
            return self.judged >= self.at_least
        return None

    @property
    def target(self) -> str:
        bound, sign = (self.at_most, "≤") if self.at_most is not None else (self.at_least, "≥")
        if bound is None:
            return ""
        return f"{sign} {bound:g} ×" if self.floor is not None else f"{sign} {bound:g} {self.unit}"

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            **self.measured.record(),
            "floor": None if self.floor is None else self.floor.record(),
            "ratio": None if self.floor is None else self.judged,
            "at_most": self.at_most,
            "at_least": self.at_least,
            "met": self.met,
            "note": self.note,
            **self.details,
        }


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(figures: Sequence[Figure], console: Console) -> None:
    """The table, with the notes below it."""
    table = Table(
        title="netnsmgr beside the same work by a shell script: median (min-max)", title_justify="left"
    )
    for heading in ("figure", "netnsmgr", "floor", "ratio", "target", ""):
        table.add_column(heading, overflow="fold")
    for figure in figures:
        floor = "" if figure.floor is None else figure.floor.text(figure.unit)
        ratio = "" if figure.floor is None else f"{figure.judged:.2f} ×"
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        table.add_row(figure.name, figure.measured.text(figure.unit), floor, ratio, figure.target, verdict)
    console.print(table)
    for figure in figures:
        if figure.note:
            console.print(f"{figure.name}: {figure.note}", highlight=False)
