"""What happens to a device is told: by `netnsmgr events`, by `describe`, and once more after a restart."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from netnsmgr.errors import ConfigError
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.tables import EVENT
from tests.lab.lab import ROOT
from tests.scenarios.documents import app, device, instance
from tests.scenarios.supervisors import client
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        made.leased("ni1", "app1")
        yield made


def events(w: World, *options: str) -> list[dict[str, Any]]:
    return list(json.loads(w.command("events", "-o", "json", *options).stdout)["items"])


def until(w: World, count: int = 1, **fields: str) -> dict[str, Any]:
    """Wait for an event with these fields."""
    view = w.client.subscribe(EVENT)

    def found() -> list[dict[str, Any]]:
        rows = [
            row for row in view.rows.values() if all(row[name] == value for name, value in fields.items())
        ]
        return [row for row in rows if row["count"] >= count]

    w.until(found, f"{count} {fields} among {list(view.rows.values())}")
    return found()[-1]


def test_a_new_device_has_no_history(w: World) -> None:
    """What comes into being is no event."""
    assert {event["reason"] for event in events(w)} <= {"Started", "PortUp"}


def test_a_killed_agent_is_an_event(w: World) -> None:
    """With its cause; twice is one event that is counted, and is shown with its object."""
    argv = [sys.executable, "-m", "netnsmgr", "events", "--watch", "--for", "agent/ni1", "-o", "json"]
    watch = w.lab.device.popen(argv, env={"PYTHONPATH": str(ROOT)})
    try:
        for count in (1, 2):
            w.kill_agent("ni1")
            event = until(w, count, reason="AgentEnded", object="Agent/ni1")
            assert watch.popen.stdout is not None
            assert json.loads(watch.popen.stdout.readline()) == event
    finally:
        watch.stop()
    assert (event["type"], event["message"]) == ("Warning", "killed by SIGKILL; it is started again")
    assert (event["count"], event["found"]["restarts"]) == (2, 2)
    assert events(w, "--for", "ni1") == events(w, "--for", "ni/ni1") == [event]
    assert "x2 over" in w.command("describe", "ni", "ni1").stdout
    assert "AgentEnded" not in w.command("describe", "device", "edge").stdout
    assert events(w, "--for", "uplink") == []


def test_a_port_that_loses_its_cable(w: World) -> None:
    """What the site does is no drift, and an event."""
    w.lab.gw.run(["ip", "link", "set", "eth0", "down"])
    until(w, reason="PortDown", object="Device/edge", message="port eth0 is down, it was up")
    w.lab.gw.run(["ip", "link", "set", "eth0", "up"])
    until(w, reason="PortUp", message="port eth0 is up, it was down")
    assert "Drift" not in {event["reason"] for event in events(w, "--for", "device/edge", "--warnings")}


def test_events_outlive_the_daemon(w: World) -> None:
    """Also if it is killed; what comes then is behind them, and the same once more is counted."""
    before = events(w, "--for", "agent/ni1")
    w.crash()
    w.restart()
    assert events(w, "--for", "agent/ni1") == before
    started = events(w, "--for", "daemon")[-1]
    assert (started["reason"], started["count"]) == ("Started", 2)


def test_a_deleted_instance_is_an_event(w: World) -> None:
    w.ready("ni1")
    w.command("delete", "app", "app1")
    w.command("delete", "ni", "ni1")
    until(w, reason="Deleted", object="NetworkInstance/ni1")


def test_supervisors_read_them(w: World) -> None:
    """By the public client, like any other table; in the order of their keys."""
    with client(w) as c:
        rows = c.rows("Event")
        assert [row for _, row in sorted(rows.items())] == events(w)


def test_nobody_but_the_daemon_writes_events(w: World) -> None:
    """Not even who may configure everything."""
    with pytest.raises(ConfigError, match="only the daemon writes Event"):
        w.client.put([Change(EVENT, "0000000001", None)])
