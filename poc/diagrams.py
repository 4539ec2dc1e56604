"""``make diagrams``: the drawings of diagrams/, made anew without a daemon and without root.

Each drawing ends with a comment that says of which DOT text it was made, what it is itself, and by which Graphviz with
which fonts: a drawing that is stale, or was edited, is found also where Graphviz would place things differently.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from netnsmgr.cli.graph_topology import described
from netnsmgr.core.dot import Node, dot
from netnsmgr.core.item import Ref
from netnsmgr.errors import NetnsmgrError
from netnsmgr.kernel.graphviz import render
from netnsmgr.topology.label import FONT
from poc.architecture import architecture
from poc.processes import processes
from tests.golden.intent import INODE, RUN, Agents

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "poc/scenario.yaml"
DIAGRAMS = ROOT / "diagrams"
PROBE = f"""digraph probe {{
  a [shape=plain, fontname="{FONT}", label=<<FONT POINT-SIZE="9">Wide and narrow: <B>WiM 10.10.1.0/24</B> → ≤ ·</FONT>>];
  b [fontname=monospace, fontsize=10];
}}
"""
"""A drawing by which Graphviz and its fonts are told from others: all letters' sizes are in it."""


class Stamp(NamedTuple):
    """What the last line of a drawing says, in digests."""

    dot: str
    drawing: str
    renderer: str

    def __str__(self) -> str:
        return f"<!-- made by 'make diagrams': dot {self.dot}, drawing {self.drawing}, renderer {self.renderer} -->\n"


def items_of_ni1() -> str:
    """Return the items of the scenario's first instance, and what each stands on, as DOT text."""
    items = Agents(SCENARIO.read_text(encoding="utf-8")).items("ni1")
    nodes = [
        Node(_named(ref), tuple(sorted(map(_named, item.deps()))), "external" if item.external else "created")
        for ref, item in items.items()
    ]
    return dot("ni1", nodes)


def _named(ref: Ref) -> str:
    """Return an item's name without the digests of what a file says: the drawing is about what stands on what."""
    name = re.sub(rf"[-.]({INODE}\.)?[0-9a-f]{{8}}(?=\.|$)", "", str(ref))
    return name.replace(f"/{RUN}/instances/ni1/", "/")


DRAWINGS: Mapping[str, Callable[[], str]] = {
    "scenario": lambda: described([str(SCENARIO)]),
    "architecture": architecture,
    "processes": lambda: processes(SCENARIO.read_text(encoding="utf-8")),
    "ni1": items_of_ni1,
}
"""The drawings by the names of their files, each as DOT text."""


def digest(text: str) -> str:
    """Return the digest of a text, as stamps have it."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def renderer() -> str:
    """Return what tells this Graphviz, with the fonts that it finds, from others; raises KernelError without one."""
    return digest(render(PROBE).decode())


def drawn(text: str) -> str:
    """Return the drawing of a DOT text with its stamp."""
    svg = render(text).decode()
    return f"{svg}{Stamp(digest(text), digest(svg), renderer())}"


def stamp_of(drawing: str) -> tuple[str, Stamp]:
    """Return a drawing without its stamp, and the stamp; raises ValueError if it has none."""
    svg, line = drawing[: drawing.rstrip("\n").rfind("\n") + 1], drawing.rstrip("\n").rpartition("\n")[2]
    found = re.fullmatch(r"<!-- .*: dot (\w+), drawing (\w+), renderer (\w+) -->", line)
    if found is None:
        raise ValueError("the drawing does not end with the stamp of 'make diagrams'")
    return svg, Stamp(*found.groups())


def main() -> None:
    """Write every drawing; none if one cannot be made."""
    try:
        found = {name: drawn(make()) for name, make in DRAWINGS.items()}
    except NetnsmgrError as error:
        sys.exit(f"error: {error}")
    for name, drawing in found.items():
        (DIAGRAMS / f"{name}.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
