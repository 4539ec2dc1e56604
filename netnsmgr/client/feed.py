"""Changes of tables for any number of readers, each at its own pace; for the loop's thread alone."""

from __future__ import annotations

import asyncio
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
SETTLE = 30.0
"""Seconds that agents may need, on a busy device, to tell their status to a daemon that has restarted."""


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
        f"there is no table {table!r}; tables are {', '.join((*tables.PERSISTENT, *tables.STATUS, tables.EVENT))}"
    )


Listener = Callable[[Change], None]


class Feed:
    """One table, for all who listen to it; owns the subscription.

    A daemon that restarts knows no status until its agents have told it again.  That rows are not there yet is no change:
    only a row that is told differently, or not within ``SETTLE`` seconds, has become different.
    """

    def __init__(self, peer: Peer, table: str) -> None:
        self._table = table
        self._returns = not tables.is_persistent(table) and table not in (
            tables.AGENT_STATUS,
            tables.EVENT,
        )  # those are whole at once
        self._peer = peer
        self._epoch = b""
        self._missing: set[str] = set()
        self.told: dict[str, Row] = {}
        """The rows as the listeners know them."""
        self.listeners: list[Listener] = []
        self.watchers: list[Listener] = []
        """They are called for every change of ``view``, at once."""
        self.view = peer.subscribe(table, self._take_in)
        self.view.on_synchronized = self._synchronized

    def _take_in(self, key: str, row: Row | None) -> None:
        for each in tuple(self.watchers):
            each(Change(self._table, key, row))
        if row is None and self._returns and self._epoch not in (b"", self.view.epoch):
            self._missing.add(key)
        elif key not in self._missing or row is None or row != self.told[key]:
            self._tell(key, row)
        else:
            self._missing.remove(key)

    def _tell(self, key: str, row: Row | None) -> None:
        self._missing.discard(key)
        if row is None:
            self.told.pop(key, None)
        else:
            self.told[key] = row
        for each in tuple(self.listeners):
            each(Change(self._table, key, row))

    def _synchronized(self) -> None:
        self._epoch = self.view.epoch
        if self._missing:
            asyncio.get_running_loop().call_later(
                SETTLE, self._give_up, self._epoch, frozenset(self._missing)
            )

    def _give_up(self, epoch: bytes, keys: frozenset[str]) -> None:
        if epoch != self._epoch:
            return  # it has restarted once more meanwhile, and its agents have the time anew
        for key in keys & self._missing:
            self._tell(key, None)
        self._peer.look_again()


class Feeds:
    """Owns the subscriptions of a client: one for each table, as long as anybody listens."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._feeds: dict[str, Feed] = {}
        self.closed = False
        """The connection is no more; who listens may still end doing so."""

    def listen(self, table: str, listener: Listener) -> Mapping[str, Row]:
        """Have changes of a table told, from now on; the rows that they are changes of."""
        feed = self._feed(table)
        feed.listeners.append(listener)
        return feed.told

    def watch(self, table: str, listener: Listener) -> View:
        """Have changes of a view told, from now on; the view, which says whether it is synchronized."""
        feed = self._feed(table)
        feed.watchers.append(listener)
        return feed.view

    def _feed(self, table: str) -> Feed:
        return self._feeds.get(table) or self._feeds.setdefault(table, Feed(self._peer, table))

    def forget(self, table: str, listener: Listener) -> None:
        """Tell this listener no more."""
        feed = self._feeds[table]
        for each in (feed.listeners, feed.watchers):
            if listener in each:
                each.remove(listener)
        if not feed.listeners and not feed.watchers:
            del self._feeds[table]
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
            rows = feeds.listen(table, self._take_in)
            self._waiting.extend(Change(table, key, row) for key, row in rows.items())

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
