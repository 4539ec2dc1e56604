"""JSON is read as the standard library reads it, and every value's place is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.from_eve.text import read, shown
from netnsmgr.config.load import find
from netnsmgr.errors import ConfigError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**23), 10**23)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, "f")
    return str(caught.value)


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_it_is_json(value: Any, indent: Any, ascii_only: bool) -> None:
    """Whatever is written by json is read back, however it is laid out."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read(text, "f")[0] == json.loads(text)


@given(st.text('{}[]":,0123456789.eE+-truefalsn\\u\t\n dD8', max_size=12) | st.text(max_size=5))
def test_what_json_is_not_is_refused(text: str) -> None:
    """What the standard library refuses is refused with a place, and nothing else but what it reads in its own way."""
    try:
        wanted = json.loads(text, parse_constant=lambda word: 1 / 0)
    except (ValueError, ZeroDivisionError):
        assert fault(text).startswith("f:")
        return
    try:
        found = read(text, "f")[0]
    except ConfigError as error:
        found, wanted = "duplicate key" in str(error), True
    assert found == wanted


@given(
    st.dictionaries(
        st.text("ab", min_size=1), st.dictionaries(st.text("ab", min_size=1), st.integers()), max_size=4
    )
)
def test_places(value: dict[str, dict[str, int]]) -> None:
    text = json.dumps(value, indent=2)
    _, node = read(text, "f")
    lines = text.split("\n")
    for key, inner in value.items():
        for name, number in inner.items():
            line, column = find(node, (key, name), at_key=False)
            assert lines[line - 1][column - 1 :].rstrip(",") == str(number)
            line, column = find(node, (key, name), at_key=True)
            assert lines[line - 1][column - 1 :].startswith(json.dumps(name))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f:1:1: is no JSON: a value is missing here"),
        ('{"a": 1,\n "a": 2}', "f:2:2: duplicate key 'a'; it was first given at line 1, column 2"),
        ('{"a" 1}', "f:1:6: is no JSON: ':' is missing"),
        ('{"a": 1 "b"}', "f:1:9: is no JSON: ',' or '}' is missing"),
        ("[1 2]", "f:1:4: is no JSON: ',' or ']' is missing"),
        ("[1,]", "f:1:4: is no JSON: a value is missing"),
        ("{a: 1}", "f:1:2: is no JSON: a key in double quotes is missing"),
        ('["a]', "f:1:2: is no JSON: a text in double quotes is not closed"),
        ('["\\x"]', "f:1:2: is no JSON: a text in double quotes is not closed"),
        ("[NaN]", "f:1:2: is no JSON: a value is missing here, or is none of JSON's"),
        ("[-Infinity]", "f:1:2: is no JSON"),
        ("{} {}", "f:1:4: is no JSON: something follows"),
        ("[" * 100_000, "f:1:66: is no JSON: nested more than 64 deep"),
        ('{"a":' * 100_000, "nested more than 64 deep"),
        ('["' + "a" * 1_000_000, "f:1:2: is no JSON: a text in double quotes is not closed"),
    ],
)  # fmt: skip
def test_faults(text: str, said: str) -> None:
    assert said in fault(text)


def test_huge_numbers_take_no_time() -> None:
    """Python would convert them in quadratic time, or refuse them in its own words."""
    assert read("9" * 1_000_000, "f")[0] == float("inf")
    assert read("-" + "9" * 1_000_000, "f")[0] == float("-inf")
    assert read("1" + "0" * 22, "f")[0] == 10**22


def test_words_of_others_are_shown_on_one_line() -> None:
    assert shown("Büro 7") == "'Büro 7'"
    assert shown("a\nb\x1b[31m") == "'a\\nb\\x1b[31m'"
    assert shown("\ud800") == "'\\ud800'"
    assert len(shown("x" * 1000)) == 62
