"""The user's files: reading them, and showing the daemon's objections where they are in the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from netnsmgr.cli.changes import Delta
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.place import Place
from netnsmgr.client.kinds import BY_DOCUMENT, CONFIG_TABLES
from netnsmgr.config.load import Loaded, load
from netnsmgr.errors import ConfigError, Problem, Unreachable


def read(files: tuple[str, ...], more: tuple[str, ...], place: Place) -> Loaded:
    """Load the files named in either way, as arguments or by ``-f``; none at all is an error.

    Raises ConfigError if the texts cannot be read or a document does not say which object it is.  The rest is
    the daemon's to check, which has to anyway: this process need not import the models, and so is fast.
    """
    paths = [*files, *more]
    if not paths:
        raise click.UsageError("name the input: a file, a directory of *.yaml files, or - for standard input")
    loaded = load(paths)
    twice = _twice(loaded)
    if loaded.problems or twice or not all(map(_says_what, loaded.documents)):
        faults = _faults(loaded, place) if loaded.complete else []
        # The check says of a duplicate only where the second one is.
        raise ConfigError([*twice, *loaded.report(fault for fault in faults if not _duplicate(fault))])
    return loaded


def _twice(loaded: Loaded) -> list[Problem]:
    """Return a problem for each document that describes the same object as one before it, with both positions."""
    problems = []
    first: dict[tuple[str, str], str] = {}
    for index, document in enumerate(loaded.documents):
        if not _says_what(document):
            continue
        kind, name = document["kind"], document["metadata"]["name"]
        at = loaded.locate(Problem("", document=index))
        here = f"{at.file}:{at.line}"
        if (before := first.setdefault((kind, name), here)) is not here:
            problems.append(Problem(f"{kind} '{name}' is written twice: {before} and {here}", document=index))
    return problems


def _duplicate(fault: Problem) -> bool:
    return fault.where == ("metadata", "name") and fault.what.startswith("duplicate ")


def check_here(loaded: Loaded, existing: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the documents in this process, for what cannot even be sent; raises ConfigError."""
    from netnsmgr.config.check import check

    _, problems = check(loaded.documents, existing)
    loaded.require(problems)


def _says_what(document: Mapping[str, Any]) -> bool:
    """Whether a document can be told by kind and name."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return document.get("kind") in BY_DOCUMENT and isinstance(name, str) and name.isprintable() and name != ""


def _faults(loaded: Loaded, place: Place) -> list[Problem]:
    """Find the remaining faults of files that have some already, so that all are reported together."""
    from netnsmgr.config.check import check

    try:
        with Daemon(place) as daemon:
            existing = daemon.rows(*CONFIG_TABLES)
    except Unreachable:
        # What refers to other objects cannot be judged without knowing which the daemon has.
        return [
            replace(problem, document=index)
            for index, document in enumerate(loaded.documents)
            if not _says_what(document)
            for problem in check([document], {})[1]
        ]
    return check(loaded.documents, existing)[1]


def refusal(
    loaded: Loaded, changes: Sequence[Delta], problems: Iterable[Problem | Mapping[str, Any]]
) -> ConfigError:
    """Return the daemon's problems as an error that says file, line and column.

    The daemon counts the rows of the transaction; those after the documents are what ``--prune`` deletes,
    which no file mentions.
    """
    located = []
    for given in problems:
        problem = given if isinstance(given, Problem) else _problem(given)
        if len(loaded.documents) <= problem.document < len(changes):
            what = f"{problem.what} (--prune would delete {changes[problem.document].label})"
            problem = replace(problem, what=what)
        located.append(problem)
    return ConfigError(loaded.report(located))


def _problem(record: Mapping[str, Any]) -> Problem:
    where = tuple(record.get("where", ()))
    return Problem(str(record.get("what", "refused")), where, int(record.get("document", 0)))
