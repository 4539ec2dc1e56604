"""The client for supervisors with an asyncio loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from netnsmgr.client import RUN_DIR
from netnsmgr.client.documents import Document, Documents, Published, Waiting, deletions, kind_of, puts
from netnsmgr.client.feed import Change, Feeds, Stream, known
from netnsmgr.client.history import Revision, RolledBack, documents, revisions, rolled_back
from netnsmgr.client.kinds import CONFIG_TABLES, STATE_TABLES, STATUS_TABLES
from netnsmgr.client.readiness import DELETED, News, Progress, Target, progress
from netnsmgr.errors import ConfigError, Unreachable
from netnsmgr.pubsub.aio import AsyncClient as Peer
from netnsmgr.pubsub.row import Change as Put

ASK = 2.0
"""Seconds until a question that a daemon has taken to its grave is asked again."""
CLOSED = "this client was closed"


class AsyncClient:
    """``async with AsyncClient("zedagent") as client``; all methods are for the loop's task, and several may wait at once.

    ``name`` is the writer's name of what is published; a restarted program uses the same again.  The daemon may come
    later, go, and come back: subscriptions go on, and what waits, waits for its timeout (in seconds) at the longest.
    """

    def __init__(self, name: str, run_dir: str | os.PathLike[str] = RUN_DIR) -> None:
        self.name = name
        self._peer = Peer(run_dir, name)
        self._feeds = Feeds(self._peer)
        self._closed = False

    async def __aenter__(self) -> Self:
        """Begin to connect; returns at once."""
        self._loop = asyncio.get_running_loop()
        await self._peer.__aenter__()
        self._peer.heed_restarts()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close; changes and connections that are iterated come to their end."""
        self._closed = self._feeds.closed = True
        await self._peer.__aexit__(kind, error, at)

    # --- connection

    @property
    def connected(self) -> bool:
        """Whether there is a daemon at the other end."""
        return self._peer.connected

    async def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is a daemon; False after ``timeout`` seconds (None: never)."""
        return await self._until(lambda: self._peer.connected, timeout)

    async def connections(self) -> AsyncGenerator[bool, None]:
        """Yield whether there is a daemon, now and each time that it is otherwise."""
        up = self.connected
        yield up
        while await (self._until(lambda: not self.connected, None) if up else self.wait_connected()):
            up = not up
            yield up

    # --- publishing

    async def publish(
        self,
        documents: Iterable[Document],
        *,
        replace: bool = False,
        takeover: bool = False,
        confirm: float = 0.0,
        timeout: float = 10.0,
    ) -> Published:
        """Publish documents, all or none; when this returns they are on the daemon's disk.

        ``replace``: they are all that this writer has; what it published before, and is not among them, is deleted in the
        same transaction.  ``takeover``: objects that another writer owns become this one's, instead of being refused.
        ``confirm``: after so many seconds it is all taken back, unless ``confirm()`` has been called (0: it stays).
        Raises ConfigError with everything that is wrong, of all documents; Unreachable after ``timeout`` seconds without a
        daemon, or without its answer (then the text says whether it may have been done).
        """
        given = tuple(documents)
        try:
            rows = puts(given)
            done = await self._open.transact(
                rows, takeover=takeover, replace=replace, confirm=confirm, timeout=timeout
            )
            return Published(done.revision, given, deletions(done.deleted), done.waits, done.left)
        except ConfigError as error:
            if isinstance(documents, Documents):
                raise ConfigError(documents.located(error.problems)) from None
            raise

    async def delete(
        self, kind: str, *names: str, takeover: bool = False, timeout: float = 10.0
    ) -> Published:
        """Delete objects of a kind (``NetworkInstance``), all or none; those that are not there are no error."""
        table = kind_of(kind).config
        gone = [(table, name) for name in names]
        rows = [Put(table, name, None) for name in names]
        revision = await self._open.put(rows, takeover=takeover, timeout=timeout)
        return Published(revision, (), deletions(gone))

    async def confirm(self, revision: int | None = None, timeout: float = 10.0) -> int:
        """Have the change that waits for confirmation stay; its revision.  With a ``revision``: only if it is that one.

        Raises NetnsmgrError if nothing waits, with what became of it; to confirm a change twice is no error.
        """
        answer = await self._open.call("confirm", {"revision": revision}, timeout=timeout)
        return int(answer["revision"])

    async def rollback(
        self,
        revision: int | None = None,
        *,
        everybody: bool = False,
        confirm: float = 0.0,
        timeout: float = 30.0,
    ) -> RolledBack:
        """Make this writer's objects what they were in a revision, or take back what waits for confirmation.

        None: the revision before the last change of this writer.  ``everybody``: also the objects of others, which they
        still are then.  ``confirm``: as in ``publish``.  Raises ConfigError with everything that is wrong with it now,
        NetnsmgrError if there is no such revision; Unreachable.
        """
        asked = {"revision": revision, "writer": self.name, "all": everybody, "confirm": confirm}
        return rolled_back(await self._open.call("rollback", asked, timeout=timeout))

    async def history(self, timeout: float = 10.0) -> tuple[Revision, ...]:
        """Return the revisions that the daemon keeps, the newest first."""
        return revisions(await self._open.call("history", timeout=timeout))

    async def documents(self, revision: int, timeout: float = 10.0) -> tuple[Document, ...]:
        """Return all documents of a revision; raises NetnsmgrError if there is none, or it is damaged."""
        return documents(await self._open.call("revision", {"revision": revision}, timeout=timeout))

    async def applied(self, published: Published, timeout: float = 30.0) -> tuple[Waiting, ...]:
        """Wait until everything published is ready, and nothing is left of what was deleted.

        Returns what is not there after ``timeout`` seconds, and why; nothing, if all is.  It may be called again.
        Raises Unreachable if there was no daemon to ask, or the client is closed meanwhile.
        """
        end = self._loop.time() + timeout
        wanted = published.targets(await self._revisions(end))
        tables = STATE_TABLES + (
            CONFIG_TABLES if any(t.goal == DELETED and t.but is None for t in wanted) else ()
        )
        keys: list[str] = []

        def note(change: Change) -> None:
            keys.append(change.key)

        views = [self._feeds.watch(table, note) for table in tables]
        rows = {view.table: view.rows for view in views}
        states = {target: Progress(False, "pending") for target in wanted}
        news, first = News(wanted), True

        def seen() -> bool:
            return (first or bool(keys)) and all(view.synchronized for view in views)

        try:
            while await self._until(seen, max(0.0, end - self._loop.time())):
                states |= {target: progress(target, rows) for target in (wanted if first else news.of(keys))}
                first = False
                keys.clear()
                if all(state.done for state in states.values()):
                    return ()
        finally:
            for table in tables:
                self._feeds.forget(table, note)
        if self._closed:
            raise Unreachable(CLOSED)
        return _unfinished(states)

    async def _revisions(self, end: float) -> Mapping[str, int]:
        """Ask which revision each agent's status has to speak of; Unreachable when it is ``end``."""
        while True:
            left = end - self._loop.time()
            try:
                revisions: dict[str, int] = await self._open.call(
                    "revisions", timeout=min(ASK, max(left, 0.1))
                )
                return revisions
            except Unreachable:
                if left <= ASK:
                    raise

    # --- subscribing

    async def rows(self, table: str, timeout: float = 10.0) -> Mapping[str, Mapping[str, Any]]:
        """Return a table as it is now, by key; raises Unreachable after ``timeout`` seconds."""
        return await self._open.snapshot(known(table), timeout=timeout)

    async def changes(self, *tables: str, timeout: float | None = None) -> AsyncGenerator[Change, None]:
        """Yield every row that there is in these tables (none named: all of status), and then each change.

        When the daemon has been away, only what is different afterwards is a change.  It ends when there has been none for
        ``timeout`` seconds (None: never), or when the client is closed.
        """
        stream = Stream(self._feeds, tables or STATUS_TABLES)
        try:
            while await self._until(lambda: stream.waiting, timeout):
                for change in stream.take():
                    yield change
        finally:
            stream.close()

    # --- being open

    @property
    def _open(self) -> Peer:
        if self._closed:
            raise Unreachable(CLOSED)
        return self._peer

    async def _until(self, seen: Callable[[], bool], timeout: float | None) -> bool:
        """Wait; False after ``timeout`` seconds, or when the client is closed."""
        return await self._peer.wait(lambda: self._closed or seen(), timeout) and not self._closed


def _unfinished(states: Mapping[Target, Progress]) -> tuple[Waiting, ...]:
    return tuple(
        Waiting(target.label, state.state, state.reasons)
        for target, state in states.items()
        if not state.done
    )
