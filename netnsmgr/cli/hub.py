"""The command line's connection to the daemon: whole tables, transactions, calls, and watching."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from netnsmgr.cli.place import Place
from netnsmgr.pubsub.request import Transacted
from netnsmgr.pubsub.row import Change, Row
from netnsmgr.pubsub.sync import SyncClient

WRITER = "cli"
"""Under this name the rows put by this command line are owned, whoever runs it."""


class Daemon:
    """``with Daemon(place) as daemon``.  All methods raise Unreachable; ``timeout`` is for each, in seconds."""

    def __init__(self, place: Place, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._client = SyncClient(place.run_dir, WRITER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._client.close()

    def rows(self, *tables: str) -> dict[str, dict[str, Row]]:
        """Return tables as they are now."""
        return {table: self._client.snapshot(table, timeout=self._timeout) for table in tables}

    def put(self, changes: Sequence[Change], *, takeover: bool) -> int:
        """Put rows in one transaction; return its revision, or raise ConfigError with all problems."""
        return self._client.put(changes, takeover=takeover, timeout=3 * self._timeout)

    def transact(self, changes: Sequence[Change], *, takeover: bool, confirm: float) -> Transacted:
        """The same; with ``confirm`` the rows go after so many seconds, unless the call ``confirm`` says otherwise."""
        return self._client.transact(changes, takeover=takeover, confirm=confirm, timeout=3 * self._timeout)

    def call(self, name: str, value: Any) -> Any:
        """Return what the daemon answers; raises its ConfigError or NetnsmgrError."""
        return self._client.call(name, value, timeout=3 * self._timeout)

    def watch(
        self, *tables: str, timeout: float, again: float | None = None
    ) -> Iterator[tuple[dict[str, dict[str, Row]], list[str]]]:
        """Yield the tables, now and after each change, with the keys of the rows that have, until ``timeout`` is over.

        Also when that is before they have come, they are yielded once.  After ``again`` seconds they are yielded even without a change, once.
        The rows are live, not copies.  While the daemon restarts they stay what they were.
        """
        began = time.monotonic()
        end = began + timeout
        due = True
        keys: list[str] = []

        def note(key: str, _value: Row | None) -> None:
            keys.append(key)

        views = [self._client.subscribe(table, note) for table in tables]
        rows = {view.table: view.rows for view in views}

        def news() -> bool:
            return (due or bool(keys)) and all(view.synchronized for view in views)

        def taken() -> list[str]:
            nonlocal due, keys
            due, seen, keys = False, keys, []
            return seen

        # However little time there is for the rows to change: before they have come one could only say what is not so.
        self._client.wait(news, max(timeout, self._timeout))
        if again is not None and again < timeout:
            while self._client.wait(news, max(0.0, began + again - time.monotonic())):
                yield rows, taken()
            due = True
        while self._client.wait(news, max(0.0, end - time.monotonic())):
            yield rows, taken()
