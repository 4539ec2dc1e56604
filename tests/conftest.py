"""What all storeys share."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.lab.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden/*.txt anew instead of comparing"
    )
