"""What the hub knows: every table's rows, and who wrote each of them.  No sockets, no disk, no clock.

Invariants: a row has one writer; a table's sequence never goes back within the hub's epoch, not even if the
table is dropped and comes into being again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from netnsmgr.core.clone import Msg, Table
from netnsmgr.errors import Problem
from netnsmgr.pubsub import tables
from netnsmgr.pubsub.row import MAX_ROW, Change, Row, dump
from netnsmgr.pubsub.store import State, Stored
from netnsmgr.pubsub.trial import Trial, restored
from netnsmgr.pubsub.what import Put
from netnsmgr.pubsub.wire import MARK


class Writer(NamedTuple):
    """Who wrote a row.  ``instance`` tells a restarted process from the one before; it is empty for rows from disk."""

    name: str
    instance: bytes


class News(NamedTuple):
    """A row that has become different: for subscribers (``msg``) and for listeners in the process (``value``)."""

    table: str
    msg: Msg
    value: Row | None


class Ledger:
    """Owns the rows of all tables, their values decoded, and their writers."""

    def __init__(self, epoch: bytes, state: State) -> None:
        self.epoch = epoch
        self.revision = state.revision
        self.complete = state.complete
        self.trial = restored(state.trial)
        self._tables: dict[str, Table] = {}
        self._values: dict[str, dict[str, Row]] = {}
        self._writers: dict[tuple[str, str], Writer] = {}
        self._floor = 0
        for table, rows in state.rows.items():
            for key, stored in rows.items():
                self._put(table, key, stored.value, Writer(stored.writer, b""))

    def rows(self, table: str) -> Mapping[str, Row]:
        """The rows of a table by key.  They belong to the ledger: look, don't touch."""
        return self._values.get(table, {})

    def snapshot(self, table: str, prefix: str = "") -> Iterator[Msg]:
        """All of a table, or what has keys that begin so, for one subscriber."""
        return self._table(table).snapshot(prefix)

    def hugz(self, table: str) -> Msg:
        """A table's heartbeat; of a table that does not exist, too: somebody may wait for it."""
        return self._table(table).hugz()

    def check(self, changes: Sequence[Change], writer: str, takeover: bool) -> list[Problem]:
        """What speaks against these changes, apart from what they mean."""
        problems = []
        seen: set[tuple[str, str]] = set()
        for n, (table, key, _) in enumerate(changes):
            owner = self._writers.get((table, key))
            if not tables.is_table(table):
                problems.append(Problem(f"there is no table {table!r}", document=n))
            elif tables.is_daemons(table):
                problems.append(Problem(f"only the daemon writes {table}", document=n))
            elif owner and owner.name != writer and not takeover:
                what = f"{table} {key!r} belongs to {owner.name!r}, not to {writer!r}; take it over explicitly or leave it"
                problems.append(Problem(what, document=n))
            if (table, key) in seen:
                problems.append(Problem(f"{table} {key!r} is in the same put twice", document=n))
            seen.add((table, key))
        if len({tables.is_persistent(table) for table, _, _ in changes}) > 1:
            problems.append(
                Problem("configuration and status cannot be put together; put them one after the other")
            )
        return problems

    def differs(self, changes: Iterable[Change]) -> bool:
        """Whether any of the rows is different from what it would be."""
        return any(self.rows(table).get(key) != value for table, key, value in changes)

    def owned(self, changes: Iterable[Change], writer: str) -> bool:
        """Whether all rows that are there have this writer already."""
        owners = (self._writers.get((table, key)) for table, key, _ in changes)
        return all(owner is None or owner.name == writer for owner in owners)

    def others(self, changes: Iterable[Change], writer: str) -> list[Change]:
        """The deletion of every row of configuration that this writer has, but for those in ``changes``.

        Users come before what they use.
        """
        kept = {(table, key) for table, key, _ in changes}
        return [
            Change(table, key, None)
            for table in reversed(tables.PERSISTENT)
            for key in self.rows(table)
            if self._writers[table, key].name == writer and (table, key) not in kept
        ]

    def stored(self, table: str, key: str) -> Stored | None:
        """A row with its writer; None if there is none."""
        writer = self._writers.get((table, key))
        return Stored(writer.name, self._values[table][key]) if writer else None

    def state(self, puts: Iterable[Put], revision: int, trial: Trial | None) -> State:
        """What has to be on disk before these rows may be put."""
        rows: dict[str, dict[str, Stored]] = {
            table: {k: Stored(self._writers[table, k].name, v) for k, v in self.rows(table).items()}
            for table in tables.PERSISTENT
        }
        for table, key, stored in puts:
            if stored is None:
                rows[table].pop(key, None)
            else:
                rows[table][key] = stored
        return State(revision, rows, self.complete, trial.stored() if trial else None)

    def restore(self, puts: Iterable[Put]) -> list[News]:
        """Put rows back that were there before, each as its writer's, of whose present life this says nothing."""
        return [
            news
            for table, key, stored in puts
            for news in self._put(
                table, key, stored.value if stored else None, Writer(stored.writer if stored else "", b"")
            )
        ]

    def apply(self, changes: Iterable[Change], writer: Writer) -> list[News]:
        """Make the changes; what has become different, in the order in which it is to be published."""
        news: list[News] = []
        for table, key, value in changes:
            mark = self._table(table).rows.get(MARK + writer.name)
            if mark and mark != writer.instance.hex().encode():
                news += self._raw(table, MARK + writer.name, b"")  # a new life has not said everything yet
            news += self._put(table, key, value, writer)
        return news

    def restarted(self, table: str, writer: Writer) -> list[News]:
        """The writer has put all it knows: rows of status from a former life are gone, and the table says so.

        Configuration is only marked, never collected: it goes away in a transaction that was validated, or not.
        """
        if not tables.is_table(table) or tables.is_daemons(table):
            return []
        stale = []
        if not tables.is_persistent(table):
            for key in self.rows(table):
                owner = self._writers[table, key]
                if owner.name == writer.name and owner.instance != writer.instance:
                    stale.append(Change(table, key, None))
        return self.apply(stale, writer) + self._raw(
            table, MARK + writer.name, writer.instance.hex().encode()
        )

    def drop(self, table: str) -> list[News]:
        """Delete all rows of a table and forget it."""
        if table not in self._tables:
            return []
        news: list[News] = []
        for key in list(self._tables[table].rows):
            news += self._raw(table, key, b"")
            self._writers.pop((table, key), None)
        # A table of that name that comes later must not count from 0: its subscribers would take the news for old.
        # One floor for all names costs nothing per name that ever was.
        self._floor = max(self._floor, self._tables.pop(table).seq)
        self._values.pop(table, None)
        return news

    def _put(self, table: str, key: str, value: Row | None, writer: Writer) -> list[News]:
        if value is None:
            if (table, key) not in self._writers:
                return []
            del self._values[table][key], self._writers[table, key]
            return self._raw(table, key, b"")
        news = self._raw(table, key, dump(value, MAX_ROW), value)
        self._values.setdefault(table, {})[key] = value
        self._writers[table, key] = writer
        return news

    def _raw(self, table: str, key: str, body: bytes, value: Row | None = None) -> list[News]:
        t = self._tables.setdefault(table, self._table(table))
        msg = t.put(key, body)
        return [News(table, msg, value)] if msg else []

    def _table(self, table: str) -> Table:
        """The table, or what it would be if it existed: to ask for one makes none."""
        return self._tables.get(table) or Table(self.epoch, self._floor)
