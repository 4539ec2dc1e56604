"""Systemd's watchdog is told what is true: that the hub's sockets answer."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.store import Store
from netnsmgr.supervisor.watchdog import ALIVE, answer, watchdog, watchdog_seconds


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_who_is_watched(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ) == seconds


def test_nothing_is_said_while_the_hub_does_not_answer(tmp_path: Path) -> None:
    """The loop goes round and the sockets are there; what is asked is not answered, and then it is."""

    async def run() -> None:
        told: list[str] = []
        asked, works = asyncio.Event(), asyncio.Event()

        async def hangs(value: Any) -> bool:
            asked.set()
            await works.wait()
            return await answer(value)

        async with Hub(tmp_path / "run", Store(tmp_path / "state")) as hub:
            hub.serve(ALIVE, hangs)
            task = asyncio.create_task(watchdog(str(tmp_path / "run"), 0.15, told.append))
            async with asyncio.timeout(10):
                for _ in range(2):
                    await asked.wait()
                    asked.clear()
            assert told == []
            works.set()
            async with asyncio.timeout(10):
                while not told:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert set(told) == {"WATCHDOG=1"}

    asyncio.run(run())
