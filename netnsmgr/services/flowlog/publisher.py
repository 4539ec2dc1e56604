"""The rows of ``AppFlowLog`` on their way to the hub, and those that an earlier life of the program left there."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from netnsmgr.pubsub.peer import Client
from netnsmgr.pubsub.tables import FLOW_LOG
from netnsmgr.pubsub.view import View
from netnsmgr.services.flowlog.ring import Book

PUBLISH_SECONDS = 1.0
LAST_WORDS = 0.5
"""Seconds that the end waits for the hub to hear of it."""


class Publisher:
    """Tells the hub what changes in the book, once a second at most."""

    def __init__(self, run_dir: str, network: str, lost: Callable[[], int]) -> None:
        self.book = Book(network)
        self._prefix = f"{network}/"
        self._lost = lost
        self._apps: frozenset[str] | None = None
        self._client = Client(run_dir, f"flowlog:{network}")
        self._former: View | None = self._client.subscribe(FLOW_LOG, follow=False)
        self._published = 0.0

    @property
    def filenos(self) -> list[int]:
        """What `pump` is to be called for."""
        return self._client.filenos()

    @property
    def moments(self) -> list[float]:
        """When `due` has something to do."""
        deadline = self._client.next_deadline()
        found = [] if deadline is None else [deadline]
        return [*found, self._published + PUBLISH_SECONDS] if self._waiting else found

    def keep(self, apps: frozenset[str] | None) -> None:
        """Have a row for each of these applications and for no other; None: nothing is logged."""
        self._apps = apps
        for app in self.book.keep(apps or frozenset()):
            self._client.publish(FLOW_LOG, self._prefix + app, None)

    def due(self, now: float) -> None:
        """Publish and pump, if it is time."""
        if self._waiting and self._published + PUBLISH_SECONDS <= now:
            self._publish(now)
        deadline = self._client.next_deadline()
        if deadline is not None and deadline <= now:
            self.pump()

    def pump(self) -> None:
        """Send and receive what there is."""
        while self._client.pump(time.monotonic()):
            pass
        if self._former is not None and self._former.synchronized:
            # Only now is it known where an earlier life stopped counting.
            former = self._former.rows
            self._client.unsubscribe(FLOW_LOG)
            self._former = None
            for key, row in former.items():
                app = key.removeprefix(self._prefix)
                if key.startswith(self._prefix) and app in (self._apps or ()):
                    self.book.adopt(app, row)
            if self._apps is not None:
                self._publish(time.monotonic())
            self._client.restarted(FLOW_LOG)
            self.pump()

    def withdraw(self) -> None:
        """Take the rows back, and end."""
        self.keep(None)
        end = time.monotonic() + LAST_WORDS
        while True:
            self.pump()
            left = end - time.monotonic()
            if not self._client.unsent or left <= 0 or not self._client.connected:
                break
            select.select(self._client.filenos(), [], [], left)
        self._client.close()

    @property
    def _waiting(self) -> bool:
        return self._apps is not None and self._former is None and self.book.changed

    def _publish(self, now: float) -> None:
        self._published = now
        self.book.lose(self._lost())
        for app, row in self.book.rows():
            self._client.publish(FLOW_LOG, self._prefix + app, row)
        self.pump()
