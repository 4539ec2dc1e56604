"""What an agent tells as events: counted, and few enough that a storm fills nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from netnsmgr.core.event import Event, Type
from netnsmgr.pubsub.client import AsyncClient
from netnsmgr.pubsub.tables import agent_event

BURST = 32
"""Events that are told at once; also the rows that the hub has of an agent: the next takes the place of the oldest."""
PAUSE = 2.0
"""Seconds for each of those that come after them."""
WAITING = 64
"""Different events that may wait to be told; of more only the number is told."""


class Events:
    """Tells the supervisor through the hub.  ``tell`` waits for nothing, and is for the event loop's thread."""

    def __init__(self, name: str, client: AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._client = client
        self._clock = clock
        self._waiting: dict[tuple[str, str, str, str], Event] = {}
        self._more = 0
        self._told = 0
        self._left = float(BURST)
        self._since = clock()
        self._timer: asyncio.TimerHandle | None = None

    def tell(
        self,
        about: str,
        reason: str,
        message: str,
        *,
        type: Type = "Warning",  # noqa: A002
        found: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell that something happened: to this agent's instance or its applications; the uplink agent, to the device.

        ``about`` and the rest are the parts of ``core.event.Event``.  No secret may be in ``message`` or ``found``.
        """
        event = Event(self._clock(), about, type, reason, message, found)
        before = self._waiting.get(event.identity)
        if before is None and len(self._waiting) >= WAITING:
            self._more += 1
        else:
            count = before.count + 1 if before is not None else 1
            self._waiting[event.identity] = Event(
                event.time, about, type, reason, message, event.found, count
            )
        self._send()

    def _send(self) -> None:
        now = self._clock()
        self._left = min(float(BURST), self._left + (now - self._since) / PAUSE)
        self._since = now
        while self._waiting and self._left >= 1:
            self._put(self._waiting.pop(next(iter(self._waiting))))
        if self._more and self._left >= 1:
            more, self._more = self._more, 0
            words = "more happened than can be told one by one"
            self._put(Event(now, f"Agent/{self._name}", "Warning", "EventsLost", words, {"events": more}))
        if (self._waiting or self._more) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later((1 - self._left) * PAUSE, self._again)

    def _again(self) -> None:
        self._timer = None
        self._send()

    def _put(self, event: Event) -> None:
        self._left -= 1
        self._told += 1
        # The number makes each row news, also one that says the same as the row whose place it takes.
        row = {**event.row(), "number": self._told}
        for field in ("time", "first", "source"):  # the supervisor's to say
            del row[field]
        self._client.publish(agent_event(self._name), str(self._told % BURST), row)
