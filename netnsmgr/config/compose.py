"""One YAML text into plain values, each with its position; faults are reported and reading goes on.

Built on the parser's events instead of PyYAML's composer and constructor, because these recurse in C (a file
of brackets ends the process), resolve by YAML 1.1, drop duplicate keys silently and lose the positions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from netnsmgr.config import colons
from netnsmgr.config.scalar import plain, tagged

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # pragma: no cover - a PyYAML built without libyaml: slower, otherwise the same
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MAX_DEPTH = 64
MAX_ALIASED = 100_000
MAX_SYNTAX_ERRORS = 20

Node = tuple[int, int, Any]
"""Line and column (from 1) of a value, and what it has inside: for a mapping a dictionary of key to (line of
key, column of key, Node), for a list a list of Nodes, for a scalar whether something is written there."""

Report = Callable[[str, int, int], None]

_DOCUMENT_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_MAP_TAGS = {None, "!", "tag:yaml.org,2002:map"}
_SEQ_TAGS = {None, "!", "tag:yaml.org,2002:seq"}

_ADVICE = {
    "mapping values are not allowed in this context": "unexpected ': '; check the indentation of this line "
    "and the one before, and quote text that contains ': '",
    "found character that cannot start any token": "unexpected character; quote text that starts with it",
    "could not find expected ':'": "expected ': ' after a key; write 'key: value'",
    "did not find expected key": "expected a key; check the indentation, and that brackets and quotes are closed",
    "did not find expected '-' indicator": "expected '- ' as in the items before; check the indentation",
    "did not find expected ',' or ']'": "the list that opened with '[' is not closed; add ',' or ']'",
    "did not find expected ',' or '}'": "the mapping that opened with '{' is not closed; add ',' or '}'",
    "found unexpected document indicator": "a quoted text is not closed before this line",
    "found unexpected end of stream": "a quoted text is not closed before the end of the file",
    "found unknown escape character": 'unknown escape in "…"; double the backslash, or use single quotes',
}


class _Fatal(Exception):
    """Reading this document cannot go on."""

    def __init__(self, what: str, mark: Any) -> None:
        self.what, self.mark = what, mark
        super().__init__(what)


class Composer:
    """Reads the documents of one text.

    ``complete`` says afterwards whether all of the text was understood.  ``aliased`` counts the nodes that
    aliases stand for; over `MAX_ALIASED`, counted over all texts of one load, it is a bomb.
    """

    def __init__(self, text: str, report: Report, aliased: int = 0) -> None:
        self.complete = True
        self.aliased = aliased
        self._text = text
        self._report = report
        self._start = 0
        self._line = 1
        self._anchors: dict[str, tuple[Any, Node, int] | None] = {}
        self._events: Iterator[Any] = iter(())

    def documents(self) -> Iterator[tuple[Any, Node]]:
        """Yield each document's value and position; after a fault go on with the next ``---``."""
        faults = 0
        while True:
            try:
                yield from self._documents()
                return
            except _Fatal as fault:
                what, mark = fault.what, fault.mark
            except yaml.MarkedYAMLError as fault:
                mark = fault.problem_mark or fault.context_mark
                what = self._explain(fault, mark)
            except (yaml.YAMLError, UnicodeEncodeError) as fault:
                self._unreadable(fault)
                return
            self.complete = False
            self._fault(what, mark)
            faults += 1
            at = self._start + mark.index
            following = _DOCUMENT_START.search(self._text, at if at > self._start else at + 1)
            if following is None:
                return
            if faults == MAX_SYNTAX_ERRORS:
                self._fault("too many syntax errors; the rest of the file was not read", mark)
                return
            self._line += self._text.count("\n", self._start, following.start())
            self._start = following.start()

    def _documents(self) -> Iterator[tuple[Any, Node]]:
        self._events = yaml.parse(self._text[self._start :], Loader=Loader)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                value, node, _ = self._node(next(self._events), 1)
                yield value, node

    def _node(self, event: Any, depth: int) -> tuple[Any, Node, int]:
        """Return value, position and number of nodes of what begins with ``event``."""
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        found: tuple[Any, Node, int]
        if kind is ScalarEvent:
            mark: Any = event.start_mark
            written = event.value != "" or not event.implicit[0]
            found = (self._scalar(event), (mark.line + self._line, mark.column + 1, written), 1)
        elif depth > MAX_DEPTH:
            raise _Fatal(f"nested more than {MAX_DEPTH} deep; no document needs that", event.start_mark)
        elif kind is MappingStartEvent:
            found = self._mapping(event, depth)
        else:
            found = self._sequence(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = found
        return found

    def _scalar(self, event: ScalarEvent) -> Any:
        if event.implicit[0]:
            return plain(event.value)
        if event.tag is None or event.implicit[1]:
            return event.value
        try:
            return tagged(event.tag, event.value)
        except ValueError as fault:
            self._fault(str(fault), event.start_mark)
            return event.value

    def _alias(self, event: AliasEvent) -> tuple[Any, Node, int]:
        mark: Any = event.start_mark
        here = (mark.line + self._line, mark.column + 1, True)
        if event.anchor not in self._anchors:
            self._fault(
                f"alias *{event.anchor} has no anchor &{event.anchor} before it in this document", mark
            )
            return None, here, 1
        target = self._anchors[event.anchor]
        if target is None:
            self._fault(f"alias *{event.anchor} stands within its own anchor; write the value out", mark)
            return None, here, 1
        self.aliased += target[2]
        if self.aliased > MAX_ALIASED:
            raise _Fatal(f"aliases stand for more than {MAX_ALIASED} values; write the values out", mark)
        return target

    def _sequence(self, event: SequenceStartEvent, depth: int) -> tuple[Any, Node, int]:
        values: list[Any] = []
        nodes: list[Node] = []
        size = 1
        if event.tag not in _SEQ_TAGS:
            self._fault(f"unknown tag {event.tag}; leave it out", event.start_mark)
        for inner in self._events:
            if type(inner) is SequenceEndEvent:
                break
            value, node, count = self._node(inner, depth + 1)
            values.append(value)
            nodes.append(node)
            size += count
        mark: Any = event.start_mark
        return values, (mark.line + self._line, mark.column + 1, nodes), size

    def _mapping(self, event: MappingStartEvent, depth: int) -> tuple[Any, Node, int]:
        values: dict[str, Any] = {}
        nodes: dict[str, tuple[int, int, Node]] = {}
        size = 1
        if event.tag not in _MAP_TAGS:
            self._fault(f"unknown tag {event.tag}; leave it out", event.start_mark)
        for inner in self._events:
            if type(inner) is MappingEndEvent:
                break
            mark: Any = inner.start_mark
            key = self._key(inner, depth)
            value, node, count = self._node(next(self._events), depth + 1)
            size += count + 1
            if key is None:
                continue
            if key in values:
                first = nodes[key]
                self._fault(
                    f"duplicate key '{key}'; it was first given at line {first[0]}, column {first[1]}", mark
                )
                continue
            values[key] = value
            nodes[key] = (mark.line + self._line, mark.column + 1, node)
        mark = event.start_mark
        return values, (mark.line + self._line, mark.column + 1, nodes), size

    def _key(self, event: Any, depth: int) -> str | None:
        """Return a key, which is text as written whatever it looks like, or None after reporting a fault."""
        if type(event) is ScalarEvent:
            if event.anchor is not None:
                self._anchors[event.anchor] = (event.value, (1, 1, True), 1)
            if event.value == "<<" and event.implicit[0]:
                self._fault("merge keys (<<) are not part of YAML 1.2; repeat the fields", event.start_mark)
                return None
            if event.value or event.implicit[1]:
                return str(event.value)
            self._fault("a key is missing before ':'", event.start_mark)
            return None
        report, self._report = self._report, lambda *_: None  # one fault is enough for {{ a template }}
        try:
            value, _, _ = self._node(event, depth + 1)
        finally:
            self._report = report
        if isinstance(value, str):
            return value
        self._fault("a key must be plain text; quote it if it begins with '{' or '['", event.start_mark)
        return None

    def _fault(self, what: str, mark: Any) -> None:
        self._report(what, mark.line + self._line, mark.column + 1)

    def _explain(self, fault: yaml.MarkedYAMLError, mark: Any) -> str:
        """Return what to do about a syntax error; the library's own words where there is no better advice."""
        problem = fault.problem or "syntax error"
        at = self._start + mark.index
        if problem == "found character that cannot start any token" and self._text[at : at + 1] == "\t":
            return "a tab; YAML is indented with spaces"
        if address := colons.advice(self._text, at):
            return address
        opened = ""
        if fault.context_mark is not None and fault.context_mark.line != mark.line:
            opened = f" ({fault.context} that began at line {fault.context_mark.line + self._line})"
        return _ADVICE.get(problem, problem) + opened

    def _unreadable(self, fault: Exception) -> None:
        """Report a character that YAML does not allow, which the library gives as an offset or not at all."""
        self.complete = False
        at = re.search(
            r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", self._text
        )
        if at is None:  # pragma: no cover - the library refuses nothing else
            self._report(str(fault), 1, 1)
            return
        line_start = self._text.rfind("\n", 0, at.start()) + 1
        self._report(
            f"control character U+{ord(at.group()):04X}; YAML is plain text, remove it",
            self._text.count("\n", 0, at.start()) + 1,
            at.start() - line_start + 1,
        )
