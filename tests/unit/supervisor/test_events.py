"""The events' file and table: kept over restarts, damaged or not, and only what an agent may tell."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.core.event import MAX_EVENTS
from netnsmgr.pubsub.tables import EVENT, agent_event
from netnsmgr.supervisor import event_file
from netnsmgr.supervisor.events import BURST, RATE, Events


class FakeHub:
    """The rows that were put."""

    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}

    def put(self, table: str, key: str, value: Mapping[str, Any] | None) -> None:
        assert table == EVENT
        if value is None:
            del self.rows[key]
        else:
            self.rows[key] = value

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [(row["object"], row["message"], row["count"]) for _, row in sorted(self.rows.items())]


def events(state: Path) -> tuple[FakeHub, Events]:
    hub = FakeHub()
    return hub, Events(hub, str(state))  # type: ignore[arg-type]


def test_events_survive_their_daemon(tmp_path: Path) -> None:
    """After kill -9 all are there again, with their numbers, and counting goes on."""
    hub, first = events(tmp_path)
    for n in (1, 2, 1):
        first.tell("Daemon", "Tried", str(n))
    again, second = events(tmp_path)
    assert again.rows == hub.rows
    second.tell("Daemon", "Tried", "2")
    assert again.told == [("Daemon", "1", 2), ("Daemon", "2", 2)]
    assert sorted(again.rows) == ["0000000003", "0000000004"]
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_damage_costs_the_lines_concerned(tmp_path: Path) -> None:
    """Cut, overwritten and foreign lines are left out; what comes later is written on a line of its own."""
    _, first = events(tmp_path)
    for n in range(4):
        first.tell("Daemon", "Tried", str(n))
    first.close()
    path = tmp_path / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * 60 + b"\n[1]\n{}\n\xff\n" + lines[2] + lines[3][:40])
    hub, second = events(tmp_path)
    assert [text for _, text, _ in hub.told] == ["0", "2"]
    second.tell("Daemon", "Tried", "4")
    hub, _ = events(tmp_path)
    assert [text for _, text, _ in hub.told] == ["0", "2", "4"]


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many happen: the file holds little more than those that are kept."""
    monkeypatch.setattr(event_file, "MAX_BYTES", 20_000)
    hub, first = events(tmp_path)
    for n in range(3 * MAX_EVENTS):
        first.tell("Daemon", "Tried", f"{n} {'x' * 300}")
    assert len(hub.rows) == MAX_EVENTS
    assert (tmp_path / "events.jsonl").stat().st_size < 3 * MAX_EVENTS * 500
    again, _ = events(tmp_path)
    assert again.rows == hub.rows
    assert list(tmp_path.iterdir()) == [tmp_path / "events.jsonl"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Events are told all the same, and written again as soon as that is possible."""
    hub, first = events(tmp_path)
    first.tell("Daemon", "Tried", "before")

    def refuse(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        first.tell("Daemon", "Tried", "meanwhile")
    first.tell("Daemon", "Tried", "after")
    assert [text for _, text, _ in hub.told] == ["before", "meanwhile", "after"]
    again, _ = events(tmp_path)
    assert [text for _, text, _ in again.told] == ["before", "after"]


def test_half_a_line_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that was written in part spoils no other."""
    _, first = events(tmp_path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:30]))
        first.tell("Daemon", "Tried", "half")
    first.tell("Daemon", "Tried", "whole")
    again, _ = events(tmp_path)
    assert [text for _, text, _ in again.told] == ["whole"]


def told(about: str = "NetworkInstance/ni1", **more: object) -> dict[str, Any]:
    row = {
        "object": about,
        "type": "Warning",
        "reason": "Drift",
        "message": "it was gone",
        "count": 1,
        "number": 1,
    }
    return {**row, **more}


@pytest.mark.parametrize(
    ("agent", "row"),
    [
        ("ni1", told(count=3)),
        ("ni1", told("App/app1/eth0", found={"expected": "up"})),
        ("uplink", told("NetworkInstance/ni1")),
        ("uplink", told("Device/edge")),
    ],
)
def test_agents_tell(tmp_path: Path, agent: str, row: dict[str, Any]) -> None:
    """What an agent tells is an event of the moment, and says who told it."""
    hub, keeper = events(tmp_path)
    keeper.on_row(agent_event(agent), "3", row)
    keeper.on_row(agent_event(agent), "3", None)
    (kept,) = hub.rows.values()
    assert {**row, **kept, "number": 1} == {**kept, "number": 1}
    assert kept["source"] == agent


@pytest.mark.parametrize(
    "row",
    [
        told("NetworkInstance/ni2"),
        told("Device/edge"),
        told("Daemon"),
        told("App/"),
        told(type="Error"),
        told(count=0),
        told(count=10**9),
        told(found=[]),
        told(message=None),
        {},
    ],
)
def test_what_an_agent_may_not_tell(tmp_path: Path, row: dict[str, Any]) -> None:
    """Nothing malformed is kept, nor what is about others."""
    hub, keeper = events(tmp_path)
    keeper.on_row(agent_event("ni1"), "3", row)
    assert hub.rows == {}
    assert not (tmp_path / "events.jsonl").exists()


def test_an_agent_that_floods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has got hold of an agent, and keeps to no limit, fills neither disk nor list; how many it were is told."""
    clock = [100.0]
    monkeypatch.setattr("netnsmgr.supervisor.events.time.monotonic", lambda: clock[0])
    hub, keeper = events(tmp_path)
    for n in range(10_000):
        keeper.on_row(agent_event("ni1"), "1", told(message=str(n)))
    assert len(hub.rows) == BURST
    size = (tmp_path / "events.jsonl").stat().st_size
    assert size < BURST * 400
    keeper.on_row(agent_event("ni2"), "1", told("NetworkInstance/ni2"))
    clock[0] += 1 / RATE
    keeper.on_row(agent_event("ni1"), "1", told(message="last"))
    (lost,) = [row for row in hub.rows.values() if row["reason"] == "EventsLost"]
    assert lost["found"] == {"events": 10_000 - BURST}
