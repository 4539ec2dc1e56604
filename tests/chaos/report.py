"""A run in figures: what is ready again when, and what was lost meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from tests.chaos.run import Blow, Report


def table(report: Report) -> str:
    """A line for each kind of process, a line for each flow."""
    kinds: dict[str, list[Blow]] = defaultdict(list)
    for blow in report.blows:
        kinds[blow.stroke.role if blow.who != ("agent", "uplink") else "agent of the uplink"].append(blow)
    head = ("killed", "times", "ready, nothing else", "ready, amid a change", "first plan", "lost")
    rows = [
        (
            kind,
            str(len(blows)),
            _times(b.ready for b in blows if b.stroke.change is None),
            _times(b.ready for b in blows if b.stroke.change is not None),
            str(max((max(b.first.values(), default=0) for b in blows if b.stroke.change is None), default=0)),
            _losses(blows),
        )
        for kind, blows in sorted(kinds.items())
    ]
    flows = [
        (
            name,
            str(sent),
            str(sum(run.number for b in report.blows for flow, run in b.lost if flow == name)),
            str(report.segments[name][0]),
            str(report.segments[name][2]),
        )
        for name, sent in sorted(report.sent.items())
    ]
    titles = ("flow", "pings", "lost", "messages by TCP", "segments after a lost one")
    return f"{_columns([head, *rows])}\n\n{_columns([titles, *flows])}"


def _times(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    return f"{median(found):.2f} s (most {found[-1]:.2f})" if found else "-"


def _losses(blows: Iterable[Blow]) -> str:
    found = [(each.number, each.end - each.begin) for blow in blows for _, each in blow.lost]
    if not found:
        return "0"
    return f"{sum(number for number, _ in found)} (at most {max(time for _, time in found):.2f} s long)"


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
