"""Configuration on disk, also when the disk has had a bad day."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub import store as module
from netnsmgr.pubsub.revision import pack
from netnsmgr.pubsub.store import Meta, State, Store, Stored

NI = "NetworkInstanceConfig"
META = Meta(1000.5, "zedbox", "apply")


def state(n: int, **options: Any) -> State:
    return State(n, {NI: {"ni1": Stored("zedbox", {"n": n, "text": "ü\ud800"})}}, **options)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def path(store: Store, n: int) -> Path:
    return store.directory / f"{n:010}.jsonl"


def names(store: Store) -> set[str]:
    return {p.name for p in store.directory.iterdir()}


def test_there_and_back(store: Store) -> None:
    """What was saved is loaded; before, there is nothing, which is complete."""
    assert store.load() == State()
    store.save(state(1), META)
    store.save(state(2, complete=False, trial={"of": 2}), META)
    assert store.load() == state(2, complete=False, trial={"of": 2})
    assert names(store) == {"0000000001.jsonl", "0000000002.jsonl"}


def test_history(store: Store) -> None:
    """Each revision is kept and knows when, by whom and by what it came about."""
    assert store.revisions() == []
    for n in 1, 2, 10:
        store.save(state(n), META._replace(time=float(n)))
    assert [(r.number, r.time, r.writer, r.what, r.complete) for r in store.revisions()] == [
        (n, float(n), "zedbox", "apply", True) for n in (10, 2, 1)
    ]
    assert store.revisions()[0].size == path(store, 10).stat().st_size
    assert store.read(2) == state(2)


def test_unknown_revision(store: Store) -> None:
    """Who asks for what is not there is told what is."""
    with pytest.raises(NetnsmgrError, match="none is kept"):
        store.read(1)
    for n in 2, 3:
        store.save(state(n), META)
    with pytest.raises(NetnsmgrError, match="no revision 1; kept are 2 to 3"):
        store.read(1)
    path(store, 2).write_bytes(b"")
    with pytest.raises(NetnsmgrError, match="revision 2 cannot be used"):
        store.read(2)
    assert [r.number for r in store.revisions()] == [3]


def test_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go when there are too many or they take too much; the newest two stay however large they are."""
    monkeypatch.setattr(module, "REVISIONS", 4)
    for n in range(1, 10):
        store.save(state(n), META)
    assert [r.number for r in store.revisions()] == [9, 8, 7, 6]
    monkeypatch.setattr(module, "BYTES", 3 * path(store, 9).stat().st_size + 100)
    store.save(state(10), META)
    assert [r.number for r in store.revisions()] == [10, 9, 8]
    monkeypatch.setattr(module, "BYTES", 1)
    store.save(state(11), META)
    assert [r.number for r in store.revisions()] == [11, 10]


def test_only_ours_to_read(store: Store) -> None:
    """Configuration may hold keys."""
    store.save(state(1), META)
    assert path(store, 1).stat().st_mode & 0o777 == 0o600
    assert store.directory.stat().st_mode & 0o777 == 0o700


def damages() -> list[bytes]:
    """What a file may look like after a bad day."""
    good = pack(state(3), META)
    return [
        b"", b"\0" * 4096, b"{", b"[" * 100_000, b"[]\n", b"\xff",
        good[: len(good) // 2], good[:-1], good + b"\0", good.replace(b'"n": 3', b'"n": 7'),
        good.replace(b'"form": 2', b'"form": 3'), pack(state(4), META),
    ]  # fmt: skip


@pytest.mark.parametrize("text", damages())
def test_damaged_file_is_set_aside(store: Store, text: bytes) -> None:
    """The revision before is used under a number of its own, and it is known that something may be missing."""
    store.save(state(2), META)
    store.save(state(3), META)
    path(store, 3).write_bytes(text)
    for again in range(2):
        loaded = store.load()
        assert (loaded.revision, loaded.rows, loaded.complete) == (4, state(2).rows, False)
        assert len(store.damage) == 1 - again
    assert path(store, 3).with_name("0000000003.jsonl.damaged").read_bytes() == text
    assert [(r.number, r.what) for r in store.revisions()] == [(4, "recovered"), (2, "apply")]


def test_two_damaged(store: Store) -> None:
    """Back to the last good one, however far that is."""
    for n in range(1, 5):
        store.save(state(n), META)
    for n in 3, 4:
        path(store, n).write_bytes(b"")
    assert store.load() == State(5, state(2).rows, complete=False)
    assert len(store.damage) == 2


def test_all_is_lost(store: Store) -> None:
    """With all files damaged it begins empty, and knows that this is not the truth, also the next time."""
    for n in 1, 2:
        store.save(state(n), META)
        path(store, n).write_bytes(b"")
    for _ in range(2):
        assert store.load() == State(3, {}, complete=False)


def test_all_is_gone(store: Store) -> None:
    """Neither is an empty directory the truth, if there were revisions once."""
    store.save(state(1), META)
    path(store, 1).unlink()
    assert not store.load().complete
    assert "empty" in store.damage[0]


def test_damage_on_a_disk_that_cannot_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is found at each start."""
    for n in 1, 2:
        store.save(state(n), META)
    path(store, 2).write_bytes(b"")

    def refuse(*_args: object) -> None:
        raise OSError(30, "Read-only file system")

    for name in "replace", "rename":
        monkeypatch.setattr(os, name, refuse)
    for _ in range(2):
        assert store.load() == State(3, state(1).rows, complete=False)
        assert len(store.damage) == 1


def test_damaged_files_do_not_pile_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that damages each file does not fill itself with them."""
    monkeypatch.setattr(module, "DAMAGED", 2)
    for _ in range(5):
        n = store.load().revision + 1
        store.save(state(n), META)
        path(store, n).write_bytes(b"")
    store.load()
    assert len([name for name in names(store) if name.endswith(".damaged")]) == 2


def test_later_form_is_not_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that was downgraded says so instead of starting with nothing, which would delete everything."""
    store.save(state(1), META)
    with monkeypatch.context() as m:
        m.setattr("netnsmgr.pubsub.revision.FORM", 3)
        m.setattr("netnsmgr.pubsub.revision.__version__", "7.0")
        store.save(state(2), META)
    with pytest.raises(
        NetnsmgrError, match=r"netnsmgr 7\.0.*Install that version again, or move .* after revision 1 away"
    ):
        store.load()
    with pytest.raises(NetnsmgrError, match="revision 2 cannot be used"):
        store.read(2)
    assert names(store) == {"0000000001.jsonl", "0000000002.jsonl"}


def test_unreadable_is_not_damage(store: Store) -> None:
    """Neither is a file that cannot be read."""
    path(store, 1).mkdir(parents=True)
    with pytest.raises(NetnsmgrError, match="cannot read"):
        store.load()


def test_earlier_version_refuses(store: Store) -> None:
    """A netnsmgr that knows ``rows.json`` alone finds that it is of a later form."""
    store.save(state(1), META)
    assert json.loads((store.directory.parent / "rows.json").read_bytes())["version"] == 2


def test_a_value_of_another_version(tmp_path: Path) -> None:
    """What this version cannot take in is left out and named; the others count, and nothing is taken for deleted."""
    both = {"ni1": Stored("zedbox", {"n": 1}), "ni2": Stored("zedbox", {"former": 1})}
    Store(tmp_path).save(State(5, {NI: both}), META)
    store = Store(tmp_path, lambda value: "former: unknown field" if "former" in value else "")
    for _ in range(2):
        assert store.load() == State(6, {NI: {"ni1": both["ni1"]}}, complete=False)
    assert store.read(5).rows == {NI: both}
