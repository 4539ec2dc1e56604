"""A place for a hub, and short words to make one and its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netnsmgr.errors import Problem
from netnsmgr.pubsub.client import AsyncClient
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Store

Until = Callable[[AsyncClient, Callable[[], bool]], Coroutine[Any, Any, None]]
"""``await until(client, predicate)``: assert that it comes to hold."""


async def refuse_bad(changes: Sequence[Change]) -> list[Problem]:
    """A validation that finds fault with every value that has "bad" in it."""
    return [
        Problem("is bad", ("spec", "bad"), document=n)
        for n, change in enumerate(changes)
        if change.value and "bad" in change.value
    ]


@dataclass
class Site:
    """Directories for a hub, and short words to make one and its clients."""

    run: Path
    state: Path

    def hub(self, **options: Any) -> Hub:
        # No heartbeat unless asked for, so that no test passes because of one.
        return Hub(self.run, Store(self.state), **{"validate": refuse_bad, "heartbeat": 1000, **options})

    def client(self, name: str = "zedbox", **options: Any) -> AsyncClient:
        return AsyncClient(self.run, name, **options)

    @asynccontextmanager
    async def _both(self, **options: Any) -> AsyncIterator[tuple[Hub, AsyncClient]]:
        async with self.hub(**options) as hub, self.client() as client:
            yield hub, client

    def both(self, **options: Any) -> AbstractAsyncContextManager[tuple[Hub, AsyncClient]]:
        """A hub and a client of it."""
        return self._both(**options)
