"""The events of the whole device: told by the supervisor and its agents, kept over restarts, shown as rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

from netnsmgr.core.event import Event, Type
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.tables import EVENT, agent_of_event
from netnsmgr.supervisor.event_file import EventFile

MAX_COUNT = 1_000_000
"""Of how many equal events an agent may tell in one row."""

BURST, RATE = 100.0, 1.0
"""Events that an agent may tell at once, and in a second."""

log = structlog.get_logger()


class Events:
    """Owns the table ``Event`` (key: the number, ten digits) and, by ``EventFile``, ``events.jsonl``."""

    def __init__(self, hub: Hub, state_dir: str) -> None:
        self._hub = hub
        self._file = EventFile(state_dir)
        self._ring = self._file.load()
        self._allowed: dict[str, tuple[float, float, int]] = {}
        """By agent: what it may tell at once, as of when, and how many were too many since then."""
        self.heard: list[Callable[[Event], None]] = []
        """Who hears of each event as it happens."""
        for number, event in self._ring:
            hub.put(EVENT, _key(number), event.row())

    def tell(
        self,
        about: str,
        reason: str,
        message: str,
        *,
        type: Type = "Warning",  # noqa: A002
        found: dict[str, Any] | None = None,
    ) -> None:
        """Keep and show an event; raises ValueError if ``about`` or ``reason`` have not the form of ``Event``.

        No secret may be in ``message`` or ``found``: whoever may use the socket reads them.
        """
        self._keep(Event(time.time(), about, type, reason, message, found))

    def on_row(self, table: str, _key: str, value: Row | None) -> None:
        """Hear what an agent tells; see ``Hub.on_change``."""
        agent = agent_of_event(table)
        if agent is None or value is None:
            return
        if not self._may_tell_now(agent):
            return
        try:
            event = _told(agent, value)
        except ValueError as error:
            log.warning("an agent's event is malformed", agent=agent, cause=str(error))
            return
        self._keep(event)

    def _may_tell_now(self, agent: str) -> bool:
        """Whether an agent has not told too much; one of ours keeps to less by itself (``agent.events``)."""
        now = time.monotonic()
        if (
            len(self._allowed) > 1000
        ):  # names of instances that were; who was silent for so long may tell all again
            self._allowed = {name: was for name, was in self._allowed.items() if now - was[1] < BURST / RATE}
        left, since, lost = self._allowed.get(agent, (BURST, now, 0))
        left = min(BURST, left + (now - since) * RATE)
        if left < 1:
            self._allowed[agent] = left, now, lost + 1
            return False
        self._allowed[agent] = left - 1, now, 0
        if lost:
            words = "it told more than an agent may"
            self._keep(Event(time.time(), f"Agent/{agent}", "Warning", "EventsLost", words, {"events": lost}))
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _keep(self, event: Event) -> None:
        for callback in self.heard:
            callback(event)
        kept = self._ring.add(event)
        # First what is new: who follows them must never see the numbers go back.
        self._hub.put(EVENT, _key(kept.number), kept.event.row())
        for number in kept.gone:
            self._hub.put(EVENT, _key(number), None)
        self._file.append(kept.number, kept.event, self._ring)


def _key(number: int) -> str:
    return f"{number:010}"


def _told(agent: str, row: Row) -> Event:
    """Return the event of an agent's row, as of now; ValueError if it is none, or of what is not the agent's."""
    match row:
        case {
            "object": str(thing),
            "type": ("Normal" | "Warning") as kind,
            "reason": str(reason),
            "message": str(message),
            "count": int(count),
        } if 0 < count <= MAX_COUNT:
            found = row.get("found")
            if found is not None and not isinstance(found, dict):
                raise ValueError("found is an object")
            if not _may_tell(agent, thing):
                raise ValueError(f"the agent of {agent} tells nothing of {thing[:80]!r}")
            return Event(time.time(), thing, kind, reason, message, found, count, source=agent)
    raise ValueError("not an event")


def _may_tell(agent: str, thing: str) -> bool:
    """Say whether this is an agent's to tell of: its own instance and applications; the device is the uplink agent's."""
    kind, _, name = thing.partition("/")
    if agent == "uplink":
        return kind in ("Device", "NetworkInstance", "Agent")
    return kind == "App" or (kind in ("NetworkInstance", "Agent") and name == agent)
