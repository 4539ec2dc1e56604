"""What an agent hears of beside netlink: files at once, everything that nobody tells of now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netnsmgr.agent import drifting
from netnsmgr.agent.drifting import IN_FILES, UNHEARD, Drifting
from netnsmgr.agent.reconciler import Outcome
from netnsmgr.core.item import state
from netnsmgr.items.file import Directory


class Passes:
    """A reconciler of straw: ``different`` says what a quick look finds."""

    def __init__(self) -> None:
        self.different = False
        self.asked: list[Sequence[Any]] = []

    async def differs(self, kinds: Sequence[Any]) -> bool:
        self.asked.append(kinds)
        return self.different


async def woken(etc: Path, passes: Passes, change: object = None) -> bool:
    """Whether the agent is woken within a moment."""
    woke = asyncio.Event()
    system: Any = SimpleNamespace(files=SimpleNamespace(etc=str(etc)), netns_inode=1)
    events: Any = SimpleNamespace(tell=lambda *_, **__: None)
    watched = Drifting("ni1", False, system, events, woke.set)
    reconciler: Any = passes
    watched.rest(reconciler, Outcome({}, state([Directory(str(etc))])))
    if callable(change):
        change()
    try:
        async with asyncio.timeout(0.5):
            await woke.wait()
    except TimeoutError:
        return False
    finally:
        watched.close()
    return True


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    made = tmp_path / "etc"
    made.mkdir()
    return made


@pytest.mark.parametrize("different", [True, False])
def test_a_changed_file_is_looked_at(etc: Path, different: bool) -> None:
    """And wakes the agent if it is another one than it was; not when somebody has written the same."""
    passes = Passes()
    passes.different = different
    assert asyncio.run(woken(etc, passes, lambda: (etc / "hosts").write_text("a"))) == different
    assert passes.asked == [IN_FILES]


def test_what_nobody_tells_of_is_looked_at_now_and_then(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "PERIOD", 0.05)
    passes = Passes()
    assert not asyncio.run(woken(etc, passes))
    assert len(passes.asked) > 2
    assert set(passes.asked) == {UNHEARD}
    passes.different = True
    assert asyncio.run(woken(etc, passes))
