"""What is counted for the metrics while the daemon runs, and all that they show put together."""

from __future__ import annotations

import time
from collections import Counter
from typing import Protocol

from netnsmgr.core.event import Event
from netnsmgr.core.linkname import short_name
from netnsmgr.features.scope import LINK_PREFIX
from netnsmgr.kernel.link_counters import link_counters
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.tables import AGENT_STATUS, EVENT, PERSISTENT, STATUS
from netnsmgr.supervisor.metrics import Seen

REASONS = 64
"""Kinds of events that are counted apart: agents choose the words, and each is a series for ever."""


class _Counters(Protocol):
    def counters(self) -> dict[str, dict[str, int]]: ...


class Counting:
    """Counts rows and events from now on."""

    def __init__(self, hub: Hub, supervisor: _Counters) -> None:
        self._hub = hub
        self._supervisor = supervisor
        self._events: Counter[tuple[str, str]] = Counter()
        self._published: Counter[str] = Counter()
        self._started = time.time()

    def on_row(self, table: str, _key: str, _value: Row | None) -> None:
        """Hear of a row; see ``Hub.on_change``."""
        # All tables of one kind, AgentConfig/ni1 and /ni2, are one.
        self._published[table.partition("/")[0]] += 1

    def on_event(self, event: Event) -> None:
        """Hear of an event, or of several that are alike."""
        known = (event.type, event.reason)
        if known not in self._events and len(self._events) >= REASONS:
            known = (event.type, "Other")
        self._events[known] += event.count

    def seen(self) -> Seen:
        """Return everything as it is now."""
        links = link_counters()
        agents = self._hub.rows(AGENT_STATUS)
        return Seen(
            self._hub.revision,
            {table: self._hub.rows(table) for table in (*PERSISTENT, *STATUS, EVENT)},
            self._supervisor.counters(),
            self._events,
            self._published,
            {name: links[link] for name in agents if (link := short_name(LINK_PREFIX, name)) in links},
            self._started,
        )
