"""The client for supervisors without a loop: plain threads, any number of them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from netnsmgr.client import RUN_DIR
from netnsmgr.client.aio import CLOSED, AsyncClient
from netnsmgr.client.documents import Document, Published, Waiting
from netnsmgr.client.feed import Change, known
from netnsmgr.client.history import Revision, RolledBack
from netnsmgr.errors import Unreachable
from netnsmgr.pubsub.view import guarded

T = TypeVar("T")


class Client:
    """``with Client("zedagent") as client``: an ``AsyncClient`` in a thread of its own, for all other threads.

    Its methods are those of ``AsyncClient``, and block.  Make it after the last fork.  Callbacks come each in a thread of
    their own, so that they may block and use the client; what they raise is logged, and they are called again.
    """

    def __init__(self, name: str, run_dir: str | os.PathLike[str] = RUN_DIR) -> None:
        self._client = AsyncClient(name, run_dir)
        self._lock = threading.Lock()
        self._closed = False
        self._listeners: list[threading.Thread] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="netnsmgr", daemon=True)
        self._thread.start()
        self._do(self._client.__aenter__())

    def __enter__(self) -> Self:
        """Return itself; it connects by itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close; what is iterated ends, what waits raises Unreachable, and no callback is called afterwards."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for thread in self._listeners:
            if thread is not threading.current_thread():
                thread.join()

    # --- connection

    @property
    def connected(self) -> bool:
        """Whether there is a daemon at the other end."""
        return self._client.connected

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is a daemon; False after ``timeout`` seconds (None: never)."""
        return self._do(self._client.wait_connected(timeout))

    def on_connection(self, callback: Callable[[bool], object]) -> None:
        """Have ``callback(connected)`` called, now and each time that it is otherwise."""
        self._call_each(callback, self._each(self._client.connections()))

    # --- publishing

    def publish(
        self,
        documents: Iterable[Document],
        *,
        replace: bool = False,
        takeover: bool = False,
        confirm: float = 0.0,
        timeout: float = 10.0,
    ) -> Published:
        """Publish documents, all or none; see ``AsyncClient.publish``."""
        return self._do(
            self._client.publish(
                documents, replace=replace, takeover=takeover, confirm=confirm, timeout=timeout
            )
        )

    def confirm(self, revision: int | None = None, timeout: float = 10.0) -> int:
        """Have the change that waits for confirmation stay; see ``AsyncClient.confirm``."""
        return self._do(self._client.confirm(revision, timeout))

    def rollback(
        self,
        revision: int | None = None,
        *,
        everybody: bool = False,
        confirm: float = 0.0,
        timeout: float = 30.0,
    ) -> RolledBack:
        """Make this writer's objects what they were; see ``AsyncClient.rollback``."""
        return self._do(
            self._client.rollback(revision, everybody=everybody, confirm=confirm, timeout=timeout)
        )

    def history(self, timeout: float = 10.0) -> tuple[Revision, ...]:
        """Return the revisions that the daemon keeps, the newest first."""
        return self._do(self._client.history(timeout))

    def documents(self, revision: int, timeout: float = 10.0) -> tuple[Document, ...]:
        """Return all documents of a revision; see ``AsyncClient.documents``."""
        return self._do(self._client.documents(revision, timeout))

    def delete(self, kind: str, *names: str, takeover: bool = False, timeout: float = 10.0) -> Published:
        """Delete objects of a kind, all or none; see ``AsyncClient.delete``."""
        return self._do(self._client.delete(kind, *names, takeover=takeover, timeout=timeout))

    def applied(self, published: Published, timeout: float = 30.0) -> tuple[Waiting, ...]:
        """Wait until everything published is true; what is not there yet and why: see ``AsyncClient.applied``."""
        return self._do(self._client.applied(published, timeout))

    # --- subscribing

    def rows(self, table: str, timeout: float = 10.0) -> Mapping[str, Mapping[str, Any]]:
        """Return a table as it is now, by key; raises Unreachable after ``timeout`` seconds."""
        return self._do(self._client.rows(table, timeout))

    def changes(self, *tables: str, timeout: float | None = None) -> Iterator[Change]:
        """Yield every row that there is in these tables (none named: all of status), and then each change.

        It ends when there has been none for ``timeout`` seconds (None: never), or when the client is closed.
        """
        return self._each(self._client.changes(*tables, timeout=timeout))

    def on_change(self, callback: Callable[[Change], object], *tables: str) -> None:
        """Have ``callback(change)`` called for what ``changes`` yields."""
        for table in tables:
            known(table)  # here, where it is read, and not in the callback's thread
        self._call_each(callback, self.changes(*tables))

    # --- between the threads

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the loop's thread do it; its result."""
        with self._lock:
            if self._closed:
                work.close()
                raise Unreachable(CLOSED)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except asyncio.CancelledError:
            raise Unreachable(CLOSED) from None
        finally:
            future.cancel()  # for the case that an interrupt has ended the waiting

    def _each(self, iterator: AsyncGenerator[T, None]) -> Iterator[T]:
        try:
            while (value := self._do(_next(iterator))) is not None:
                yield value
        except Unreachable:
            return  # closed
        finally:
            self._let_go(iterator)

    def _let_go(self, iterator: AsyncGenerator[T, None]) -> None:
        with self._lock:
            if self._closed:
                return  # closing has ended it
            ending = asyncio.run_coroutine_threadsafe(iterator.aclose(), self._loop)
        # What nobody holds any more may be let go by the garbage collector in any thread, also in the loop's own.
        if threading.current_thread() is not self._thread:
            ending.result()

    def _call_each(self, callback: Callable[[T], object], values: Iterator[T]) -> None:
        def listen() -> None:
            for value in values:
                guarded(callback, value)

        thread = threading.Thread(target=listen, name="netnsmgr callback", daemon=True)
        with self._lock:
            self._listeners = [each for each in self._listeners if each.is_alive()] + [thread]
            thread.start()

    async def _end(self) -> None:
        await self._client.__aexit__(None, None, None)
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, late = await asyncio.wait(others, timeout=1)
            for task in late:
                task.cancel()
        await self._loop.shutdown_asyncgens()


async def _next(iterator: AsyncGenerator[T, None]) -> T | None:
    # StopAsyncIteration cannot leave a coroutine.
    return await anext(iterator, None)
