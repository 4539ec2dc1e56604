"""A table as one client sees it."""

from __future__ import annotations

from collections.abc import Callable

from netnsmgr.core.clone import Cmd, Msg, Replica
from netnsmgr.pubsub.row import Row, WireError, load_row
from netnsmgr.pubsub.wire import MARK

Changed = Callable[[str, Row | None], None]


class View:
    """A table as this client knows it.

    ``rows`` are decoded; they stay, and may be old, while ``synchronized`` is False.  ``on_change(key, value)`` is
    called after a row has become different, with None if it is gone; ``on_synchronized()`` each time that a
    snapshot is complete.  ``ask_at`` (for the client): when to ask for a snapshot, None if none is needed.
    """

    def __init__(self, table: str, on_change: Changed | None) -> None:
        self.table = table
        self.rows: dict[str, Row] = {}
        self.on_change = on_change
        self.on_synchronized: Callable[[], None] | None = None
        self.followed = False
        self.ask_at: float | None = 0.0
        self.restarted_writers: set[str] = set()
        self._replica = Replica()

    @property
    def synchronized(self) -> bool:
        """The rows are what the hub has, as far as one can know."""
        return self._replica.synchronized

    @property
    def epoch(self) -> bytes:
        """Which life of the hub the rows are of."""
        return self._replica.epoch

    @property
    def restarted(self) -> bool:
        """Synchronized, and a writer has said that it put everything it knew: what is absent is meant to be."""
        return self.synchronized and bool(self.restarted_writers)

    def feed(self, msg: Msg, now: float) -> None:
        """Take in a message about this table."""
        replica = self._replica
        if self.ask_at is None and msg.cmd in (Cmd.KVSYNC, Cmd.KTHXBAI):
            return  # asked for by another view; to jump there would leave out changes that are still to come
        before = replica.synchronized
        if replica.feed(msg):
            self.ask_at = now
        elif replica.synchronized:
            self.ask_at = None
        changed, replica.changed = replica.changed, {}
        for key in changed:
            self._change(key, replica.rows.get(key))
        if replica.synchronized and not before and self.on_synchronized:
            guarded(self.on_synchronized)

    def _change(self, key: str, body: bytes | None) -> None:
        if key.startswith(MARK):
            (self.restarted_writers.discard if body is None else self.restarted_writers.add)(key[1:])
            return
        if body is None:
            value = None
            self.rows.pop(key, None)
        else:
            try:
                value = self.rows[key] = load_row(body)
            except WireError:  # not from our hub, which checks what it takes in
                return
        if self.on_change:
            guarded(self.on_change, key, value)


def guarded(callback: Callable[..., object], *args: object) -> None:
    """A callback's fault must not stop the pump: what is not taken in now, no descriptor would tell of again."""
    try:
        callback(*args)
    except Exception:
        import logging  # 10 ms that a command line without faults need not spend

        logging.getLogger("netnsmgr.pubsub").exception("a callback failed")
