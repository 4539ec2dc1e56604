"""The user's files: reading them, and showing the daemon's objections where they are in the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from netnsmgr.cli.changes import Delta
from netnsmgr.config.load import Loaded, load
from netnsmgr.errors import ConfigError, Problem


def read(files: tuple[str, ...], more: tuple[str, ...]) -> Loaded:
    """Load the files named in either way, as arguments or by ``-f``; none at all is an error."""
    paths = [*files, *more]
    if not paths:
        raise click.UsageError("name the input: a file, a directory of *.yaml files, or - for standard input")
    return load(paths)


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
        if problem.document < len(loaded.documents):
            located.append(loaded.locate(problem))
        elif problem.document < len(changes):
            what = f"{problem.what} (--prune would delete {changes[problem.document].label})"
            located.append(replace(problem, what=what))
        else:
            located.append(problem)
    return ConfigError(located)


def _problem(record: Mapping[str, Any]) -> Problem:
    where = tuple(record.get("where", ()))
    return Problem(str(record.get("what", "refused")), where, int(record.get("document", 0)))
