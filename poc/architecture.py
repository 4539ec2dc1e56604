"""The rooms of netnsmgr, what each is in its own words, and who imports whom, read from the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping

from netnsmgr.topology.label import FONT, LINE, MUTED, PAPER, Line, box
from tests.rooms import ROOT, imports, modules

KNOWN_TO_ALL = {"errors", "log"}
"""Modules beside the rooms; arrows to them would say nothing."""
OWN = ("netnsmgr", "zedbox_mock")
FILL, OUTSIDER = "#d7e6fb", "#e5e7eb"
PURE = "#d3efe9"
"""The colour of rooms that do nothing but compute, as far as their docstrings say so."""

Arrows = Mapping[str, frozenset[str]]


def architecture() -> str:
    """Return the drawing as DOT text."""
    arrows = rooms()
    lines = [
        "digraph architecture {",
        f'  graph [rankdir=TB, bgcolor="{PAPER}", fontname="{FONT}", nodesep=0.25, ranksep=0.4, pad=0.15];',
        f'  graph [labelloc=b, labeljust=l, fontsize=9, fontcolor="{MUTED}", label="{_legend()}"];',
        f'  node [shape=plain, fontname="{FONT}"];',
        f'  edge [color="{LINE}", arrowsize=0.7, penwidth=1.2];',
    ]
    for room in sorted(arrows):
        said = _docstring(room)
        text = [Line(_sentence(said))]
        if libraries := _libraries(room):
            text.append(Line(", ".join(sorted(libraries)), colour=MUTED))
        fill = OUTSIDER if room in OWN else PURE if _is_pure(said) else FILL
        lines.append(f'  "{room}" [label={box(room, "", text, fill=fill, width=150)}, tooltip="{room}"];')
    for room in sorted(arrows):
        lines += [f'  "{room}" -> "{each}";' for each in sorted(reduced(arrows, room))]
    return "\n".join([*lines, "}", ""])


def _legend() -> str:
    return (
        "An arrow: imports something of.  Left out: what follows from other arrows, and errors and log, which all may know.\\l"
        "Below each room the libraries that it imports.  Green: rooms that are pure.\\l"
    )


def rooms() -> Arrows:
    """Return the rooms that each room imports."""
    found: dict[str, set[str]] = {}
    for room, name, path in modules():
        if path.parent.name == "netnsmgr" and path.name != "__init__.py":
            continue
        if name:
            found.setdefault(room, set()).update(_named(imports(path)) - {room})
    outsiders = sorted((ROOT / "zedbox_mock").rglob("*.py"))
    found["zedbox_mock"] = {room for path in outsiders for room in _named(imports(path))}
    return {room: frozenset(others & found.keys()) for room, others in found.items()}


def _named(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("netnsmgr.")} - KNOWN_TO_ALL


def reduced(arrows: Arrows, room: str) -> set[str]:
    """Return the arrows of a room that no way over other rooms replaces; raises ValueError if rooms import each other."""
    direct = arrows[room]
    return {
        each for each in direct if not any(each in below(arrows, other, (room,)) for other in direct - {each})
    }


def below(arrows: Arrows, room: str, above: tuple[str, ...] = ()) -> set[str]:
    """Return every room that a room reaches; raises ValueError if it can come back."""
    if room in above:
        raise ValueError(f"rooms import each other: {' → '.join([*above, room])}")
    return {each for other in arrows[room] for each in ({other} | below(arrows, other, (*above, room)))}


def _docstring(room: str) -> str:
    home = ROOT if room in OWN else ROOT / "netnsmgr"
    return ast.get_docstring(ast.parse((home / room / "__init__.py").read_text(encoding="utf-8"))) or ""


def _sentence(said: str) -> str:
    """Return the first sentence, without the marks of code."""
    return re.split(r"(?<=[.;])\s", " ".join(said.split()).replace("`", ""), maxsplit=1)[0].rstrip(";.")


def _is_pure(said: str) -> bool:
    return bool(re.search(r"\bpure\b|no I/O", said))


def _libraries(room: str) -> set[str]:
    """Return what a room imports that is neither ours nor Python's."""
    home = ROOT / room if room in OWN else ROOT / "netnsmgr" / room
    tops = {name.split(".")[0] for path in sorted(home.rglob("*.py")) for name in imports(path)}
    return tops - set(OWN) - sys.stdlib_module_names
