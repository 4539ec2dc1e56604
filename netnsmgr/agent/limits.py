"""Hears which applications do more than they may (``features/acl/limits``), and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from netnsmgr.config.limits import Limits
from netnsmgr.core.agreed import LIMIT_GROUP
from netnsmgr.errors import KernelError
from netnsmgr.features.acl.limits import words
from netnsmgr.features.scope import InstanceScope
from netnsmgr.kernel.nflog import PacketLog

OVER_SECONDS = 30.0
"""After the last sign of it a flood is over; while it goes on there is one in ten seconds."""
AGAIN_SECONDS = 1.0
"""Pause before what failed is tried again: another process may be just ending."""
RECEIVE_BYTES = 16 << 10
AT_ONCE = 64
VIF = 0xFFFF

log = structlog.get_logger()


class LimitWatch:
    """Owns a socket while there is an instance to follow.

    ``changed`` is called when a flood begins or is over, ``tell(object, reason, message)`` when one begins.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.tell: Callable[[str, str, str], None] = lambda *_: None
        self._clock = clock
        self._log: PacketLog | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ends: dict[tuple[str, str], float] = {}
        self._groups: dict[int, str] = {}
        self._limits = Limits()

    def follow(self, scope: InstanceScope) -> None:
        """Take in what the instance is now."""
        self._groups = {number: group for group, number in scope.numbers.vifs.items()}
        self._limits = scope.instance.spec.limits
        known = set(self._groups.values())
        self._ends = {key: end for key, end in self._ends.items() if key[0] in known}
        if self._log is None:
            self._open()

    def reasons(self, group: str) -> list[str]:
        """Say what an interface (``app/interface``) does too much of, now."""
        return [words(kind, self._limits) for who, kind in sorted(self._ends) if who == group]

    def _open(self) -> None:
        try:
            self._log = PacketLog(LIMIT_GROUP, 1, receive_bytes=RECEIVE_BYTES)
        except KernelError as error:
            # The next pass tries again; nothing but words depends on it.
            log.warning("cannot hear who does more than he may", error=str(error))
            self._wake_in(AGAIN_SECONDS)
            return
        asyncio.get_running_loop().add_reader(self._log.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._log is not None
        now = self._clock()
        began = False
        for packet in self._log.receive(AT_ONCE):
            if group := self._groups.get(packet.mark & VIF):
                began |= self._heard(group, packet.prefix, now)
        self._set_timer()
        if began:
            self.changed()

    def _heard(self, group: str, kind: str, now: float) -> bool:
        key = (group, kind)
        before = key in self._ends
        self._ends[key] = now + OVER_SECONDS
        if not before and (said := words(kind, self._limits)):
            self.tell(f"App/{group}", "Flooding", said)
        return not before

    def _look(self) -> None:
        self._timer = None
        now = self._clock()
        over = [key for key, end in self._ends.items() if end <= now]
        for key in over:
            del self._ends[key]
        self._set_timer()
        if over or self._log is None:
            self.changed()

    def _set_timer(self) -> None:
        if self._ends:
            self._wake_in(max(0.0, min(self._ends.values()) - self._clock()))

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)
