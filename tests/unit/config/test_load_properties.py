"""Properties of the loader over generated texts."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.config.load import load_text
from netnsmgr.errors import Problem

KEYS = st.text("abcxyz", min_size=1, max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_json_is_yaml(documents: list[dict[str, Any]]) -> None:
    """Whatever JSON can say is read back as it was."""
    text = "\n---\n".join(json.dumps(document, ensure_ascii=False) for document in documents)
    loaded = load_text(text)
    assert loaded.problems == []
    assert loaded.documents == documents


def block(
    value: Any, indent: int, path: tuple[str | int, ...], row: list[str], places: dict[Any, tuple[int, int]]
) -> None:
    """Write ``value`` in block style to ``row`` and note where its scalars are."""
    pad = " " * indent
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        head = f"{pad}{key}:" if isinstance(key, str) else f"{pad}-"
        if inner and isinstance(inner, dict | list):
            row.append(head)
            block(inner, indent + 2, (*path, key), row, places)
        else:
            row.append(f"{head} {json.dumps(inner, ensure_ascii=False)}")
            if not isinstance(inner, dict | list):
                places[(*path, key)] = (len(row), len(head) + 2)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_positions(document: dict[str, Any]) -> None:
    """Every scalar of a text in block style is located at the line and column where it was written."""
    row: list[str] = []
    places: dict[Any, tuple[int, int]] = {}
    block(document, 0, (), row, places)
    loaded = load_text("\n".join(row))
    assert loaded.documents == [document]
    for path, place in places.items():
        problem = loaded.locate(Problem("wrong", path))
        assert (problem.line, problem.column) == place


SNIPPETS = st.sampled_from(
    [
        "a: ",
        "- ",
        "\n",
        "  ",
        "---\n",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "&a ",
        "*a ",
        "!!int ",
        ": ",
        "? ",
        "|\n",
        "#",
        "\t",
    ]
)


@settings(max_examples=300)
@given(st.lists(SNIPPETS | st.text(max_size=3), max_size=30).map("".join))
def test_never_raises(text: str) -> None:
    """Any text is either read or has a fault within it; no text raises."""
    loaded = load_text(text.encode("utf-8", "surrogatepass"))
    assert loaded.documents or loaded.problems
    rows = (
        text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
    )
    for problem in loaded.problems:
        assert 1 <= problem.line <= rows + 2
        assert problem.column >= 1
