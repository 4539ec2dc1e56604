"""The Clone protocol over the worst channel that one can think of."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.core import clone
from netnsmgr.core.clone import Cmd, Msg, Replica, Table

KEYS = st.sampled_from("abcd")
BODIES = st.sampled_from([b"", b"1", b"2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, BODIES),
        st.tuples(st.just("beat"), st.just(""), st.just(b"")),
        st.tuples(st.just("ask"), st.just(""), st.just(b"")),
        st.tuples(st.just("restart"), st.just(""), st.just(b"")),
        st.tuples(st.sampled_from(["update", "answer", "lose", "double"]), st.integers(0, 99), st.just(b"")),
    ),
    max_size=60,
)


class World:
    """One table that may restart, one replica, and two channels between them that do as the steps say."""

    def __init__(self) -> None:
        self.lives = 0
        self.table = Table(b"e0")
        self.replica = Replica()
        self.updates: list[Msg] = []
        self.answers: list[Msg] = []
        self.history = {(b"e0", 0): dict[str, bytes]()}

    def put(self, key: str, body: bytes) -> None:
        if m := self.table.put(key, body):
            self.updates.append(m)
            self.history[self.table.epoch, self.table.seq] = dict(self.table.rows)

    def restart(self) -> None:
        self.lives += 1
        self.table = Table(b"e%d" % self.lives)
        self.history[self.table.epoch, 0] = {}

    def ask(self) -> None:
        self.answers += self.table.snapshot()

    def deliver(self, m: Msg) -> None:
        if self.replica.feed(m):
            self.ask()
        r = self.replica
        if r.synchronized:
            assert r.rows == self.history[r.epoch, r.seq]

    def step(self, verb: str, arg: str | int, body: bytes) -> None:
        channel = self.answers if verb == "answer" else self.updates
        n = arg % len(channel) if isinstance(arg, int) and channel else -1
        match verb:
            case "put":
                self.put(str(arg), body)
            case "beat":
                self.updates.append(self.table.hugz())
            case "ask":
                self.ask()
            case "restart":
                self.restart()
            case "update" | "answer" if n >= 0:
                self.deliver(channel.pop(n))
            case "double" if n >= 0:
                self.deliver(channel[n])
            case "lose":
                for losing in (self.updates, self.answers):
                    if losing:
                        losing.pop(int(arg) % len(losing))

    def calm_down(self) -> None:
        """From now on all arrives, in order: what is under way, one heartbeat, and what it leads to."""
        for channel in self.updates, self.answers:
            while channel:
                self.deliver(channel.pop(0))
        if not self.replica.synchronized:
            self.ask()  # the client's own timeout
        self.updates.append(self.table.hugz())
        for _ in range(10):
            while self.answers:
                self.deliver(self.answers.pop(0))
            while self.updates:
                self.deliver(self.updates.pop(0))


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_true_at_all_times_and_equal_in_the_end(steps: list[tuple[str, str | int, bytes]]) -> None:
    """Messages are lost, doubled and shuffled, the publisher restarts: a synchronized replica never shows rows
    that the table did not have together, and one heartbeat after the trouble it has the table's rows."""
    w = World()
    w.ask()
    for step in steps:
        w.step(*step)
    w.calm_down()
    assert w.replica.synchronized
    assert w.replica.rows == w.table.rows
    assert (w.replica.epoch, w.replica.seq) == (w.table.epoch, w.table.seq)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_changed_tells_every_difference(steps: list[tuple[str, str | int, bytes]]) -> None:
    """Whoever applies only the rows named in ``changed`` has a true copy of the replica's rows."""
    w = World()
    copy: dict[str, bytes] = {}
    deliver: Callable[[Msg], None] = w.deliver

    def follow(m: Msg) -> None:
        deliver(m)
        for key in w.replica.changed:
            copy.pop(key, None)
            if key in w.replica.rows:
                copy[key] = w.replica.rows[key]
        w.replica.changed.clear()
        assert copy == w.replica.rows

    w.deliver = follow  # type: ignore[method-assign]
    w.ask()
    for step in steps:
        w.step(*step)


def synchronized(*rows: tuple[str, bytes]) -> tuple[Table, Replica]:
    table, replica = Table(b"e"), Replica()
    for row in rows:
        table.put(*row)
    for m in table.snapshot():
        assert not replica.feed(m)
    return table, replica


def test_equal_value_is_not_news() -> None:
    """Putting what is there already, or deleting what is not, publishes nothing and counts nothing."""
    table, _ = synchronized(("a", b"1"))
    assert table.put("a", b"1") is None
    assert table.put("b", b"") is None
    assert table.seq == 1


def test_update_before_the_snapshot_is_not_forgotten() -> None:
    """An update that overtakes the snapshot is applied after it."""
    table, replica = Table(b"e"), Replica()
    snapshot = list(table.snapshot())
    m = table.put("a", b"1")
    assert m
    assert not replica.feed(m)
    assert not any(map(replica.feed, snapshot))
    assert replica.rows == {"a": b"1"}


def test_heartbeat_before_the_snapshot_reveals_a_gap() -> None:
    """An update is missed before the subscription holds; the heartbeat about it overtakes the snapshot."""
    table, replica = Table(b"e"), Replica()
    snapshot = list(table.snapshot())
    table.put("a", b"1")
    assert not replica.feed(table.hugz())
    assert [replica.feed(m) for m in snapshot] == [True]


def test_incomplete_snapshot_is_asked_for_again() -> None:
    """A snapshot that lost a row is not taken for the table."""
    table, replica = Table(b"e"), Replica()
    table.put("a", b"1")
    _, end = table.snapshot()
    assert replica.feed(end)
    assert not replica.synchronized


def test_late_snapshot_does_not_turn_back_time() -> None:
    """The answer to an earlier question arrives after newer updates."""
    table, replica = synchronized(("a", b"1"))
    late = list(table.snapshot())
    m = table.put("a", b"2")
    assert m
    replica.feed(m)
    assert not any(map(replica.feed, late))
    assert replica.rows == {"a": b"2"}


def test_old_rows_stay_until_new_ones_are_known() -> None:
    """While a new snapshot is awaited the rows stay, and then only the differences are news."""
    table, replica = synchronized(("a", b"1"), ("b", b"1"))
    replica.changed.clear()
    table.put("b", b"2")
    assert replica.feed(table.hugz())
    assert not replica.synchronized
    assert replica.rows == {"a": b"1", "b": b"1"}
    for m in table.snapshot():
        replica.feed(m)
    assert list(replica.changed) == ["b"]


def test_another_life_of_the_publisher_is_noticed() -> None:
    """A heartbeat of another epoch leads to a new snapshot, though its number is the lower one."""
    _, replica = synchronized(("a", b"1"))
    assert replica.feed(Table(b"other").hugz())


def test_waiting_without_an_answer_is_bounded() -> None:
    """A publisher that never answers does not fill the memory, and what fell out is noticed."""
    table, replica = Table(b"e"), Replica()
    snapshot = list(table.snapshot())
    for n in range(clone.EARLY + 1):
        replica.feed(Msg(Cmd.KVPUB, b"e", n + 1, "a", b"%d" % n))
    assert any(map(replica.feed, snapshot))
