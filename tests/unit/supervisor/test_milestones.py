"""Which rows of status are events: what changed for the worse or back, and nothing that is as it was."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.pubsub.tables import AGENT_STATUS, APP_STATUS, DEVICE_STATUS, INSTANCE_STATUS
from netnsmgr.supervisor.milestones import DIFFERENT, Milestones


class Heard(Milestones):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        super().__init__(lambda about, reason, text, **more: self.told.append((about, reason, text)))

    def ni(self, state: str, *reasons: str) -> None:
        self.on_row(INSTANCE_STATUS, "ni1", {"state": state, "reasons": list(reasons)})

    @property
    def short(self) -> list[str]:
        return [reason for _, reason, _ in self.told]


def test_ordinary_life_is_no_event() -> None:
    """Coming into being, being changed and a restart of the daemon say nothing."""
    heard = Heard()
    for state in ("reconciling", "ready", "ready", "reconciling", "ready", "deleting"):
        heard.ni(state, *(["pending: link uplink"] if state == "reconciling" else []))
    heard.on_row(INSTANCE_STATUS, "ni1", None)
    heard.on_row(APP_STATUS, "ni1/app1/eth0", {"state": "pending", "reasons": ["x"]})
    heard.on_row(APP_STATUS, "ni1/app1/eth0", {"state": "ready"})
    for state in ("starting", "running"):
        heard.on_row(AGENT_STATUS, "ni1", {"state": state, "restarts": 0, "cause": None})
    assert heard.told == []


def test_what_breaks_and_is_mended() -> None:
    """Each reason once until it is ready again."""
    heard = Heard()
    for reasons in (("a",), ("a",), ("a", "b")):
        heard.ni("degraded", *reasons)
    heard.ni("reconciling", "c")
    heard.ni("degraded", "b")
    heard.ni("ready")
    heard.ni("degraded", "a")
    assert heard.told == [
        ("NetworkInstance/ni1", "Degraded", "a"),
        ("NetworkInstance/ni1", "Degraded", "b"),
        ("NetworkInstance/ni1", "Ready", "it is ready again"),
        ("NetworkInstance/ni1", "Degraded", "a"),
    ]


def test_a_reason_that_changes_all_the_time() -> None:
    heard = Heard()
    for n in range(1000):
        heard.ni("degraded", f"no answer for {n} s")
    assert len(heard.told) == DIFFERENT


def test_an_application_that_goes() -> None:
    heard = Heard()
    for state in ("ready", "pending", "pending", "ready"):
        heard.on_row(
            APP_STATUS, "ni1/app1/eth0", {"state": state, "reasons": ["pending: network namespace app1"]}
        )
    assert [(about, reason) for about, reason, _ in heard.told] == [
        ("App/app1/eth0", "Waiting"),
        ("App/app1/eth0", "Ready"),
    ]


def test_ports() -> None:
    """Only what changes, not what is first seen."""
    heard = Heard()
    for states in ("down", "up", "missing", "moved"):
        ports = [{"name": "eth0", "state": states}, {"name": "eth1", "state": "up"}]
        heard.on_row(DEVICE_STATUS, "edge", {"state": "ready", "ports": ports})
    assert [(reason, text) for _, reason, text in heard.told] == [
        ("PortUp", "port eth0 is up, it was down"),
        ("PortDown", "port eth0 is missing, it was up"),
        ("PortUp", "port eth0 is moved, it was missing"),
    ]


def test_agents() -> None:
    """An end is told once, with its cause; a deleted instance, too."""
    heard = Heard()
    for state, restarts in (("running", 0), ("backing-off", 1), ("running", 1), ("backing-off", 2)):
        heard.on_row(
            AGENT_STATUS, "ni1", {"state": state, "restarts": restarts, "cause": "killed by SIGKILL"}
        )
    heard.on_row(AGENT_STATUS, "ni1", None)
    assert heard.short == ["AgentEnded", "AgentEnded", "Deleted"]
    assert heard.told[0] == ("Agent/ni1", "AgentEnded", "killed by SIGKILL; it is started again")


@pytest.mark.parametrize("table", [AGENT_STATUS, DEVICE_STATUS, INSTANCE_STATUS, APP_STATUS])
@pytest.mark.parametrize(
    "row", [{}, {"state": []}, {"state": "ready", "ports": [1]}, {"restarts": "x"}, {"reasons": 1}]
)
def test_rows_that_are_none(table: str, row: dict[str, Any]) -> None:
    """Agents write these rows; nothing in them breaks the daemon."""
    heard = Heard()
    heard.on_row(table, "x", row)
    assert heard.told == []


def test_an_application_that_is_changed_waits_for_nothing() -> None:
    """Of a change of the configuration nobody has to be told; what it waits for in the end is told."""
    heard = Heard()
    for state in ("ready", "pending", "ready"):
        heard.on_row(APP_STATUS, "ni1/app1/eth0", {"state": state, "reasons": []})
    assert heard.told == []
    for reasons in ([], ["pending: network namespace app1"]):
        heard.on_row(APP_STATUS, "ni1/app1/eth0", {"state": "pending", "reasons": reasons})
    assert heard.short == ["Waiting"]
