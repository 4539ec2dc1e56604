"""Comparing with a golden file, or writing it anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
Golden = Callable[[str, str], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(name, text)``: the text is what ``<name>.txt`` holds; ``--update-golden`` makes it so."""

    def compare(name: str, text: str) -> None:
        path = HERE / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"there is no {path.name} yet: pytest --update-golden tests/golden"
        known = path.read_text(encoding="utf-8")
        assert text.splitlines() == known.splitlines(), (
            f"differs from {path.name}; --update-golden accepts it"
        )

    return compare
