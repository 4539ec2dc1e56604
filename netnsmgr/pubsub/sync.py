"""The client for programs that do one thing after the other: the command line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from netnsmgr.errors import Unreachable
from netnsmgr.pubsub.peer import Client
from netnsmgr.pubsub.request import Request, Transacted, transacted
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.unreachable import absent, why
from netnsmgr.pubsub.view import Changed, View

if TYPE_CHECKING:
    import zmq


class SyncClient:
    """``with SyncClient(run_dir, name) as client``.  Each method drives a ``Client`` until it has its answer.

    Raises Unreachable at once if there is no daemon or it is not ours to use: a person is waiting.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        name: str,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        if absent(run_dir):
            raise Unreachable(why(run_dir))
        self._client = Client(run_dir, name, context)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def subscribe(self, table: str, on_change: Changed | None = None) -> View:
        """A table's rows, kept up to date while ``wait`` or another method runs."""
        return self._client.subscribe(table, on_change)

    def snapshot(self, table: str, *, timeout: float = 10.0) -> dict[str, Row]:
        """A table's rows as they are now; raises Unreachable."""
        view = self._client.glance(table)
        try:
            if not self.wait(lambda: view.synchronized, timeout):
                raise Unreachable(why(self._client.run_dir))
            return dict(view.rows)
        finally:
            self._client.end_glance(view)

    def put(
        self, changes: Iterable[tuple[str, str, Row | None]], *, takeover: bool = False, timeout: float = 30.0
    ) -> int:
        """Change rows, all or none; the revision in which they are.

        Raises ConfigError with everything that is wrong with them, or Unreachable after ``timeout`` seconds.
        """
        return self.transact(changes, takeover=takeover, timeout=timeout).revision

    def transact(
        self,
        changes: Iterable[tuple[str, str, Row | None]],
        *,
        takeover: bool = False,
        confirm: float = 0.0,
        timeout: float = 30.0,
    ) -> Transacted:
        """The same; with ``confirm`` they go after so many seconds, unless the call ``confirm`` says that they may stay."""
        end = time.monotonic() + timeout
        return transacted(self._finished(self._client.put(changes, end, takeover=takeover, confirm=confirm)))

    def call(self, name: str, value: Any = None, *, timeout: float = 30.0) -> Any:
        """What the daemon's handler answers; raises what it raised, or Unreachable."""
        return self._finished(self._client.call(name, value, time.monotonic() + timeout))

    def wait(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Take in what arrives until the predicate holds; False after ``timeout`` seconds (None: never)."""
        import zmq

        end = None if timeout is None else time.monotonic() + timeout
        poller = zmq.Poller()
        for fd in self._client.filenos():
            poller.register(fd, zmq.POLLIN)
        while True:
            more = self._client.pump(time.monotonic())
            if predicate():
                return True
            now = time.monotonic()
            if end is not None and now >= end:
                return False
            times = [t for t in (end, self._client.next_deadline()) if t is not None]
            if not more:
                # Rounded up: to wake a fraction of a millisecond early would mean to spin until it has passed.
                poller.poll(max(0, int((min(times) - now) * 1000) + 1) if times else None)

    def _finished(self, request: Request) -> Any:
        self.wait(lambda: request.finished)
        return request.result()
