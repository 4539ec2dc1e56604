"""Configuration on disk, also when the disk has had a bad day."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.store import State, Store, Stored

NI = "NetworkInstanceConfig"


def state(n: int) -> State:
    return State(n, {NI: {"ni1": Stored("zedbox", {"n": n, "text": "ü\ud800"})}})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def test_there_and_back(store: Store) -> None:
    """What was saved is loaded; before, there is nothing, which is complete."""
    assert store.load() == State()
    store.save(state(1))
    store.save(state(2))
    assert store.load() == state(2)
    assert {p.name for p in store.path.parent.iterdir()} == {"rows.json", "rows.json.bak"}


def test_only_ours_to_read(store: Store) -> None:
    """Configuration may hold keys."""
    store.save(state(1))
    assert store.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [b"", b"\0" * 4096, b"{", b"[" * 100_000, b"[]", b'{"version":1}', b"\xff",
     b'{"version":1,"revision":1,"complete":true,"rows":{"NetworkInstanceConfig":[]}}',
     b'{"version":1,"revision":1,"complete":true,"rows":{"NetworkInstanceConfig":{"a":["w",1]}}}'],
)  # fmt: skip
def test_damaged_file_is_set_aside(store: Store, text: bytes) -> None:
    """The backup is used, its revision is not given to two states, and the state is known to be incomplete."""
    store.save(state(1))
    store.save(state(2))
    store.path.write_bytes(text)
    for _ in range(2):  # the second time, there is no such file any more
        loaded = store.load()
        assert (loaded.revision, loaded.rows, loaded.complete) == (2, state(1).rows, False)
    assert store.path.with_name("rows.json.damaged").read_bytes() == text


def test_all_is_lost(store: Store) -> None:
    """With both files damaged it begins empty, and knows that this is not the truth, also the next time."""
    store.save(state(1))
    store.save(state(2))
    store.path.write_bytes(b"")
    store.backup.write_bytes(b"")
    lost = store.load()
    assert lost == State(0, {}, complete=False)
    store.save(lost)
    assert store.load() == lost


def test_crash_at_each_step_leaves_a_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever system call is the last, one of the two states is there, complete."""

    class Crash(BaseException):
        pass

    def crash(*_args: object, **_options: object) -> None:
        raise Crash

    store.save(state(1))
    for n, (where, name) in enumerate([(os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink")]):
        with monkeypatch.context() as m:
            m.setattr(where, name, crash)
            with pytest.raises(Crash):
                store.save(state(n + 2))
        assert store.load() == state(1)
    store.save(state(9))
    assert store.load() == state(9)


def test_later_version_is_not_damage(store: Store) -> None:
    """A daemon that was downgraded says so instead of starting with nothing, which would delete everything."""
    store.save(state(1))
    store.path.write_text(json.dumps({"version": 2}))
    with pytest.raises(NetnsmgrError, match="later netnsmgr"):
        store.load()
    assert store.path.exists()


def test_unreadable_is_not_damage(store: Store) -> None:
    """Neither is a file that cannot be read."""
    store.path.mkdir(parents=True)
    with pytest.raises(NetnsmgrError, match="cannot read"):
        store.load()
