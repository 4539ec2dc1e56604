"""Changes of tables for any number of readers, each at its own pace; for the loop's thread alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub import tables
from netnsmgr.pubsub.aio import AsyncClient as Peer
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.view import View

BACKLOG = 10_000
"""Changes that are kept for a reader before those that were overtaken by later ones of the same row are left out."""


class Change(NamedTuple):
    """A row that has become different: its value now, None if it is gone.  To be looked at, not to be changed."""

    table: str
    key: str
    row: Mapping[str, Any] | None


def known(table: str) -> str:
    """Return the name of a table; NetnsmgrError if there is none: one would wait for it for ever."""
    if tables.is_table(table):
        return table
    raise NetnsmgrError(
        f"there is no table {table!r}; tables are {', '.join(tables.PERSISTENT + tables.STATUS)}"
    )


Listener = Callable[[Change], None]


class Feeds:
    """Owns the subscriptions of a client: one for each table, as long as anybody listens."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._listeners: dict[str, list[Listener]] = {}
        self.closed = False
        """The connection is no more; who listens may still end doing so."""

    def listen(self, table: str, listener: Listener) -> View:
        """Have changes of a table told, from now on."""
        listeners = self._listeners.setdefault(table, [])
        listeners.append(listener)

        def told(key: str, row: Row | None) -> None:
            for each in tuple(listeners):
                each(Change(table, key, row))

        return self._peer.subscribe(table, told)

    def forget(self, table: str, listener: Listener) -> None:
        """Tell this listener no more."""
        self._listeners[table].remove(listener)
        if not self._listeners[table]:
            del self._listeners[table]
            if not self.closed:
                self._peer.unsubscribe(table)


class Stream:
    """What becomes different in some tables, for one reader: first every row that there is, then each change.

    A reader that is far behind is told of each row that has changed, but not of each of its values.
    """

    def __init__(self, feeds: Feeds, names: tuple[str, ...]) -> None:
        self._feeds = feeds
        self._tables = tuple(map(known, dict.fromkeys(names)))
        self._waiting: deque[Change] = deque()
        self._bound = BACKLOG
        for table in self._tables:
            view = feeds.listen(table, self._take_in)
            self._waiting.extend(Change(table, key, row) for key, row in view.rows.items())

    def _take_in(self, change: Change) -> None:
        self._waiting.append(change)
        if len(self._waiting) > self._bound:
            last = {(each.table, each.key): each for each in self._waiting}
            self._waiting = deque(last.values())
            self._bound = max(BACKLOG, 2 * len(last))

    @property
    def waiting(self) -> bool:
        """Whether there is something to be taken."""
        return bool(self._waiting)

    def take(self) -> list[Change]:
        """What there is, in the order in which it came."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def close(self) -> None:
        """Listen no more."""
        for table in self._tables:
            self._feeds.forget(table, self._take_in)
