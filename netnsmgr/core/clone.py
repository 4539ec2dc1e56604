"""The Clone protocol (zguide chapter 5, RFC 12) as two state machines without sockets and without a clock.

``Table`` is the publisher's side and ``Replica`` the subscriber's.  Plain publish/subscribe drops messages and
has no beginning; a snapshot, a sequence number and a heartbeat make up for both.

Theory of operation.  A table's contents are a function of ``(epoch, seq)``: the epoch names one life of the
publisher, the sequence counts the changes of that life.  Everything else follows: two snapshots with the same
pair are interchangeable, so repeated and interleaved ones do no harm; an update fits exactly if its number is
the next; a heartbeat, which carries the pair, tells whether anything is missing, even the last message.
The replica's promise is that ``rows``, whenever ``synchronized`` holds, are what the table held at
``(epoch, seq)``, however the messages were lost, doubled or shuffled; and that one heartbeat after the
channel has calmed down, this is the table's present.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

EARLY = 10_000
"""Updates kept while a snapshot is awaited.  If there are more, the oldest fall out, which leaves a gap, which is
noticed; a publisher that answers no snapshot must not fill the subscriber's memory."""


class Cmd(StrEnum):
    """What a message says about its table."""

    KVSYNC = "KVSYNC"
    """One row of a snapshot."""
    KTHXBAI = "KTHXBAI"
    """The snapshot is complete; the body is the number of its rows."""
    KVPUB = "KVPUB"
    """One row has changed; an empty body says that it is gone."""
    HUGZ = "HUGZ"
    """Heartbeat: nothing has changed, this is where we are."""


class Msg(NamedTuple):
    """One message about one table."""

    cmd: Cmd
    epoch: bytes
    seq: int
    key: str = ""
    body: bytes = b""


@dataclass
class Table:
    """The publisher's side: owns the rows and their sequence.  ``seq`` never goes back within an epoch."""

    epoch: bytes
    seq: int = 0
    rows: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> Msg | None:
        """Set a row (delete it, if ``body`` is empty) and return what to publish.

        None if the row is so already: an equal value is not news (last value cache).
        """
        if self.rows.get(key, b"") == body:
            return None
        self.seq += 1
        if body:
            self.rows[key] = body
        else:
            del self.rows[key]
        return Msg(Cmd.KVPUB, self.epoch, self.seq, key, body)

    def snapshot(self, prefix: str = "") -> Iterator[Msg]:
        """The rows as they are now, and the mark that these were all.  Send them before the next ``put``.

        With ``prefix`` those whose keys begin so, for who may not see the rest (and so not follow the table either).
        """
        rows = {key: body for key, body in self.rows.items() if key.startswith(prefix)}
        for key, body in rows.items():
            yield Msg(Cmd.KVSYNC, self.epoch, self.seq, key, body)
        yield Msg(Cmd.KTHXBAI, self.epoch, self.seq, body=b"%d" % len(rows))

    def hugz(self) -> Msg:
        """The heartbeat."""
        return Msg(Cmd.HUGZ, self.epoch, self.seq)


@dataclass
class Replica:
    """The subscriber's side: a copy of a table, fed with whatever arrives.

    ``rows`` outlive a lost synchronization: an old value that was true serves better than none, and when the
    new snapshot comes, only the rows that differ count as changed.
    ``changed`` collects the keys of rows that became different; whoever reads it clears it.
    """

    epoch: bytes = b""
    seq: int = -1
    rows: dict[str, bytes] = field(default_factory=dict)
    synchronized: bool = False
    changed: dict[str, None] = field(default_factory=dict)
    _stage: tuple[bytes, int] = (b"", -1)
    _staged: dict[str, bytes] = field(default_factory=dict)
    _early: deque[Msg] = field(default_factory=lambda: deque(maxlen=EARLY))

    def feed(self, m: Msg) -> bool:
        """Take in one message.  True: a new snapshot must be asked for."""
        match m.cmd:
            case Cmd.KVSYNC:
                self._restage(m)
                self._staged[m.key] = m.body
                return False
            case Cmd.KTHXBAI:
                return self._end_of_snapshot(m)
            case _ if not self.synchronized:
                # A heartbeat is kept like an update: it may know of one that went by between the snapshot's
                # making and our subscription's arrival.
                self._early.append(m)
                return False
            case _:
                return self._follow(m)

    def _restage(self, m: Msg) -> None:
        """Begin another snapshot unless ``m`` belongs to the one that is being gathered."""
        if self._stage != (m.epoch, m.seq):
            self._stage = (m.epoch, m.seq)
            self._staged = {}

    def _end_of_snapshot(self, m: Msg) -> bool:
        self._restage(m)
        if b"%d" % len(self._staged) != m.body:
            # Rows were lost.  What is here stays: the next answer may complete it.
            return not self.synchronized
        rows, self._staged, self._stage = self._staged, {}, (b"", -1)
        if self.synchronized and m.epoch == self.epoch and m.seq <= self.seq:
            return False  # a late answer to a question that another answer has settled
        for key in self.rows.keys() | rows.keys():
            if self.rows.get(key) != rows.get(key):
                self.changed[key] = None
        self.epoch, self.seq, self.rows, self.synchronized = m.epoch, m.seq, rows, True
        early, self._early = self._early, deque(maxlen=EARLY)
        ask = False
        for e in early:  # all of them: once one has shown a gap, feed() buffers the rest again
            ask |= self.feed(e)
        return ask

    def _follow(self, m: Msg) -> bool:
        """An update or a heartbeat while synchronized."""
        if m.epoch == self.epoch:
            if m.seq <= self.seq:
                return False
            if m.cmd is Cmd.KVPUB and m.seq == self.seq + 1:
                self.seq = m.seq
                self.changed[m.key] = None
                if m.body:
                    self.rows[m.key] = m.body
                else:
                    self.rows.pop(m.key, None)
                return False
            # A gap.  Keep what told us: an older snapshot that is still under way must not hide it again.
            self._early.append(m)
        # Of another epoch nothing is kept.  Epochs have no order: were this one the older, it would be found in
        # conflict with each new snapshot, again and again.
        self.synchronized = False
        return True
