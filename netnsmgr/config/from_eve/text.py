"""A JSON text into plain values, each with its place.  Pure.

The standard library's reader gives no places, and our reader of YAML refuses texts that are JSON: those indented with
tabs, or with characters escaped as surrogates.  Strictly RFC 8259, but for a limit of depth; a key that is there twice
is a fault, as in protobuf's reader.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any, NoReturn

from netnsmgr.config.compose import MAX_DEPTH, Node
from netnsmgr.errors import ConfigError, Problem

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# Possessive, so that a text that is not closed costs no more than one that is.
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+"')
_WORD = re.compile(r"[A-Za-z]+")
_WORDS = {"true": True, "false": False, "null": None}
_DIGITS = 25
"""Integers with more are no number of this format; Python would take quadratic time for them."""


def read(text: str, file: str) -> tuple[Any, Node]:
    """Return the value, and its places as `load.find` takes them; raises ConfigError."""
    return _Reader(text, file).whole()


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._twice: list[Problem] = []

    def whole(self) -> tuple[Any, Node]:
        value, node, at = self._value(self._space(0), 0)
        if (at := self._space(at)) != len(self._text):
            self._wrong("something follows the end of the document; a file holds one", at)
        if self._twice:
            raise ConfigError(self._twice)
        return value, node

    def _value(self, at: int, depth: int) -> tuple[Any, Node, int]:
        begin, first = at, self._text[at : at + 1]
        inside: Any = True
        value: Any
        if depth > MAX_DEPTH:
            self._wrong(f"nested more than {MAX_DEPTH} deep", at)
        if first == "{":
            value, inside, at = self._object(at + 1, depth)
        elif first == "[":
            value, inside, at = self._array(at + 1, depth)
        elif first == '"':
            value, at = self._string(at)
        elif (number := _NUMBER.match(self._text, at)) is not None:
            whole = not number[2] and not number[3] and len(number[1]) <= _DIGITS
            value, at = (int(number[0]) if whole else float(number[0])), number.end()
        else:
            word = _WORD.match(self._text, at)
            if word is None or word[0] not in _WORDS:
                self._wrong("a value is missing here, or is none of JSON's", at)
            value, at = _WORDS[word[0]], word.end()
        return value, (*self._place(begin), inside), at

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], dict[str, Any], int]:
        values: dict[str, Any] = {}
        nodes: dict[str, tuple[int, int, Node]] = {}
        at = self._space(at)
        while self._text[at : at + 1] != "}":
            if values or nodes:
                at = self._space(self._after(at, ",", "',' or '}'"))
            begin = at
            if self._text[at : at + 1] != '"':
                self._wrong("a key in double quotes is missing", at)
            key, at = self._string(at)
            at = self._after(self._space(at), ":", "':'")
            value, node, at = self._value(self._space(at), depth + 1)
            place = self._place(begin)
            if key in values:
                line, column, _ = nodes[key]
                what = f"duplicate key {shown(key)}; it was first given at line {line}, column {column}"
                self._twice.append(Problem(what, file=self._file, line=place[0], column=place[1]))
            else:
                values[key], nodes[key] = value, (*place, node)
            at = self._space(at)
        return values, nodes, at + 1

    def _array(self, at: int, depth: int) -> tuple[list[Any], list[Node], int]:
        values: list[Any] = []
        nodes: list[Node] = []
        at = self._space(at)
        while self._text[at : at + 1] != "]":
            if values:
                at = self._space(self._after(at, ",", "',' or ']'"))
            value, node, at = self._value(at, depth + 1)
            values.append(value)
            nodes.append(node)
            at = self._space(at)
        return values, nodes, at + 1

    def _string(self, at: int) -> tuple[str, int]:
        found = _STRING.match(self._text, at)
        if found is None:
            self._wrong(
                "a text in double quotes is not closed, or has a character or escape that JSON has not", at
            )
        text: str = json.loads(found[0])
        return text, found.end()

    def _after(self, at: int, sign: str, wanted: str) -> int:
        if self._text[at : at + 1] != sign:
            self._wrong(f"{wanted} is missing", at)
        return at + 1

    def _space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        assert found is not None
        return found.end()

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def _wrong(self, what: str, at: int) -> NoReturn:
        line, column = self._place(at)
        raise ConfigError([Problem(f"is no JSON: {what}", file=self._file, line=line, column=column)])


def shown(text: object) -> str:
    """Return somebody else's word as part of a sentence: short, on one line, and printable everywhere."""
    written = ascii(str(text)) if not str(text).isprintable() else f"'{text}'"
    return written if len(written) <= 62 else f"{written[:60]}…'"
