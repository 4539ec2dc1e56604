"""Rows and their writers, without sockets."""

from __future__ import annotations

import pytest

from netnsmgr.core.clone import Cmd, Replica
from netnsmgr.pubsub.ledger import Ledger, News, Writer
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import State, Stored
from netnsmgr.pubsub.what import Put

NI, APP = "NetworkInstanceConfig", "AppNetworkConfig"
STATUS = "AppNetworkStatus"
A1, A2, B = Writer("a", b"1"), Writer("a", b"2"), Writer("b", b"1")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(b"e", State(7, {NI: {"ni1": Stored("a", {"x": 1})}}))


def keys(news: list[News]) -> list[tuple[str, object]]:
    return [(n.msg.key, n.value) for n in news]


def texts(ledger: Ledger, *changes: Change, writer: str = "a", takeover: bool = False) -> list[str]:
    return [f"{p.document} {p.what}" for p in ledger.check(changes, writer, takeover)]


def test_begins_with_what_was_stored(ledger: Ledger) -> None:
    """Rows, writers and the revision come from disk."""
    assert ledger.rows(NI) == {"ni1": {"x": 1}}
    assert ledger.revision == 7
    assert texts(ledger, Change(NI, "ni1", None), writer="b")


def test_one_writer_per_row(ledger: Ledger) -> None:
    """Another writer may neither change nor delete a row unless it says that it takes over."""
    theirs = Change(NI, "new", {}), Change(NI, "ni1", {"x": 2})
    assert texts(ledger, *theirs, writer="b") == [
        "1 NetworkInstanceConfig 'ni1' belongs to 'a', not to 'b'; take it over explicitly or leave it"
    ]
    assert not texts(ledger, *theirs, writer="b", takeover=True)
    ledger.apply(theirs, B)
    assert texts(ledger, Change(NI, "ni1", {}), writer="a")


def test_deleted_row_is_free(ledger: Ledger) -> None:
    """Who deletes a row gives it up."""
    ledger.apply([Change(NI, "ni1", None)], A1)
    assert not texts(ledger, Change(NI, "ni1", {}), writer="b")


def test_all_problems_at_once(ledger: Ledger) -> None:
    """Unknown tables, the daemon's own, rows named twice and a mixture of tables are told together."""
    twice = Change(NI, "x", {})
    found = texts(ledger, Change("Foo", "a", {}), Change("AgentConfig/a", "config", {}), twice, twice)
    assert [f[:2] for f in found] == ["0 ", "1 ", "3 ", "0 "]


def test_equal_rows_are_no_news(ledger: Ledger) -> None:
    """What is so already is not told again."""
    assert not ledger.differs([Change(NI, "ni1", {"x": 1}), Change(NI, "gone", None)])
    assert not ledger.apply([Change(NI, "ni1", {"x": 1}), Change(NI, "gone", None)], A1)
    assert ledger.differs([Change(NI, "ni1", {"x": 2})])


def test_state_is_what_will_be(ledger: Ledger) -> None:
    """What goes to disk holds the changes, which are not made yet; and only configuration."""
    ledger.apply([Change(STATUS, "s", {})], A1)
    state = ledger.state([Put(NI, "ni1", None), Put(APP, "app", Stored("b", {"y": 1}))], 8, None)
    assert state.rows == {"DevicePortConfig": {}, NI: {}, APP: {"app": Stored("b", {"y": 1})}}
    assert ledger.rows(NI) == {"ni1": {"x": 1}}


def test_restarted_collects_status_of_a_former_life(ledger: Ledger) -> None:
    """A restarted writer's old rows go when it has put all it knows, not before, and nobody else's ever."""
    ledger.apply([Change(STATUS, "kept", {}), Change(STATUS, "stale", {})], A1)
    ledger.apply([Change(STATUS, "other", {})], B)
    ledger.restarted(STATUS, A1)
    news = ledger.apply([Change(STATUS, "kept", {})], A2)
    assert keys(news) == [("\0a", None)]  # the new life has not said everything yet
    assert keys(ledger.restarted(STATUS, A2)) == [("stale", None), ("\0a", None)]
    assert set(ledger.rows(STATUS)) == {"kept", "other"}


def test_restarted_never_collects_configuration(ledger: Ledger) -> None:
    """Configuration goes only by a transaction."""
    ledger.restarted(NI, A2)
    assert ledger.rows(NI)
    assert not ledger.restarted("Foo", A2)


def test_dropped_table_comes_back_as_news(ledger: Ledger) -> None:
    """A subscriber that outlives a dropped table follows the table of the same name that comes later."""
    table = "LinkStatus/ni1"
    replica = Replica()
    ledger.apply([Change(table, "link", {"x": 1})], A1)
    for m in ledger.snapshot(table):
        replica.feed(m)
    for n in ledger.drop(table):
        assert not replica.feed(n.msg)
    assert not replica.rows
    assert not ledger.rows(table)
    (again,) = ledger.apply([Change(table, "link", {"x": 1})], B)
    assert not replica.feed(again.msg)
    assert replica.rows["link"] == b'{"x":1}'
    assert not ledger.drop("LinkStatus/never")


def test_asking_makes_no_table(ledger: Ledger) -> None:
    """A table that does not exist is empty, for as many names as one may ask for."""
    before = dict(ledger._tables)
    (end,) = ledger.snapshot("LinkStatus/x")
    assert end.cmd is Cmd.KTHXBAI
    assert ledger.hugz("LinkStatus/x").seq == end.seq
    ledger.apply([Change("LinkStatus/x", "link", None)], A1)
    assert ledger._tables == before
