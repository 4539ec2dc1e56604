"""What an agent has beside its passes to notice drift, and to remember what stood."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from netnsmgr.agent.drift import DriftWatch
from netnsmgr.agent.drift_memory import SECONDS, DriftMemory, config_digest
from netnsmgr.agent.drift_words import Told
from netnsmgr.agent.events import Events
from netnsmgr.agent.reconciler import Outcome, Reconciler
from netnsmgr.core.event import Type
from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import NetnsmgrError
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.file import Directory, File
from netnsmgr.items.ndp_proxy import NdpProxy
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.system import KernelItem
from netnsmgr.items.wireguard import Wireguard
from netnsmgr.kernel.directory_watch import FilesWatch
from netnsmgr.kernel.system import KernelSystem

BURST_SECONDS = 0.02
"""How long a burst of changed files is let pass."""
PERIOD = 60.0
"""Seconds between two looks at what the kernel says nothing of."""

IN_FILES: tuple[type[KernelItem], ...] = (Sysctl, Directory, File)
UNHEARD: tuple[type[KernelItem], ...] = (*IN_FILES, BridgePort, NdpProxy, Wireguard)
"""What may change without a notification: files by another mount, static neighbours and entries of bridges, keys."""

log = structlog.get_logger()


class Drifting:
    """Watches for one agent what netlink does not say; ``wake`` is called when something of it differs."""

    def __init__(
        self, name: str, uplink: bool, system: KernelSystem, events: Events, wake: Callable[[], None]
    ) -> None:
        self._name, self._uplink, self._system, self._events, self._wake = name, uplink, system, events, wake
        memory = DriftMemory(f"{os.path.dirname(system.files.etc)}/drift.json", system.netns_inode)
        self.watch = DriftWatch(memory, self._details)
        self.watch.tell = self._tell
        self.looking = asyncio.Lock()
        """Held while anybody looks at what is there: what is listed is listed once for all."""
        self._files = FilesWatch(self._file_changed)
        self._reconciler: Reconciler | None = None
        self._again = False
        self._device = ""
        self._paths: list[str] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._glancing: set[asyncio.Task[None]] = set()

    def hear(self, row: dict[str, Any]) -> None:
        """Hear of the configuration before a pass."""
        report = row.get("drift") == "report" and not row["deleting"]
        if self._uplink and row.get("device"):
            self._device = row["device"]["metadata"]["name"]
        self.watch.configured(config_digest(row) if report else "", report=report)
        for name in ("remember", "glance", "next"):
            self._cancel(name)

    def drain(self) -> None:
        """Throw away what was said of files: a look follows."""
        self._files.drain()

    def rest(self, reconciler: Reconciler, outcome: Outcome) -> None:
        """A run of passes is over."""
        self._reconciler = reconciler
        if outcome.operations or not self._paths:
            self._paths = sorted(_directories(outcome.items.values()))
        self._files.watch(self._paths)
        self.watch.rest()
        if outcome.settled and not outcome.failed:
            self._later("remember", SECONDS, self.watch.remember)
        self._later("glance", PERIOD, self._glance, UNHEARD)
        if self._again:
            self._again = False
            self._file_changed()
        moment = self.watch.next_look()
        if moment is not None:
            self._later("next", moment, self._wake)

    @property
    def pause(self) -> float:
        """Seconds that a burst of notifications is let pass at least."""
        return self.watch.pause

    def close(self) -> None:
        """Stop watching."""
        for name in list(self._timers):
            self._cancel(name)
        self._files.close()

    def _later(self, name: str, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, what, *arguments)

    def _cancel(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()

    def _file_changed(self) -> None:
        if "burst" not in self._timers:
            self._later("burst", max(BURST_SECONDS, self.pause), self._burst_is_over)

    def _burst_is_over(self) -> None:
        self._cancel("burst")
        self._glance(IN_FILES)

    def _glance(self, kinds: Sequence[type[KernelItem]]) -> None:
        task = asyncio.get_running_loop().create_task(self._look(kinds))
        self._glancing.add(task)
        task.add_done_callback(self._glancing.discard)
        if kinds is UNHEARD:
            self._later("glance", PERIOD, self._glance, UNHEARD)

    async def _look(self, kinds: Sequence[type[KernelItem]]) -> None:
        if self._reconciler is None or self.looking.locked():
            # Most likely it was we ourselves; what a pass has read before somebody else wrote is looked at after it.
            self._again = True
            return
        async with self.looking:
            try:
                if not await self._reconciler.differs(kinds):
                    return
            except (NetnsmgrError, OSError) as error:
                log.debug("look failed", error=str(error))
        self._wake()

    def _details(self, ref: Ref) -> Sequence[str]:
        return self._system.nft.intact.changes(ref.key) if ref.kind in {"nft-table", "nft-part"} else ()

    def _tell(self, told: Told) -> None:
        if self._uplink:
            own = f"Device/{self._device}" if self._device else f"Agent/{self._name}"
            about = f"NetworkInstance/{told.object}" if told.object else own
        else:
            about = f"App/{told.object}" if told.object else f"NetworkInstance/{self._name}"
        took = (told.found or {}).get("milliseconds")
        log.info("drift", about=about, reason=told.reason, message=told.message, milliseconds=took)
        kind: Type = "Warning" if told.warning else "Normal"
        self._events.tell(about, told.reason, told.message, type=kind, found=told.found)


def _directories(items: Iterable[Item]) -> set[str]:
    listed = list(items)
    found = {os.path.dirname(item.path) for item in listed if isinstance(item, (Sysctl, File))}
    return found | {item.path for item in listed if isinstance(item, Directory)}
