"""State graphs as Graphviz DOT text: what stands on what, and in which state it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Node(NamedTuple):
    """One item of a graph; ``deps`` are the refs of what it stands on."""

    ref: str
    deps: tuple[str, ...]
    state: str = "created"
    note: str = ""


COLOURS = {
    "created": "palegreen",
    "external": "lightgrey",
    "pending": "khaki",
    "creating": "lightblue",
    "modifying": "lightblue",
    "deleting": "plum",
    "failed": "salmon",
}


def dot(title: str, nodes: Iterable[Node]) -> str:
    """Return a digraph whose arrows point from an item to its foundations, sorted by ref."""
    listed = sorted(nodes)
    known = {node.ref for node in listed}
    lines = [
        f"digraph {_quote(title)} {{",
        "  rankdir=LR; node [shape=box, style=filled, fontname=monospace, fontsize=10];",
        f"  label={_quote(title)}; fontname=monospace;",
    ]
    for node in listed:
        label = node.ref if not node.note else f"{node.ref}\n{node.note}"
        shape = ", shape=ellipse" if node.state == "external" else ""
        colour = COLOURS.get(node.state, "white")
        lines.append(f"  {_quote(node.ref)} [label={_quote(label)}, fillcolor={colour}{shape}];")
    lacking = sorted({dep for node in listed for dep in node.deps} - known)
    lines += [f"  {_quote(dep)} [shape=ellipse, fillcolor=white, style=dashed];" for dep in lacking]
    for node in listed:
        lines += [f"  {_quote(node.ref)} -> {_quote(dep)};" for dep in sorted(node.deps)]
    return "\n".join([*lines, "}", ""])


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
