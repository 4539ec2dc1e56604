"""What the user's pages show as YAML can be applied as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netnsmgr.config.check import check
from netnsmgr.config.load import load_text

PAGE = Path(__file__).parents[3] / "docs" / "switches.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_examples(number: int) -> None:
    """Each example is whole: with the line that the page leaves out, nothing is wrong with it."""
    text = re.sub(r"^kind:", "apiVersion: netnsmgr/v1alpha1\nkind:", BLOCKS[number], flags=re.MULTILINE)
    loaded = load_text(text)
    assert loaded.documents
    assert [*loaded.report([]), *check(loaded.documents, {})[1]] == []


def test_there_are_examples() -> None:
    """The page was found, and its examples, too."""
    assert len(BLOCKS) >= 5
