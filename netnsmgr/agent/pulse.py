"""An agent's signs of life, which its supervisor counts."""

from __future__ import annotations

import asyncio
import time
from multiprocessing.connection import Connection

from netnsmgr.agent.agent import Agent
from netnsmgr.agent.words import say

BEATS = 3
"""In the time that an agent may be silent."""
PASSES = 5
"""A pass may take so many times as long: it waits for others (helpers that start, a slow disk), and then ends."""


class Pulse:
    """Beats while the loop goes round and no pass hangs.  ``silence``: seconds after which the supervisor gives up."""

    def __init__(self, words: Connection, agent: Agent, silence: float) -> None:
        self._words = words
        self._agent = agent
        self._silence = silence
        self._beat()

    def _beat(self) -> None:
        began = self._agent.pass_began
        if began is None or time.monotonic() - began < PASSES * self._silence:
            say(self._words, counters=self._agent.counters)
        self._timer = asyncio.get_running_loop().call_later(self._silence / BEATS, self._beat)

    def close(self) -> None:
        """Say no more."""
        self._timer.cancel()
