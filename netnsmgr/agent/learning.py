"""Learns from the kernel which IPv6 addresses applications have, and remembers it; what follows is ``learned.Book``'s."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path

import structlog

from netnsmgr.agent.learned import Book
from netnsmgr.agent.memory import put
from netnsmgr.errors import KernelError
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.learnable import Ground
from netnsmgr.features.nets import Learned
from netnsmgr.kernel.neighbours import ask, neighbours
from netnsmgr.kernel.solicitations import Solicitations

AGAIN_SECONDS = 1.0
"""Pause before what failed is tried again: another process may be just ending."""
AT_ONCE = 64
"""How many packets are read together."""
SAY_SECONDS = 60.0
"""Pause between two words about what was lost."""
REST_SECONDS = 0.05
"""Pause after a batch, in which the next gathers: whoever floods us gets no more of this process than that."""

log = structlog.get_logger()


class Learning:
    """Owns the file ``learned.json`` in the agent's run directory, which goes with the instance or at a reboot.

    ``changed`` is called when an address was learned or forgotten.  Without ground it has no socket and no timer.
    """

    def __init__(self, directory: str, changed: Callable[[], None] = lambda: None) -> None:
        self._path = os.path.join(directory, "learned.json")
        self.changed = changed
        self._book = Book()
        self._written = self._book.record()
        with suppress(OSError, ValueError, KeyError, TypeError):
            self._written = json.loads(Path(self._path).read_text(encoding="utf-8"))
            self._book = Book(self._written, _now())
        self._source: Solicitations | None = None
        self._lost, self._say_lost = 0, 0.0
        self._opening: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def learned(self) -> tuple[Learned, ...]:
        """Return who holds what."""
        return tuple(Learned(vif, address) for address, vif in self._book.holders.items())

    def keep(self, ground: Ground | None) -> tuple[Learned, ...]:
        """Take in what may be learned (None: nothing, not now nor later), and return what still holds.

        It is on record before anybody makes use of it.
        """
        self._book.restrict(ground or Ground())
        if ground is None:
            self.close()
        elif self._source is None and self._opening is None:
            self._open()
        self._set_alarm()
        if (record := self._book.record()) != self._written:
            put(self._path, record)
            self._written = record
        return self.learned

    def close(self) -> None:
        """Listen no more."""
        for timer in (self._opening, self._resting, self._alarm):
            if timer is not None:
                timer.cancel()
        self._opening = self._resting = self._alarm = None
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
            self._source = None

    # -- Listening -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._opening = None
        try:
            self._source = Solicitations()
        except KernelError as error:
            log.warning("cannot hear which IPv6 addresses applications take; trying again", error=str(error))
            self._opening = loop.call_later(AGAIN_SECONDS, self._open)
            return
        self._listen()

    def _listen(self) -> None:
        self._resting = None
        if self._source is not None:
            asyncio.get_running_loop().add_reader(self._source.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._source is not None
        changed, now = False, _now()
        for said in self._source.receive(AT_ONCE):
            changed |= self._book.announced(said.vif, said.address, now)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._source.fileno())
        self._resting = loop.call_later(REST_SECONDS, self._listen)
        self._lost += self._source.overruns()
        if self._lost and now >= self._say_lost:
            log.warning("announcements of IPv6 addresses were lost", count=self._lost)
            self._lost, self._say_lost = 0, now + SAY_SECONDS
        self._done(changed=changed)

    # -- Asking --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._alarm = None
        now, changed = _now(), False
        whom: list[tuple[IPv6Address, str]] = []
        try:
            changed, whom = self._book.look(neighbours(BRIDGE), now)
            if whom:
                ask(BRIDGE, whom)
        except KernelError as error:
            # The bridge is gone, and is about to come back or the agent to end.
            log.warning("cannot ask whether addresses are still held", error=str(error))
            self._book.not_asked(whom, now)
            if not whom:
                self._alarm = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._look)
                return
        self._done(changed=changed)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._source is not None and (moment := self._book.next_look()) is not None:
            pause = max(0.0, moment - _now())
            self._alarm = asyncio.get_running_loop().call_later(pause, self._look)

    def _done(self, *, changed: bool) -> None:
        for address, mac, holder in self._book.refusals():
            log.info("address refused", address=str(address), mac=mac, holder=holder)
        self._set_alarm()
        if changed:
            self.changed()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
