"""docs/client.md: its examples run and print what it says, and its rows have the fields that rows have."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.lab import ROOT
from tests.scenarios.supervisors import client, files
from tests.scenarios.world import World

pytestmark = pytest.mark.root

TEXT = (ROOT / "docs/client.md").read_text()
(SITE,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^### (\w+) (\S+)\n.*?^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        files(made.lab, site=SITE)
        yield made


def test_every_example_has_its_output() -> None:
    assert len(EXAMPLES) == TEXT.count("```python\n") == TEXT.count("```text\n") > 3


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(w: World, number: int) -> None:
    code, printed = EXAMPLES[number]
    argv = ["sh", "-c", 'cd /run/zedbox && exec "$@"', "sh", sys.executable, "-c", code]
    done = w.lab.device.run(argv, env={"PYTHONPATH": str(ROOT)}, check=False, timeout=60)
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, sorted(printed.splitlines())), (
        done.stderr
    )


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_row(w: World, number: int) -> None:
    """All fields of the row are shown, and none that it has not."""
    table, key, text = ROWS[number]
    with client(w) as c:
        if not w.lab.apps["app1"].leases:
            w.leased("ni1", "app1")
            w.lab.apps["app1"].http("http://github.com")
        shown = json.loads(text)

        def told() -> bool:
            return _same(shown, c.rows(table)[key])

        assert w.lab.device.eventually(told, timeout=10), c.rows(table)[key]


def test_tables() -> None:
    """Every table is in the lists, and every one of status that somebody writes has an example."""
    from netnsmgr.client import CONFIG_TABLES, STATUS_TABLES

    assert set(re.findall(r"^\| `(\w+)` \| (?:the|`)", TEXT, re.MULTILINE)) == {
        *CONFIG_TABLES,
        *STATUS_TABLES,
    }
    assert {table for table, _, _ in ROWS} == set(STATUS_TABLES)


def _same(shown: Any, real: Any) -> bool:
    """Whether both have the same fields, and each thing of a list that is shown has one like it."""
    if isinstance(shown, dict):
        return (
            isinstance(real, dict)
            and shown.keys() == real.keys()
            and all(_same(shown[name], real[name]) for name in shown)
        )
    if isinstance(shown, list):
        return isinstance(real, list) and all(any(_same(one, each) for each in real) for one in shown)
    return isinstance(shown, type(real)) or shown is None or real is None
