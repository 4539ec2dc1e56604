"""Frames: what is sent arrives as it was, and whatever else arrives is a WireError."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netnsmgr.core.clone import Cmd, Msg
from netnsmgr.errors import Problem
from netnsmgr.pubsub import row, wire
from netnsmgr.pubsub.row import Change, WireError, check_changes, dump, load

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=60)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(), JSON, max_size=4)
CHANGES = st.lists(st.builds(Change, NAMES, NAMES, st.none() | ROWS), min_size=1, max_size=4).map(tuple)
IDS = st.binary(max_size=20)
PROBLEMS = st.builds(
    Problem,
    st.text(),
    st.lists(st.text() | st.integers()).map(tuple),
    st.integers(),
    st.text(),
    st.integers(),
)
WAITS = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
REQUESTS = st.one_of(
    st.builds(wire.Snapshot, NAMES),
    st.builds(wire.Put, IDS, NAMES, IDS, CHANGES, st.booleans(), st.booleans(), WAITS),
    st.builds(wire.Restarted, NAMES, IDS, NAMES),
    st.builds(wire.Call, IDS, NAMES, JSON),
)
ANSWERS = st.one_of(
    st.builds(wire.Ack, IDS, st.integers(0, 10**15)),
    st.builds(wire.Refused, IDS, st.lists(PROBLEMS, max_size=3).map(tuple)),
    st.builds(wire.Result, IDS, JSON),
    st.builds(wire.Failed, IDS, st.text()),
)
VERBS = [
    b"SNAPSHOT",
    b"PUT",
    b"RESTARTED",
    b"CALL",
    b"ACK",
    b"REFUSED",
    b"RESULT",
    b"ERROR",
    b"KVPUB",
    b"HUGZ",
]
FRAMES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [
                *VERBS,
                b"T\0",
                b"takeover",
                b"replace",
                b"takeover confirm=60000",
                b"12345678",
                b"[]",
                b"{}",
                b"[[1,2,3]]",
                b'[["t","k",[]]]',
            ]
        ),
        JSON.map(dump),
    ),
    max_size=7,
)


@given(REQUESTS)
def test_request_there_and_back(request: wire.Request) -> None:
    """A request arrives as it was sent."""
    assert wire.decode_request(wire.encode_request(request)) == request


@given(ANSWERS)
def test_answer_there_and_back(answer: wire.Answer) -> None:
    """An answer arrives as it was sent."""
    assert wire.decode_reply(wire.encode_answer(answer)) == answer


@given(
    NAMES,
    st.builds(
        Msg,
        st.sampled_from(Cmd),
        st.binary(min_size=1, max_size=8),
        st.integers(0, 2**64 - 1),
        NAMES,
        st.binary(),
    ),
)
def test_update_there_and_back(table: str, msg: Msg) -> None:
    """An update arrives as it was sent, and is told from an answer by itself."""
    assert wire.decode_reply(wire.encode_update(table, msg)) == (table, msg)


@given(FRAMES)
@example([b"PUT", b"1", b"w", b"", b"", b'[["t","k",{"x":1e999}]]'])
@example([b"PUT", b"1", b"w", b"", b"", b'[["t","\\ud800",{}]]'])
@example([b"PUT", b"1", b"w", b"", b"", b"[" * 100_000])
@example([b"PUT", b"1", b"w", b"", b"", b"9" * 5000])
@example([b"CALL", b"1", b"\xff", b"1"])
@example([b"REFUSED", b"1", b'[{"what":1}]'])
@example([b"T\0", b"KVPUB", b"e", b"12345678", b"\xff", b""])
@example([])
def test_garbage_is_a_wire_error(frames: list[bytes]) -> None:
    """Any frames are a message or a WireError, nothing else; and what was taken for a message can be sent."""
    for decode, encode in (wire.decode_request, wire.encode_request), (wire.decode_reply, None):
        try:
            message = decode(frames)
        except WireError:
            continue
        if encode:
            encode(message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("t", "k")],
        ["abc"],
        [("", "k", {})],
        [("t", "a\nb", {})],
        [("t", "\0zedbox", {})],
        [("t", "k" * 256, {})],
        [("t", "k", [])],
        [("t", "k", {"x": float("nan")})],
        [("t", "k", {"x": object()})],
        [("t", "k", {"x": "y" * row.MAX_ROW})],
        [("t", "k", None)] * (row.MAX_CHANGES + 1),
    ],
    ids=[
        "no-row",
        "no-value",
        "text",
        "no-table",
        "newline",
        "mark",
        "long-key",
        "list",
        "NaN",
        "object",
        "long",
        "many",
    ],
)
def test_bad_changes(changes: list[Any]) -> None:
    """What cannot be a row is refused before it is sent, and again when it arrives."""
    with pytest.raises(WireError):
        check_changes(changes)


def test_equal_values_have_equal_bytes() -> None:
    """The order of an object's members is nobody's concern."""
    assert dump({"a": 1, "b": [1, 2]}) == dump({"b": [1, 2], "a": 1})


def test_bounds() -> None:
    """Sizes are bounded in both directions, and before any work is done."""
    with pytest.raises(WireError, match="at most 10"):
        dump("x" * 10, 10)
    with pytest.raises(WireError, match="at most 10"):
        load(b" " * 11, 10)
    with pytest.raises(WireError, match="at most"):
        wire.decode_update([b"T\0", b"KVPUB", b"e", b"12345678", b"k", b" " * (row.MAX_ROW + 1)])


def test_topics_do_not_overlap() -> None:
    """A subscription goes by prefix, and AgentConfig/a is one of AgentConfig/ab."""
    assert not wire.topic("AgentConfig/ab").startswith(wire.topic("AgentConfig/a"))
    assert wire.table_of(wire.topic("AgentConfig/a")) == "AgentConfig/a"
    assert wire.table_of(wire.topic(wire.CONTROL)) == wire.CONTROL
