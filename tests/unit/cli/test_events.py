"""``netnsmgr events``: which are shown, how, and how they are followed."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.supervisor.events import Events
from tests.unit.cli.straw import Machine, Straw


@pytest.fixture
def events(machine: Machine, straw: Straw, tmp_path: Path) -> Events:
    """Events of the daemon of straw."""
    made: Events = told(straw, lambda: Events(straw.hub, str(tmp_path)))
    return made


def told(straw: Straw, do: Any) -> Any:
    """Have something done in the hub's thread."""

    async def call() -> Any:
        return do()

    return asyncio.run_coroutine_threadsafe(call(), straw.hub._door._loop).result(5)


def some(straw: Straw, events: Events) -> None:
    def tell() -> None:
        events.tell("Daemon", "Started", "it started", type="Normal")
        events.tell("Device/edge", "PortDown", "port eth0 is down")
        events.tell("Agent/ni1", "AgentEnded", "it broke")
        events.tell("App/ni1/eth0", "Waiting", "an application of that name", type="Normal")
        events.tell("App/app1/eth0", "Waiting", "it has gone", type="Normal")
        events.tell("Agent/uplink", "AgentEnded", "it broke", found={"restarts": 1})

    told(straw, tell)


@pytest.mark.parametrize(
    ("options", "objects"),
    [
        ((), ["Daemon", "Device/edge", "Agent/ni1", "App/ni1/eth0", "App/app1/eth0", "Agent/uplink"]),
        (("--for", "ni1"), ["Agent/ni1", "App/ni1/eth0"]),
        (("--for", "ni/ni1"), ["Agent/ni1"]),
        (("--for", "app/ni1"), ["App/ni1/eth0"]),
        (("--for", "app1/eth0"), []),
        (("--for", "app/app1/eth0"), ["App/app1/eth0"]),
        (("--for", "device/edge"), ["Device/edge", "Agent/uplink"]),
        (("--for", "agent/uplink"), ["Agent/uplink"]),
        (("--for", "daemon"), ["Daemon"]),
        (("--warnings",), ["Device/edge", "Agent/ni1", "Agent/uplink"]),
    ],
)
def test_which(
    machine: Machine, straw: Straw, events: Events, options: tuple[str, ...], objects: list[str]
) -> None:
    some(straw, events)
    if options == ("--for", "app1/eth0"):
        assert "'app1' is no kind" in machine.run("events", *options).stderr
        return
    found = json.loads(machine.run("events", *options, "-o", "json").stdout)["items"]
    assert [row["object"] for row in found] == objects


def test_a_table(machine: Machine, straw: Straw, events: Events) -> None:
    """Without any, and with one that was counted."""
    assert "there are no events of ni9" in machine.run("events", "--for", "ni9").stderr
    for _ in range(3):
        told(straw, lambda: events.tell("Device/edge", "PortDown", "port eth0 is down"))
    lines = machine.run("events").stdout.splitlines()
    assert lines[0].split("  ")[0] == "LAST SEEN"
    assert "(x3 over " in lines[1]


def test_watch(machine: Machine, straw: Straw, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there, then each that happens, once; also one that is only counted, and the last one again."""
    some(straw, events)
    said: list[tuple[str, int]] = []

    def echo(text: str, **_: Any) -> None:
        row = json.loads(text)
        said.append((row["object"], row["count"]))
        if len(said) in (6, 7):
            told(straw, lambda: events.tell("Agent/uplink", "AgentEnded", "it broke"))
        elif len(said) == 8:
            told(straw, lambda: events.tell("Daemon", "Started", "it started", type="Normal"))
        elif len(said) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr("netnsmgr.cli.events.click.echo", echo)
    began = time.monotonic()
    assert machine.run("events", "--watch", "-o", "json").exit_code == 130
    assert said[6:] == [("Agent/uplink", 2), ("Agent/uplink", 3), ("Daemon", 2)]
    assert time.monotonic() - began < 60
