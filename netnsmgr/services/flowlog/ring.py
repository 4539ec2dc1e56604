"""The newest records of each application, as rows of ``AppFlowLog``.

Memory is bounded: 200 records for every application, whatever the traffic; of flows 1 KB each, of DNS at most 4 KB.
A row of them fits into the hub's megabyte.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

RECORDS = 200
"""Records kept for each application."""

Record = dict[str, Any]


class Book:
    """All rings of one instance.

    A record has a key: a later one of the same key (a flow's end, a drop's final count) takes the place of the
    earlier and gets a number of its own, ``n``, so that a reader who has seen ``n`` wants only what is above.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._rings: dict[str, OrderedDict[Hashable, Record]] = {}
        self._numbers: dict[str, int] = {}
        self._changed: set[str] = set()
        self.lost = 0

    def add(self, app: str, key: Hashable, record: Record) -> None:
        """Remember a record; the oldest goes."""
        ring = self._rings.setdefault(app, OrderedDict())
        number = self._numbers[app] = self._numbers.get(app, 0) + 1
        ring.pop(key, None)
        ring[key] = {"n": number, **record}
        if len(ring) > RECORDS:
            ring.popitem(last=False)
        self._changed.add(app)

    def lose(self, count: int) -> None:
        """Count what was not seen; nobody knows whose it was, so that every application's row says so."""
        if count:
            self.lost += count
            self._changed |= self._rings.keys()

    def adopt(self, app: str, row: Mapping[str, Any]) -> None:
        """Go on where an earlier life stopped, whose last row this is; before anything was published."""
        own = self._rings.get(app, OrderedDict())
        before, seq = list(row.get("records", ())), int(row.get("seq", 0))
        ring: OrderedDict[Hashable, Record] = OrderedDict(
            (("before", record["n"]), record) for record in before
        )
        ring.update((key, record | {"n": record["n"] + seq}) for key, record in own.items())
        while len(ring) > RECORDS:
            ring.popitem(last=False)
        self._rings[app] = ring
        self._numbers[app] = self._numbers.get(app, 0) + seq
        self.lost = max(self.lost, int(row.get("lost", 0)))
        self._changed.add(app)

    def keep(self, apps: frozenset[str]) -> list[str]:
        """Make a row for each of these and forget all others; returns the forgotten."""
        gone = [app for app in self._rings if app not in apps]
        for app in gone:
            del self._rings[app], self._numbers[app]
            self._changed.discard(app)
        for app in apps - self._rings.keys():
            self._rings[app], self._numbers[app] = OrderedDict(), 0
            self._changed.add(app)
        return gone

    @property
    def changed(self) -> bool:
        """Whether a row differs from when it was last taken."""
        return bool(self._changed)

    def rows(self) -> Iterator[tuple[str, Record]]:
        """Take the rows that have become different, by application."""
        for app in sorted(self._changed):
            yield (
                app,
                {
                    "app": app,
                    "network": self._network,
                    "seq": self._numbers[app],
                    "lost": self.lost,
                    "records": list(self._rings[app].values()),
                },
            )
        self._changed.clear()
