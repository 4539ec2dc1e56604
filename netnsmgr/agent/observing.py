"""Learns the addresses of a switch's applications, and remembers them; what follows from what is ``observed.Book``'s.

Imported where there is a switch: other agents need nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from netnsmgr.agent.memory import put
from netnsmgr.agent.observed import Book
from netnsmgr.core.ip import IPAddress
from netnsmgr.errors import KernelError
from netnsmgr.features.nets import Learned
from netnsmgr.features.switch.observe import Watched
from netnsmgr.kernel.observations import Observations
from netnsmgr.kernel.questions import Whom, ask

AGAIN_SECONDS = 1.0
"""Pause before what failed is tried again: another process may be just ending."""
AT_ONCE = 64
"""How many packets are read together."""
REST_SECONDS = 0.05
"""Pause after a batch, in which the next gathers: whoever floods us gets no more of this process than that."""
SAY_SECONDS = 60.0
"""Pause between two words about what was lost."""
MINUTE = 60
"""To what the end of a lease is rounded up: so a client that renews every few seconds changes a status once in that time."""
CLOCK_SECONDS = 2.0
"""By how much the time of day may be corrected before ends are told anew."""

log = structlog.get_logger()


class Observing:
    """Owns the file ``observed.json`` in the agent's run directory, which goes with the instance or at a reboot.

    ``changed`` is called when an address was learned, prolonged or forgotten, or DNS servers were told; ``own_mac`` is the
    bridge's, from which hosts are asked.
    """

    def __init__(self, directory: str, own_mac: str, changed: Callable[[], None]) -> None:
        self._path = os.path.join(directory, "observed.json")
        self._own_mac, self._changed = own_mac, changed
        self._watched: Mapping[int, Watched] = {}
        self._book = Book()
        with suppress(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            self._book = Book(json.loads(Path(self._path).read_text(encoding="utf-8")), _now())
        self._written = self._book.record()
        self._day = 0.0
        self._source: Observations | None = None
        self._lost, self._say_lost = 0, 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def learned(self) -> tuple[Learned, ...]:
        """Return who has which address, how that is known, and until when (seconds since the epoch; None: open)."""
        day = time.time() - _now()
        if abs(day - self._day) > CLOCK_SECONDS:
            self._day = day
        found = []
        for address, entry in sorted(self._book.entries.items(), key=lambda pair: (pair[0].version, pair[0])):
            ends = entry.leased and math.isfinite(entry.lapses)
            until = math.ceil((entry.lapses + self._day) / MINUTE) * MINUTE if ends else None
            source = "link-local" if address.is_link_local and not entry.leased else entry.source
            found.append(Learned(entry.vif, address, source, until))
        return tuple(found)

    @property
    def told(self) -> dict[int, tuple[IPAddress, ...]]:
        """Return the DNS servers that DHCP has told, by the interfaces' ids."""
        return self._book.told

    def keep(self, watched: Mapping[int, Watched]) -> tuple[Learned, ...]:
        """Take in which interfaces there are, and return what still holds.

        It is on record before anybody makes use of it.
        """
        self._watched = watched
        self._book.restrict(watched.keys())
        if self._source is None and "open" not in self._timers:
            self._open()
        self._set_alarm()
        self._write()
        return self.learned

    def close(self) -> None:
        """Listen no more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
            self._source = None

    def _write(self) -> None:
        if (record := self._book.record()) != self._written:
            put(self._path, record)
            self._written = record

    # -- Listening -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._timers.pop("open", None)
        try:
            self._source = Observations()
        except KernelError as error:
            log.warning("cannot hear which addresses applications have; trying again", error=str(error))
            self._later("open", AGAIN_SECONDS, self._open)
            return
        self._listen()

    def _listen(self) -> None:
        self._timers.pop("rest", None)
        if self._source is not None:
            asyncio.get_running_loop().add_reader(self._source.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._source is not None
        before, now = (self.learned, self.told), _now()
        vifs = {each.mac: vif for vif, each in self._watched.items()}
        for said in self._source.receive(AT_ONCE, vifs):
            self._book.take(said, now)
        asyncio.get_running_loop().remove_reader(self._source.fileno())
        self._later("rest", REST_SECONDS, self._listen)
        self._lost += self._source.overruns()
        if self._lost and now >= self._say_lost:
            log.warning("packets that tell of addresses were lost", count=self._lost)
            self._lost, self._say_lost = 0, now + SAY_SECONDS
        self._done(before)

    # -- Asking, forgetting --------------------------------------------------------------------------------

    def _look(self) -> None:
        self._timers.pop("look", None)
        before, now = (self.learned, self.told), _now()
        try:
            ask(
                (
                    Whom(self._watched[vif].link, self._watched[vif].mac, tag, address)
                    for vif, tag, address in self._book.look(now)
                    if vif in self._watched
                ),
                self._own_mac,
            )
        except KernelError as error:
            log.warning("cannot ask whether addresses are still used", error=str(error))
        self._done(before)

    def _set_alarm(self) -> None:
        if (timer := self._timers.pop("look", None)) is not None:
            timer.cancel()
        if (moment := self._book.next_look()) is not None:
            self._later("look", max(0.0, moment - _now()), self._look)

    def _later(self, name: str, pause: float, call: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(pause, call)

    def _done(self, before: tuple[object, object]) -> None:
        self._set_alarm()
        if (self.learned, self.told) != before:
            self._changed()
        else:
            # A lease that was prolonged within the minute: nobody needs to hear of it, but a successor.
            self._write()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
