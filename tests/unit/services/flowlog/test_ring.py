"""The newest records: bounded, numbered, and going on after a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.services.flowlog.ring import RECORDS, Book


@given(st.lists(st.tuples(st.sampled_from(["app1", "app2"]), st.integers(0, 300)), max_size=900))
def test_bounded_and_in_order(added: list[tuple[str, int]]) -> None:
    """At most 200 of each, the newest, in the order of their numbers, one for each key."""
    book = Book("ni1")
    for app, key in added:
        book.add(app, key, {"key": key})
    for app, row in book.rows():
        numbers = [record["n"] for record in row["records"]]
        keys = [record["key"] for record in row["records"]]
        assert numbers == sorted(numbers)
        assert row["seq"] == numbers[-1] == sum(1 for other, _ in added if other == app)
        assert len(numbers) <= RECORDS
        newest = list(dict.fromkeys(key for other, key in reversed(added) if other == app))[:RECORDS]
        assert keys == newest[::-1]
    assert not book.changed


def test_losses_are_told_to_all() -> None:
    """What was lost may have been anybody's; nothing lost is no news."""
    book = Book("ni1")
    book.keep(frozenset({"app1", "app2"}))
    list(book.rows())
    book.lose(0)
    assert not book.changed
    book.lose(3)
    assert [(app, row["lost"]) for app, row in book.rows()] == [("app1", 3), ("app2", 3)]


def test_an_earlier_life_is_gone_on_with() -> None:
    """Its records come first and keep their numbers; what came meanwhile is numbered after them."""
    book = Book("ni1")
    book.add("app1", "a", {"text": "new"})
    book.adopt("app1", {"seq": 7, "lost": 2, "records": [{"n": 6, "text": "old"}, {"n": 7, "text": "older"}]})
    book.add("app1", "a", {"text": "newer"})
    ((_, row),) = book.rows()
    assert [(record["n"], record["text"]) for record in row["records"]] == [
        (6, "old"),
        (7, "older"),
        (9, "newer"),
    ]
    assert (row["seq"], row["lost"]) == (9, 2)


def test_applications_that_left_are_forgotten() -> None:
    """Their rows are to be taken back; those that came have one at once."""
    book = Book("ni1")
    book.add("app1", 1, {})
    assert book.keep(frozenset({"app2"})) == ["app1"]
    assert [(app, row["records"]) for app, row in book.rows()] == [("app2", [])]
