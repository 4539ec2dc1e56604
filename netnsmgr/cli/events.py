"""``netnsmgr events``: what happened, the newest last."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import AGENT, DEVICE, INSTANCE, Kind
from netnsmgr.pubsub.tables import EVENT

Row = Mapping[str, Any]
WATCH_SECONDS = 3600.0
"""How long one wait for news may last before the next begins."""
HEADINGS = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
WIDTHS = (19, 7, 14, 24, 0)
"""Of the columns while following, when what comes is not known; they grow."""


@click.command("events")
@click.option("-w", "--watch", is_flag=True, help="Go on with what comes, until interrupted.")
@click.option(
    "--for", "about", metavar="[KIND/]NAME", default="", help="Only of this object: ni1, ni/ni1, app/app1 …"
)
@click.option("--warnings", is_flag=True, help="Only of type Warning.")
@output.formats("table", "json", "yaml")
@pass_place
def command(place: Place, watch: bool, about: str, warnings: bool, fmt: str) -> None:
    """Show the device's events, the newest last; the newest 500 are kept, also over restarts of the daemon.

    Equal ones are one, counted: "2m (x5 over 1h)" is five, the last 2 minutes and the first an hour ago. With
    --watch, json is one object a line.
    """
    if watch and fmt == "yaml":
        raise click.UsageError("--watch prints a table or json")
    wanted = _filter(about, warnings=warnings)
    with Daemon(place) as daemon:
        if watch:
            _watch(daemon, wanted, fmt)
            return
        rows = listed(daemon.rows(EVENT)[EVENT], wanted)
    if fmt != "table":
        output.data({"kind": "List", "items": rows}, fmt)
    elif rows:
        output.table(HEADINGS, [line(row, time.time()) for row in rows])
    else:
        output.say("there are no events" + (f" of {about}" if about else ""), err=True)


def listed(rows: Mapping[str, Row], wanted: Callable[[Row], bool]) -> list[Row]:
    """Return the wanted rows of the table, the newest last."""
    return [rows[key] for key in sorted(rows) if wanted(rows[key])]


def of(kind: Kind | None, name: str) -> Callable[[Row], bool]:
    """Return what picks the events of an object: of its interfaces, too, and of the agent behind it.

    Without a kind: of everything that has this name.
    """
    agent = "uplink" if kind is DEVICE else name

    def wanted(row: Row) -> bool:
        what, _, rest = row["object"].partition("/")
        if what == AGENT.name and kind in (DEVICE, INSTANCE):
            return bool(rest == agent)
        return (kind is None or what == kind.name) and name in (rest, rest.partition("/")[0])

    return wanted


def line(row: Row, now: float | None = None) -> list[str]:
    """Return the cells of an event; with ``now`` its age, without it its time."""
    count, when = row["count"], output.time_of(row["time"])[:19]
    if now is not None:
        when = output.span(now - row["time"])
        if count > 1:
            when += f" (x{count} over {output.span(now - row['first'])})"
    elif count > 1:
        when += f" (x{count})"
    return [when, row["type"], row["reason"], row["object"], row["message"]]


def _filter(about: str, *, warnings: bool) -> Callable[[Row], bool]:
    if "/" in about:
        word, _, name = about.partition("/")
        kind = KindType(agents=True).convert(word, None, None)
        chosen = of(kind, name)
    elif about.lower() == "daemon":
        chosen = lambda row: row["object"] == "Daemon"  # noqa: E731
    elif about:
        chosen = of(None, about)
    else:
        chosen = lambda row: True  # noqa: E731
    return lambda row: chosen(row) and (not warnings or row["type"] == "Warning")


def _watch(daemon: Daemon, wanted: Callable[[Row], bool], fmt: str) -> None:
    seen, widths = "", list(WIDTHS)

    def show(cells: list[str]) -> None:
        widths[:-1] = map(max, widths[:-1], map(len, cells))
        output.say("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())

    if fmt != "json":
        show(HEADINGS)
    while True:
        for rows, _ in daemon.watch(EVENT, timeout=WATCH_SECONDS):
            # An event that is counted once more has a new number; so what was seen is told by the last one.
            if max(rows[EVENT], default=seen) < seen:
                seen = ""  # a device that has lost its state counts from the beginning
            news = {key: row for key, row in rows[EVENT].items() if key > seen}
            seen = max(news, default=seen)
            for row in listed(news, wanted):
                if fmt == "json":
                    click.echo(output.json_text(row), color=False)
                else:
                    show(line(row))
