"""How results are printed: tables for people, JSON and YAML for programs, colour only on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

COLOURS = {
    "ready": "green",
    "up": "green",
    "running": "green",
    "created": "green",
    "ok": "green",
    "external": "bright_black",
    "reconciling": "yellow",
    "pending": "yellow",
    "starting": "yellow",
    "creating": "yellow",
    "modifying": "yellow",
    "deleting": "yellow",
    "absent": "yellow",
    "connecting": "yellow",
    "waiting": "yellow",
    "degraded": "red",
    "failed": "red",
    "down": "red",
    "missing": "red",
    "backing-off": "red",
}
"""The colour of a state's word, wherever it is printed."""


def formats(*names: str, default: str = "table") -> Callable[[F], F]:
    """Return the ``-o`` option with these formats."""
    return click.option(
        "-o",
        "--output",
        "fmt",
        type=click.Choice(names),
        default=default,
        show_default=True,
        help="How to print: for people, or for programs.",
    )


def colourful(stream: Any = None) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR or TERM=dumb say otherwise (https://no-color.org)."""
    stream = stream or sys.stdout
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_COMMANDS = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\ud800-\udfff]")
"""What moves a terminal's cursor or tells it something, and what UTF-8 has nothing for; colours may stay."""


def harmless(text: str) -> str:
    """Return a text that can be printed, whoever wrote it: the words of agents and applications are not ours."""
    return _COMMANDS.sub("\ufffd", text)


def json_text(value: Any, **options: Any) -> str:
    """Return JSON that a terminal can be shown, too, and that says the same to a program."""
    text = json.dumps(value, ensure_ascii=False, **options)
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str = "", *, err: bool = False) -> None:
    """Print one line, without its colours where they are not wanted."""
    click.echo(harmless(text), err=err, color=colourful(sys.stderr if err else sys.stdout))


def fail(text: str) -> None:
    """Print an error's line on standard error."""
    say(click.style("error: ", fg="red") + text, err=True)


def state_word(word: str) -> str:
    """Return a state's word in its colour; ``say`` takes the colour off where it is not wanted."""
    return click.style(word, fg=COLOURS[word]) if word in COLOURS else word


def data(value: Any, fmt: str) -> None:
    """Print a value as ``json`` or ``yaml``."""
    if fmt == "json":
        click.echo(json_text(value, indent=2), color=False)
    else:
        click.echo(harmless(yaml_text(value)), nl=False, color=False)


def yaml_text(value: Any) -> str:
    """Return YAML with the order of the fields kept; lists of plain values take one line, as people write them."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def plain_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
        flow = not any(isinstance(item, (dict, list)) for item in items)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)

    Dumper.add_representer(list, plain_list)
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns; words of state get their colour.

    Without a terminal every line is as long as it needs to be: whoever greps gets whole rows.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = [[harmless(str(cell)) for cell in row] for row in rows]
    grid = Table(box=None, pad_edge=False, header_style="bold" if colourful() else "", padding=(0, 2, 0, 0))
    for heading in headings:
        grid.add_column(heading, no_wrap=True, overflow="ellipsis")
    for row in listed:
        grid.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    wide = None if sys.stdout.isatty() else 10_000
    console = Console(no_color=not colourful(), width=wide, highlight=False, soft_wrap=False)
    with console.capture() as capture:
        console.print(grid)
    # rich fills each line up to the column's width; trailing blanks help nobody.
    for line in capture.get().splitlines():
        click.echo(line.rstrip(), color=colourful())


def time_of(epoch: float) -> str:
    """Return a time in epoch seconds as local date and time."""
    import datetime as dt

    return dt.datetime.fromtimestamp(epoch).astimezone().isoformat(" ", "seconds")


def span(seconds: float) -> str:
    """Return a time span as people write it: 45s, 12m, 3h, 5d; none is negative."""
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
