"""What all storeys share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is a matter of who else is at work on the machine.
settings.register_profile("netnsmgr", deadline=None)
settings.load_profile("netnsmgr")

pytest_plugins = ["tests.lab.plugin"]

STOREYS = ("scenarios", "kernel")
"""In which order several processes take the files of tests, before those of all other directories."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden/*.txt anew instead of comparing"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several processes (``-n``) begin with the files that take minutes, so that none is left for the end, when the
    others are idle; one process begins with the quick ones."""
    if hasattr(config, "workerinput"):
        items.sort(key=_storey)


def _storey(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).parts[0]
    return STOREYS.index(name) if name in STOREYS else len(STOREYS)
