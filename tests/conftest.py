"""What all storeys share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes is a matter of who else is at work on the machine.
settings.register_profile("netnsmgr", deadline=None)
settings.load_profile("netnsmgr")

pytest_plugins = ["tests.lab.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden/*.txt anew instead of comparing"
    )
