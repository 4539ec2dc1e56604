"""Events that nobody tells, because the rows of status say them: what broke, what works again, who ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.tables import AGENT_STATUS, APP_STATUS, DEVICE_STATUS, INSTANCE_STATUS

DIFFERENT = 8
"""Of how many different reasons is told while an object is degraded; a reason may hold a number that changes."""

Tell = Callable[..., None]
"""``supervisor.events.Events.tell``."""


class Milestones:
    """Hears rows (``Hub.on_change``) and tells events.

    What comes into being or is taken up after a restart is no event: only what is different from what was known.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._states: dict[str, str] = {}
        self._reasons: dict[str, set[str]] = {}
        self._ports: dict[str, dict[str, str]] = {}
        self._restarts: dict[str, int] = {}

    def on_row(self, table: str, key: str, value: Row | None) -> None:
        """Hear of a row; whatever is in it, as agents write most of them."""
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            if table == AGENT_STATUS:
                self._agent(key, value)
            elif table == DEVICE_STATUS:
                self._object(f"Device/{key}", value)
                self._port_states(f"Device/{key}", value)
            elif table == INSTANCE_STATUS:
                self._object(f"NetworkInstance/{key}", value)
            elif table == APP_STATUS:
                self._object(f"App/{key.partition('/')[2]}", value)

    def _agent(self, name: str, row: Row | None) -> None:
        before = self._restarts.pop(name, 0)
        if row is None:
            self._tell(f"NetworkInstance/{name}", "Deleted", "everything of it is gone", type="Normal")
            return
        self._restarts[name] = row["restarts"]
        if row["restarts"] > before:
            found = {"restarts": row["restarts"]}
            self._tell(f"Agent/{name}", "AgentEnded", f"{row['cause']}; it is started again", found=found)

    def _object(self, about: str, row: Row | None) -> None:
        if row is None:
            self._states.pop(about, None)
            self._reasons.pop(about, None)
            return
        state, reasons = row["state"], [str(reason) for reason in row.get("reasons") or ()]
        before = self._states.get(about)
        if state == "degraded":
            told = self._reasons.setdefault(about, set())
            news = [reason for reason in reasons if reason not in told][: DIFFERENT - len(told)]
            if before != "degraded" or news:
                self._tell(about, "Degraded", "; ".join(news or reasons) or "no reason is known")
            told.update(news)
        elif (
            state == "pending" and before == "ready" and reasons
        ):  # without, it is on its way through a change
            self._tell(about, "Waiting", "; ".join(reasons), type="Normal")
        elif state == "ready":
            if before not in (None, "ready"):
                self._tell(about, "Ready", "it is ready again", type="Normal")
            self._reasons.pop(about, None)
        else:
            return  # "reconciling" is no news: it is what follows each change, and what stood before counts
        self._states[about] = state

    def _port_states(self, about: str, row: Row | None) -> None:
        before = self._ports.pop(about, {})
        if row is None:
            return
        now = self._ports[about] = {port["name"]: port["state"] for port in row.get("ports") or ()}
        for port, state in now.items():
            was = before.get(port, state)
            if was != state:
                up: dict[str, Any] = {"type": "Normal"} if state in ("up", "moved") else {}
                self._tell(
                    about, "PortUp" if up else "PortDown", f"port {port} is {state}, it was {was}", **up
                )
