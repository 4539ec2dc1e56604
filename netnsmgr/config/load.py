"""Files into documents: read, parsed, and every value's place remembered.  No models, no pydantic."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netnsmgr.config.compose import Composer, Node
from netnsmgr.errors import ConfigError, Problem

MAX_BYTES = 4 * 1024 * 1024
"""The largest file that is read, in bytes; 250 instances with 500 apps are a thirtieth of it."""

KEY_PROBLEMS = ("unknown field ", "unsupported field ", "key ")
"""Beginnings of the problems that are about a key itself, not about its value."""


Foreign = Callable[[str, str], Sequence[dict[str, Any]] | None]
"""Makes documents of a text of another form, and its file's name; None if it is none.  May raise ConfigError."""


@dataclass
class Loaded:
    """Documents as plain values, in the order of the files, and where each stood.

    ``problems`` are the faults found while reading.  If ``complete`` is false, part of a text could not be
    understood, and problems *between* documents may be about what was lost: report only ``problems`` then.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True
    _places: list[tuple[str, Node]] = field(default_factory=list, repr=False)
    _aliased: int = field(default=0, repr=False)
    _foreign: Foreign | None = field(default=None, repr=False)

    def locate(self, problem: Problem) -> Problem:
        """Return the problem with file, line and column of its place, as near as the text has it.

        A wrong value is pointed at itself, an unknown field at its key, a missing field at its parent.
        A problem that has a file already, or is of no document here (a negative index), stays as it is.
        """
        if problem.file or not 0 <= problem.document < len(self._places):
            return problem
        file, node = self._places[problem.document]
        line, column = find(node, problem.where, at_key=problem.what.startswith(KEY_PROBLEMS))
        return replace(problem, file=file, line=line, column=column)

    def report(self, found: Iterable[Problem] = ()) -> list[Problem]:
        """Return the problems of reading and those ``found`` by a check, located, in the order of the text."""
        files: dict[str, int] = {}
        for file, _ in self._places:
            files.setdefault(file, len(files))
        problems = [*self.problems, *map(self.locate, found)]
        return sorted(problems, key=lambda p: (p.file == "", files.get(p.file, 0), p.file, p.line, p.column))

    def require(self, found: Iterable[Problem] = ()) -> None:
        """Raise ConfigError if there is any problem."""
        if problems := self.report(found):
            raise ConfigError(problems)


def load(paths: Iterable[str | os.PathLike[str]], foreign: Foreign | None = None) -> Loaded:
    """Read files, directories (their ``*.yaml`` and ``*.yml``, sorted) and ``-`` (standard input).

    Raises nothing: what cannot be read is among the problems.
    """
    loaded = Loaded(_foreign=foreign)
    for path in paths:
        for file in _files(loaded, os.fspath(path)):
            _read(loaded, file)
    return loaded


def load_text(text: str | bytes, name: str = "<text>") -> Loaded:
    """Read documents from a text; ``name`` stands for the file in problems."""
    loaded = Loaded()
    _add(loaded, name, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return loaded


def _files(loaded: Loaded, path: str) -> Iterator[str]:
    if path == "-" or not Path(path).is_dir():
        yield path
        return
    try:
        names = sorted(
            entry for entry in os.listdir(path) if entry.endswith((".yaml", ".yml")) and entry[0] != "."
        )
    except OSError as error:
        _fault(loaded, path, f"cannot be read: {error.strerror}")
        return
    if not names:
        _fault(loaded, path, "the directory has no *.yaml or *.yml file")
    yield from (os.path.join(path, name) for name in names)


def _read(loaded: Loaded, file: str) -> None:
    try:
        if file == "-":
            _add(loaded, "<stdin>", sys.stdin.buffer.read(MAX_BYTES + 1))
            return
        with open(file, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        _fault(loaded, file, f"cannot be read: {error.strerror}")
        return
    _add(loaded, file, data)


def _add(loaded: Loaded, file: str, data: bytes) -> None:
    """Append the documents of one file."""
    if len(data) > MAX_BYTES:
        _fault(loaded, file, f"larger than {MAX_BYTES // 1024 // 1024} MiB; split it into several files")
        return
    text = _decode(loaded, file, data)
    if text is None:
        return

    try:
        made = loaded._foreign(text, file) if loaded._foreign else None
    except ConfigError as error:
        loaded.complete = False
        loaded.problems += error.problems
        return
    if made is not None:
        loaded.documents += made
        loaded._places += [(file, (1, 1, None))] * len(made)
        return

    def report(what: str, line: int, column: int) -> None:
        loaded.problems.append(Problem(what, document=-1, file=file, line=line, column=column))

    before = len(loaded.problems)
    count = 0
    composer = Composer(text, report, loaded._aliased)
    for value, node in composer.documents():
        if value is None:  # nothing between two '---'
            continue
        count += 1
        if isinstance(value, dict):
            loaded.documents.append(value)
            loaded._places.append((file, node))
        else:
            report("a document must be a mapping with apiVersion, kind, metadata and spec", node[0], node[1])
    loaded.complete &= composer.complete
    loaded._aliased = composer.aliased
    if count == 0 and len(loaded.problems) == before:
        report("the file is empty: it has no document; write at least one, or leave the file out", 1, 1)


def _decode(loaded: Loaded, file: str, data: bytes) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _fault(loaded, file, "the text is UTF-16; save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line_start = before.rfind(b"\n") + 1
        _fault(
            loaded,
            file,
            f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8",
            before.count(b"\n") + 1,
            len(before[line_start:].decode("utf-8-sig")) + 1,
        )
        return None


def _fault(loaded: Loaded, file: str, what: str, line: int = 1, column: int = 1) -> None:
    """Report that a file could not be read at all."""
    loaded.complete = False
    loaded.problems.append(Problem(what, document=-1, file=file, line=line, column=column))


def find(node: Node, where: tuple[str | int, ...], *, at_key: bool) -> tuple[int, int]:
    """Return line and column of the place in the document, or of the nearest place around it."""
    line, column, inside = node
    key = (line, column)
    for step in where:
        if isinstance(inside, dict) and step in inside:
            key_line, key_column, (line, column, inside) = inside[step]
            key = (key_line, key_column)
        elif isinstance(inside, list) and isinstance(step, int) and 0 <= step < len(inside):
            line, column, inside = inside[step]
            key = (line, column)
        else:
            return key
    # Only a scalar that is written out has a place of its own worth pointing at.
    return (line, column) if inside is True and not at_key else key
