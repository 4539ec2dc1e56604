"""pytest: the fixture ``lab``, the marker ``root``, and the logs of all labs with the report of a test that failed.

In ``conftest.py``: ``pytest_plugins = ["tests.lab.plugin"]``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.lab.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab with two ports and nothing running in it."""
    with Lab() as made:
        yield made


def pytest_runtest_setup(item: pytest.Item) -> None:
    if os.geteuid() != 0 and item.get_closest_marker("root"):
        pytest.skip("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [("logs of the lab", lab.logs()) for lab in Lab.current]
    return report
