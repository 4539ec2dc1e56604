"""pytest: the fixture ``lab``, the markers ``root``, ``fullkernel`` and ``bothkernels``, and the logs of all labs with
the report of a test that failed.

In ``conftest.py``: ``pytest_plugins = ["tests.lab.plugin"]``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.lab.lab import Lab

FULL = ("fullkernel", "bothkernels")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab with two ports and nothing running in it."""
    with Lab() as made:
        yield made


def pytest_runtest_setup(item: pytest.Item) -> None:
    if os.geteuid() != 0 and item.get_closest_marker("root"):
        pytest.skip("needs root")
    if item.get_closest_marker("fullkernel") and not item.config.getoption("--fullkernel"):
        pytest.skip("runs on the full kernel: make fullkernel")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fullkernel",
        action="store_true",
        help="only tests marked fullkernel or bothkernels; the kernel has it all",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fullkernel"):
        others = [item for item in items if not any(item.get_closest_marker(name) for name in FULL)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [("logs of the lab", lab.logs()) for lab in Lab.current]
    return report
