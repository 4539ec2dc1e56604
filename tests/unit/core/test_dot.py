"""Graphs as DOT text, judged by Graphviz itself where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.core.dot import COLOURS, Node, dot

graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")

NASTY = 'a "b" \\ c\\n <x> {y|z} & -> ; é\nsecond line'


def drawn(text: str) -> str:
    return subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=True, text=True).stdout


def test_text() -> None:
    """Nodes and edges are listed by ref, states are colours, and a foundation that nobody has is dashed."""
    text = dot(
        "ni1",
        [
            Node("link/b", ("link/port", "netns/app1"), "pending", "lacks netns/app1"),
            Node("link/port", (), "external"),
            Node("address/a", ("link/b",)),
        ],
    )
    assert (
        text
        == """\
digraph "ni1" {
  rankdir=LR; node [shape=box, style=filled, fontname=monospace, fontsize=10];
  label="ni1"; fontname=monospace;
  "address/a" [label="address/a", fillcolor=palegreen];
  "link/b" [label="link/b\\nlacks netns/app1", fillcolor=khaki];
  "link/port" [label="link/port", fillcolor=lightgrey, shape=ellipse];
  "netns/app1" [shape=ellipse, fillcolor=white, style=dashed];
  "address/a" -> "link/b";
  "link/b" -> "link/port";
  "link/b" -> "netns/app1";
}
"""
    )


def test_the_text_does_not_depend_on_the_order_of_the_nodes() -> None:
    """The same graph gives the same text."""
    nodes = [Node("a", ("b",)), Node("b", ()), Node("c", ("a", "b"))]
    assert dot("t", nodes) == dot("t", reversed(nodes))


@graphviz
def test_graphviz_draws_every_state_and_any_name() -> None:
    """Quotes, backslashes, line ends and DOT's own signs in names and notes are drawn as they are."""
    nodes = [Node(f"n/{state}", (NASTY,), state, NASTY) for state in [*COLOURS, "unheard of"]]
    svg = drawn(dot(NASTY, [*nodes, Node(NASTY, ())]))
    for colour in COLOURS.values():
        assert f'fill="{colour}"' in svg
    assert "{y|z} &amp; " in svg
    assert svg.count("<title>") == len(nodes) * 2 + 2  # each node, each edge, the graph itself


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8), st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_stays_within_its_quotes(names: list[tuple[str, str]], title: str) -> None:
    """Whatever the names are, each statement is a line of its own and no quote is left open."""
    text = dot(title, [Node(ref, (dep,), note=dep) for ref, dep in names])
    for line in text.split("\n"):
        bare = line.replace("\\\\", "").replace('\\"', "")
        assert bare.count('"') % 2 == 0
