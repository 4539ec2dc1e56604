"""The client for programs with an asyncio loop: agents, edge supervisors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from netnsmgr.errors import Problem, Unreachable
from netnsmgr.pubsub.peer import Client
from netnsmgr.pubsub.request import Request, Transacted, transacted
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.unreachable import why
from netnsmgr.pubsub.view import Changed, View

if TYPE_CHECKING:
    # At run time it is there already if anybody can use this; the command line, which cannot, is spared 40 ms.
    import asyncio

    import zmq

LAST_WORDS = 0.2
"""Seconds that closing waits for what was published to leave, if it has not."""


class AsyncClient:
    """``async with AsyncClient(run_dir, name) as client``.  The hub may come later, go, and come back.

    It drives a ``Client`` from the loop's readers and one timer, and sleeps while nothing happens.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        name: str,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._client = Client(run_dir, name, context)
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self._closed = False
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        for fd in self._client.filenos():
            self._loop.add_reader(fd, self._pump)
        self._pump_soon()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Send what was published last, and close."""
        # A process that publishes its last word and goes may not even be connected yet.
        self._pump()
        await self.wait(lambda: not self._client.unsent, LAST_WORDS)
        self._closed = True
        if self._timer:
            self._timer.cancel()
        for fd in self._client.filenos():
            self._loop.remove_reader(fd)
        self._client.close()

    @property
    def connected(self) -> bool:
        """Whether there is a hub at the other end."""
        return self._client.connected

    def subscribe(self, table: str, on_change: Changed | None = None) -> View:
        """A table's rows, kept up to date; complete when ``view.synchronized``."""
        view = self._client.subscribe(table, on_change)
        self._pump_soon()
        return view

    def unsubscribe(self, table: str) -> None:
        """Forget a table."""
        self._client.unsubscribe(table)
        self._pump_soon()

    def heed_restarts(self) -> None:
        """Have puts put again to a hub that restarts, also if nothing is subscribed to."""
        self._client.listen()
        self._pump_soon()

    def publish(self, table: str, key: str, value: Row | None) -> None:
        """Set or delete a row of status, without waiting for anything; told again to a hub that restarts."""
        if self._client.publish(table, key, value):
            self._pump_soon()

    def restarted(self, table: str) -> None:
        """Say that every row that we know of this table has been put; older ones of this writer go away."""
        self._client.restarted(table)
        self._pump_soon()

    def on_refused(self, callback: Callable[[tuple[Problem, ...]], None]) -> None:
        """Have refusals of what was published told to ``callback`` instead of the log."""
        self._client.on_refused = callback

    def look_again(self) -> None:
        """Have what is waited for looked at, although nothing has arrived."""
        self._pump_soon()

    async def put(
        self, changes: Iterable[tuple[str, str, Row | None]], *, takeover: bool = False, timeout: float = 10.0
    ) -> int:
        """Change rows, all or none; the revision in which they are.

        Raises ConfigError with everything that is wrong with them, or Unreachable after ``timeout`` seconds.
        """
        return (await self.transact(changes, takeover=takeover, timeout=timeout)).revision

    async def transact(
        self,
        changes: Iterable[tuple[str, str, Row | None]],
        *,
        takeover: bool = False,
        replace: bool = False,
        confirm: float = 0.0,
        timeout: float = 10.0,
    ) -> Transacted:
        """The same; with ``replace`` these are all that this writer has of configuration.

        With ``confirm`` they go after so many seconds, unless the call ``confirm`` says that they may stay.
        """
        end = self._loop.time() + timeout
        asked = self._client.put(changes, end, takeover=takeover, replace=replace, confirm=confirm)
        return transacted(await self._finished(asked))

    async def call(self, name: str, value: Any = None, *, timeout: float = 10.0) -> Any:
        """What the daemon's handler answers; raises what it raised, or Unreachable."""
        return await self._finished(self._client.call(name, value, self._loop.time() + timeout))

    async def snapshot(self, table: str, *, timeout: float = 10.0) -> dict[str, Row]:
        """A table's rows as they are now; raises Unreachable."""
        view = self._client.glance(table)
        self._pump_soon()
        try:
            if not await self.wait(lambda: view.synchronized, timeout):
                raise Unreachable(why(self._client.run_dir))
            return dict(view.rows)
        finally:
            self._client.end_glance(view)

    async def wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until the predicate, looked at whenever something has arrived, holds.

        False after ``timeout`` seconds (None: never).
        """
        import asyncio

        if predicate():
            return True
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((predicate, future))
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return predicate()
        finally:
            self._waiters = [w for w in self._waiters if w[1] is not future]
        return True

    async def _finished(self, request: Request) -> Any:
        future: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        request.done = done
        self._pump_soon()
        try:
            await future
        finally:
            self._client.forget(request)  # for the case that the caller was cancelled
        return request.result()

    def _pump_soon(self) -> None:
        """Once, however much is published in one go."""
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._soon = False
        if self._closed:
            return
        if self._client.pump(self._loop.time()):
            self._pump_soon()
        for predicate, future in self._waiters:
            if not future.done() and predicate():
                future.set_result(None)
        deadline = self._client.next_deadline()
        if self._timer and self._timer.when() != deadline:
            self._timer.cancel()
            self._timer = None
        if deadline is not None and not self._timer:
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()
