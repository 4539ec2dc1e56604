"""What is told of a stored configuration that was found damaged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from netnsmgr.pubsub.store import Meta, State, Store, Stored
from netnsmgr.supervisor.damage import fault, tell_damage

META = Meta(1.0, "cli", "apply")


class Told:
    """Listens like the supervisor's events."""

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []

    def tell(self, _about: str, reason: str, _message: str, *, type: str = "Warning") -> None:  # noqa: A002
        self.reasons.append((reason, type))


def start(store: Store) -> tuple[Any, Told]:
    callbacks: list[Any] = []
    hub = SimpleNamespace(complete=store.load().complete, on_config=callbacks.append, callbacks=callbacks)
    told = Told()
    tell_damage(cast("Any", hub), store, cast("Any", told))
    return hub, told


def test_nothing_is_damaged(tmp_path: Path) -> None:
    """Nobody is told anything."""
    Store(tmp_path).save(State(1), META)
    assert start(Store(tmp_path))[1].reasons == []


def test_until_it_is_whole_again(tmp_path: Path) -> None:
    """The damage is told once, what follows from it at each start, and its end once."""
    for n in 1, 2:
        Store(tmp_path).save(State(n), META)
    (tmp_path / "revisions/0000000002.jsonl").write_bytes(b"")
    hub, told = start(Store(tmp_path))
    assert told.reasons == [("ConfigDamaged", "Warning"), ("ConfigIncomplete", "Warning")]
    hub, told = start(Store(tmp_path))
    for complete in False, True, True:
        hub.complete = complete
        hub.callbacks[0](4)
    assert told.reasons == [("ConfigIncomplete", "Warning"), ("ConfigComplete", "Normal")]


def test_a_document_of_another_version(tmp_path: Path) -> None:
    """A field that this version does not know costs its document, not the daemon."""
    document = {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "NetworkInstance",
        "metadata": {"name": "ni1"},
        "spec": {},
    }
    good = document | {"spec": {"type": "local", "subnets": ["10.0.0.0/24"]}}
    bad = document | {"spec": {"type": "local", "subnets": ["10.0.0.0/24"], "former": 1}}
    assert fault(good) == ""
    assert "former" in fault(bad)
    for odd in {}, {"kind": 3}, {"kind": "Route", "apiVersion": "netnsmgr/v1alpha1"}:
        assert fault(odd)
    rows = {"NetworkInstanceConfig": {"ni1": Stored("cli", bad), "ni2": Stored("cli", good)}}
    Store(tmp_path).save(State(1, rows), META)
    store = Store(tmp_path, fault)
    loaded = store.load()
    assert loaded.rows["NetworkInstanceConfig"].keys() == {"ni2"}
    assert not loaded.complete
    assert "former" in store.damage[0]
