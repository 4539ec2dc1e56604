"""The drawings of diagrams/ are those that the source and the scenario make now, and nobody has edited them."""

from __future__ import annotations

import re
import shutil

import pytest

from poc.architecture import below, reduced, rooms
from poc.diagrams import DIAGRAMS, DRAWINGS, Stamp, digest, drawn, renderer, stamp_of

HINT = "run 'make diagrams', look at the result, and commit it"
with_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def stored(name: str) -> str:
    return (DIAGRAMS / f"{name}.svg").read_text(encoding="utf-8")


def fault(drawing: str, dot: str) -> str:
    """What is wrong with a drawing that is to be that of this DOT text; nothing if it is right."""
    try:
        svg, stamp = stamp_of(drawing)
    except ValueError as error:
        return str(error)
    if stamp.drawing != digest(svg):
        return "was edited by hand"
    return "" if stamp.dot == digest(dot) else "is stale"


@pytest.mark.parametrize("name", DRAWINGS)
def test_fresh(name: str) -> None:
    assert not fault(stored(name), DRAWINGS[name]()), HINT


@with_graphviz
@pytest.mark.parametrize("name", DRAWINGS)
def test_same_bytes(name: str) -> None:
    """Where Graphviz and its fonts are those of who made the drawing, it is the same to the last byte."""
    if stamp_of(stored(name))[1].renderer != renderer():
        pytest.skip("another Graphviz, or other fonts, than the drawing was made with")
    assert drawn(DRAWINGS[name]()) == stored(name), HINT


def test_all_are_covered() -> None:
    """No drawing lies there that nobody makes, and each is explained."""
    assert {path.stem for path in DIAGRAMS.glob("*.*")} - {"README"} == set(DRAWINGS)
    readme = (DIAGRAMS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- `(\w+)\.svg`", readme, re.MULTILINE)) == set(DRAWINGS)


def test_faults_are_found() -> None:
    """An edited drawing, one of another text, one without a stamp, and one whose stamp was adapted to the edit alone."""
    svg = "<svg>\n</svg>\n"
    right = f"{svg}{Stamp(digest('a'), digest(svg), 'r')}"
    assert fault(right, "a") == ""
    assert fault(right, "b") == "is stale"
    assert fault(right.replace("<svg>", "<svg >"), "a") == "was edited by hand"
    assert "does not end" in fault(svg, "a")
    assert "does not end" in fault(right + "<!-- more -->\n", "a")
    assert "does not end" in fault("", "a")


@with_graphviz
@pytest.mark.parametrize("name", DRAWINGS)
def test_readable(name: str) -> None:
    """Nothing smaller than 9 points, opaque behind it, and fonts that are everywhere."""
    svg = stored(name)
    sizes = {float(size) for size in re.findall(r'font-size="([\d.]+)"', svg)}
    assert min(sizes) >= 9
    assert re.search(r'<polygon fill="(white|#ffffff)" stroke="transparent"', svg)
    assert all(
        "sans-serif" in each or "monospace" in each for each in re.findall(r'font-family="([^"]+)"', svg)
    )


def test_arrows_are_reduced() -> None:
    """Whom a room reaches by the arrows that are drawn is whom it imports, and what these import; rooms in a circle are refused."""
    arrows = rooms()
    drawn_ = {room: frozenset(reduced(arrows, room)) for room in arrows}
    for room in arrows:
        assert below(drawn_, room) == below(arrows, room)
        assert all(each not in below(drawn_, other) for each in drawn_[room] for other in drawn_[room])
    assert {"kernel", "items"} <= below(drawn_, "agent")
    circle = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")}
    with pytest.raises(ValueError, match="a → b → c → a"):
        below(circle, "a")
