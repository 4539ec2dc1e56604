"""The loop of an agent: woken by whatever may have changed, it looks again and mends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from netnsmgr.agent.drifting import Drifting
from netnsmgr.agent.events import Events
from netnsmgr.agent.reconciler import Outcome, Reconciler
from netnsmgr.errors import NetnsmgrError
from netnsmgr.features.scope import Intent
from netnsmgr.items.link import ExternalNetns
from netnsmgr.kernel.system import KernelSystem
from netnsmgr.kernel.watch import NamespaceWatch, NetlinkWatch
from netnsmgr.log import set_level
from netnsmgr.pubsub.client import AsyncClient, View
from netnsmgr.pubsub.tables import agent_config

FIRST_RETRY = 0.25
LAST_RETRY = 30.0
EAGER_SECONDS, CALM_SECONDS = 0.005, 0.05
"""How long a burst of notifications is let pass: while an item waits for something, and while none does."""

log = structlog.get_logger()


class Role(Protocol):
    """What tells one agent from another: which intent its configuration has, and what it reports."""

    tables: tuple[str, ...]
    ipv6: bool
    """Whether IPv6 is wanted here; known after ``intend``."""
    hears6: bool
    """Whether changes of IPv6 addresses are to be heard, whether or not anything else of IPv6 is; known as late."""

    async def intend(
        self, row: dict[str, Any], views: dict[str, dict[str, Any]], system: KernelSystem
    ) -> Intent: ...
    def next_look(self) -> float | None: ...
    def part(self) -> Intent: ...
    def released(self, row: dict[str, Any], views: dict[str, dict[str, Any]]) -> bool: ...
    def report(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> list[tuple[str, str, Any]]: ...


class Agent:
    """One process's work: subscribe, reconcile, publish; ends when its configuration says ``deleting`` and all is gone."""

    def __init__(self, name: str, role: Role, client: AsyncClient) -> None:
        self._name = name
        self._role = role
        self._client = client
        self.events = Events(name, client)
        self._wake = asyncio.Event()
        self._soon = False
        self._least_pause = 0.0
        self._waits = True
        self._retry = FIRST_RETRY
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self.counters = {"passes": 0, "operations": 0, "failures": 0}
        """Since this process was started."""
        self.pass_began: float | None = None
        """Of the pass that goes on now, on the monotonic clock."""
        self._published: set[tuple[str, str]] = set()

    def wake(self, *_: object) -> None:
        """Say "look again"."""
        self._wake.set()

    def _wake_soon(self) -> None:
        """Say "look again" when the burst is over: one operation on a link makes several messages."""
        if not self._soon and not self._wake.is_set():
            self._soon = True
            pause = EAGER_SECONDS if self._waits else CALM_SECONDS
            asyncio.get_running_loop().call_later(max(pause, self._least_pause), self._burst_is_over)

    def _burst_is_over(self) -> None:
        self._soon = False
        self._wake.set()

    async def run(self, system: KernelSystem) -> None:
        """Work until the instance is deleted, or the process is told to end."""
        config = self._subscribe(agent_config(self._name))
        views = {agent_config(self._name): config}
        views |= {table: self._subscribe(table) for table in self._role.tables}
        netlink, namespaces = NetlinkWatch(self._wake_soon), NamespaceWatch(self.wake)
        row: dict[str, Any] = {}

        async def intend() -> Intent:
            if row["deleting"]:
                return self._role.part()
            found = await self._role.intend(row, _rows(views), system)
            for table in self._role.tables:
                if table not in views:
                    views[table] = self._subscribe(table)
            if self._role.ipv6:
                system.rtnl.ipv6 = netlink.ipv6 = True
            if self._role.hears6 and not (netlink.addresses6 or netlink.ipv6):
                self.wake()  # it may have gone before we listen
            netlink.addresses6 = self._role.hears6
            return found

        def progress(outcome: Outcome) -> None:
            self._publish(row, outcome, busy=True)

        drifting = Drifting(self._name, not system.owns_namespace, system, self.events, self.wake)
        reconciler = Reconciler(system, progress, drifting.watch)

        def drain() -> None:
            netlink.drain()
            drifting.drain()

        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                # Nothing is removed on hearsay: not before the whole configuration is known.
                if not config.synchronized or "config" not in config.rows:
                    continue
                row = config.rows["config"]
                if "log" in config.rows:
                    set_level(config.rows["log"]["level"])
                reconciler.keep = row.get("keep", False)
                # Asked before the look at what is there: nothing comes after that.
                released = row["deleting"] and self._role.released(row, _rows(views))
                drifting.hear(row)
                async with drifting.looking:
                    outcome = await self._guarded(reconciler.run, intend, drain)
                if outcome is None:
                    continue
                self._publish(row, outcome, busy=False)
                self._schedule(outcome)
                drifting.rest(reconciler, outcome)
                self._least_pause = drifting.pause
                if outcome.settled and not self._role.ipv6:
                    # Nothing of it is left, and each link has link-local addresses that nobody asks about.
                    system.rtnl.ipv6 = netlink.ipv6 = False
                self._waits = any(item.state == "pending" for item in outcome.states.values())
                self._look_at(self._role.next_look())
                namespaces.watch(_namespaces(outcome, all_of_them=system.owns_namespace))
                if released and not outcome.states:
                    # The supervisor takes our rows away when it has removed the namespace, too.
                    return
        finally:
            netlink.close()
            namespaces.close()
            drifting.close()

    def _subscribe(self, table: str) -> View:
        view = self._client.subscribe(table, self.wake)
        view.on_synchronized = self.wake
        return view

    async def _guarded(
        self, run: Callable[..., Awaitable[Outcome]], *arguments: Callable[..., Any]
    ) -> Outcome | None:
        self.pass_began = time.monotonic()
        try:
            outcome = await run(*arguments)
            self.counters["operations"] += outcome.operations
            self.counters["failures"] += outcome.failed
            return outcome
        except (NetnsmgrError, OSError) as error:
            # Observing failed, such as on a link that went while we listed: look again, a little later.
            log.warning("pass failed", error=str(error))
            self.counters["failures"] += 1
            self._later()
            return None
        finally:
            self.pass_began = None
            self.counters["passes"] += 1

    def _schedule(self, outcome: Outcome) -> None:
        if outcome.failed or not outcome.settled:
            self._later()
        else:
            self._retry = FIRST_RETRY
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look_at(self, moment: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moment is not None:
            pause = max(0.0, moment - time.clock_gettime(time.CLOCK_BOOTTIME)) + 0.1
            self._alarm = asyncio.get_running_loop().call_later(pause, self.wake)

    def _later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._retry, self.wake)
        self._retry = min(self._retry * 2, LAST_RETRY)

    def _publish(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> None:
        rows = self._role.report(row, outcome, busy=busy)
        for table, key, value in rows:
            self._client.publish(table, key, value)
        now = {(table, key) for table, key, _ in rows}
        for table, key in self._published - now:
            self._client.publish(table, key, None)
        self._published = now


def _rows(views: Mapping[str, View]) -> dict[str, dict[str, Any]]:
    return {table: dict(view.rows) for table, view in views.items() if view.synchronized}


def _namespaces(outcome: Outcome, *, all_of_them: bool) -> dict[str, bool]:
    """Return the namespaces of others, by path, and whether they are there.

    Of the instances' the uplink agent needs to know only when they appear: the supervisor keeps them.
    """
    seen = {
        item.path: outcome.states[ref].state != "pending"
        for ref, item in outcome.items.items()
        if isinstance(item, ExternalNetns)
    }
    return seen if all_of_them else {path: there for path, there in seen.items() if not there}
