"""Boxes as HTML-like labels of Graphviz: a heading and rows of text, with the numbers of collisions at their ends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FONT = "Helvetica,Arial,sans-serif"
INK, MUTED, LINE, PAPER = "#1f2933", "#52606d", "#7b8794", "#ffffff"
TEXT_SIZE, HEAD_SIZE = 9, 11
ACCENTS = (
    "#c2410c", "#6d28d9", "#be185d", "#047857", "#1d4ed8", "#92400e", "#0e7490", "#b91c1c", "#4d7c0f", "#7e22ce",
)  # fmt: skip
"""Colours of collisions, one after the other; the number says which, where a colour comes again."""
STATES = {
    "pending": "#b45309",
    "failed": "#b91c1c",
    "down": "#b91c1c",
    "ok": "#15803d",
    "up": "#15803d",
    "idle": MUTED,
}
WIDTH = 30
"""Characters in a line of a box."""


@dataclass(frozen=True)
class Line:
    """A line of a box: ``port`` is a place for edges, ``numbers`` are of collisions."""

    text: str
    numbers: tuple[int, ...] = ()
    port: str = ""
    more: str = ""
    """What follows, muted."""
    bold: bool = False
    colour: str = INK


def box(
    heading: str,
    beside: str,
    lines: Iterable[Line],
    *,
    fill: str,
    width: int,
    wrap: int = WIDTH,
    border: str = LINE,
    dashed: bool = False,
) -> str:
    """Return the label of a node: a heading with a few words beside it, and its lines.

    It is at least ``width`` points wide, and lines are of at most ``wrap`` characters.
    """
    style = ' STYLE="DASHED"' if dashed else ""
    words = _font(heading, HEAD_SIZE, INK, bold=True)
    if beside and len(heading) + len(beside) < WIDTH:
        words += _font(f"  {beside}", TEXT_SIZE, MUTED)
    elif beside:
        lines = [Line(beside, colour=MUTED), *lines]
    head = f'<TD COLSPAN="2" ALIGN="LEFT" BGCOLOR="{fill}" WIDTH="{width}" PORT="head">{words}</TD>'
    rows = [f"<TR>{head}</TR>"]
    rows += [_row(line, wrap) for line in lines]
    return (
        f'<<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="{border}" BGCOLOR="{PAPER}"{style}>'
        f"{''.join(rows)}</TABLE>>"
    )


def _row(line: Line, wrap: int) -> str:
    port = f' PORT="{line.port}"' if line.port else ""
    text = _font(line.text, TEXT_SIZE, line.colour, bold=line.bold, width=wrap)
    if line.more:
        text += _font(f"  {line.more}", TEXT_SIZE, MUTED)
    if not line.numbers:
        return f'<TR><TD COLSPAN="2" ALIGN="LEFT"{port}>{text}</TD></TR>'
    return f'<TR><TD ALIGN="LEFT"{port}>{text}</TD><TD ALIGN="RIGHT">{tags(line.numbers)}</TD></TR>'


def tags(numbers: Sequence[int]) -> str:
    """Return the numbers of collisions, each on its colour."""
    # Of a fixed size: a table that stands in a cell is stretched to it otherwise.
    widths = [6 + 7 * len(str(number)) for number in numbers]
    cells = "".join(
        f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="13" BGCOLOR="{accent(number)}">'
        f"{_font(str(number), TEXT_SIZE, PAPER, bold=True)}</TD>"
        for number, width in zip(numbers, widths, strict=True)
    )
    size = f'FIXEDSIZE="TRUE" WIDTH="{sum(widths) + 2 * len(widths) + 2}" HEIGHT="15"'
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0" {size}><TR>{cells}</TR></TABLE>'


def accent(number: int) -> str:
    """Return the colour of a collision."""
    return ACCENTS[(number - 1) % len(ACCENTS)]


def legend(rows: Iterable[tuple[int, str]], heading: str, note: str) -> str:
    """Return the label of the whole drawing: what the numbers mean."""
    # No cell spans both columns: the room that it needs would be shared between them.
    cells = [("", _font(heading, HEAD_SIZE, INK, bold=True, width=130))]
    cells += [(tags((number,)), _font(text, TEXT_SIZE, INK, width=130)) for number, text in rows]
    if note:
        cells.append(("", _font(note, TEXT_SIZE, MUTED, width=130)))
    lines = "".join(
        f'<TR><TD VALIGN="TOP">{tag}</TD><TD ALIGN="LEFT">{text}</TD></TR>' for tag, text in cells
    )
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{lines}</TABLE>>'


def _font(text: str, size: int, colour: str, *, bold: bool = False, width: int = WIDTH) -> str:
    lines = textwrap.wrap(printable(text), width, break_on_hyphens=False) or [""]
    escaped = '<BR ALIGN="LEFT"/>'.join(map(html, lines)) + ('<BR ALIGN="LEFT"/>' if len(lines) > 1 else "")
    if text.startswith("  "):
        escaped = "&#160;&#160;" + escaped
    inner = f"<B>{escaped}</B>" if bold else escaped
    return f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{inner}</FONT>'


def html(text: str) -> str:
    """Return text as it stands in an HTML-like label or a tooltip."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#10;")):
        text = text.replace(character, entity)
    return text


def printable(text: str) -> str:
    """Return text without what no drawing can show: control characters, and halves of characters.

    A backslash becomes a sign that looks like one: Graphviz makes names of ``\\N`` and its like, in tooltips twice.
    """
    shown = "".join(each if each.isprintable() or each == "\n" else "�" for each in text)
    return shown.replace("\\", "∖")
