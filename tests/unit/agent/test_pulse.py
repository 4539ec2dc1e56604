"""An agent shows that it lives; not while a pass hangs."""

from __future__ import annotations

import asyncio
import time
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import cast

import pytest

from netnsmgr.agent.agent import Agent
from netnsmgr.agent.pulse import PASSES, Pulse
from netnsmgr.agent.words import Listener

SILENCE = 0.05


@pytest.mark.parametrize(("busy", "beats"), [(None, True), (0.0, True), (10 * PASSES * SILENCE, False)])
def test_beats(busy: float | None, beats: bool) -> None:
    async def run() -> None:
        listen, speak = Pipe(duplex=False)
        began = None if busy is None else time.monotonic() - busy
        agent = SimpleNamespace(pass_began=began, counters={"passes": 3})
        pulse = Pulse(speak, cast("Agent", agent), SILENCE)
        await asyncio.sleep(SILENCE)
        pulse.close()
        heard = Listener(listen).heard()
        assert bool(heard) == beats
        assert all(said == {"counters": {"passes": 3}} for said in heard)

    asyncio.run(run())
