"""The sockets of the kernel that the flow log reads, opened and closed as they are wanted, and what waits for them."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

from netnsmgr.core.agreed import DNS_GROUP, DROP_GROUP, IN_GROUP
from netnsmgr.errors import KernelError
from netnsmgr.kernel.conntrack import ConntrackEvents
from netnsmgr.kernel.nflog import PacketLog

HEADERS = 128
"""Bytes of a packet that hold its addresses and ports."""
MESSAGE = 8192
"""Bytes of a packet with a DNS message."""
WHOLE = 0xFFFF
"""Bytes of any packet."""
TURN = 64
"""Packets that are held and taken in together, at most: the first waits for the last."""
GATHER_SECONDS = 0.05
"""Pause after a batch of flows and drops, in which the next gathers: one waking for fifty events costs half."""
AGAIN_SECONDS = 1.0
"""Pause before a source that could not be opened is tried again: another process may be just ending."""


class Source(Protocol):
    """A socket of the kernel."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...

    def receive(self, budget: int = ...) -> Iterable[Any]:
        """Return what it has."""
        ...

    def overruns(self) -> int:
        """Return how much it threw away since the last call."""
        ...


class Kind(NamedTuple):
    """How a source is opened; one that ``gathers`` rests after each batch."""

    make: Callable[[], Source]
    gathers: bool
    budget: int = 1000


KINDS = {
    "conntrack": Kind(ConntrackEvents, gathers=True),
    "dropped": Kind(lambda: PacketLog(DROP_GROUP, HEADERS, gather=32, wait=GATHER_SECONDS), gathers=True),
    "inward": Kind(lambda: PacketLog(IN_GROUP, HEADERS), gathers=True),
    "dns": Kind(lambda: PacketLog(DNS_GROUP, MESSAGE), gathers=False),
    "held": Kind(lambda: PacketLog(DNS_GROUP, WHOLE), gathers=False, budget=TURN),
}


class Sources:
    """Everything that the program waits for; ``handlers`` are called when the source of their name has something."""

    def __init__(self, handlers: Mapping[str, Callable[[], None]], say: Callable[[str], None]) -> None:
        self._of_source = handlers
        self._say = say
        self._epoll = select.epoll()
        self._sources: dict[str, Source] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._resting: dict[int, float] = {}
        self.again: float | None = None
        """When what could not be opened is to be wanted again."""

    @property
    def moments(self) -> list[float]:
        """When there is something to do beside waiting."""
        return [*self._resting.values(), *(() if self.again is None else (self.again,))]

    def watch(self, fd: int, handler: Callable[[], None], flags: int = 0) -> None:
        """Have a handler called whenever there is something to read."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN | flags)

    def wait(self, seconds: float | None) -> None:
        """Wait for any of them, and have handled what there is."""
        for fd, _ in self._epoll.poll(seconds):
            if (handler := self._handlers.get(fd)) is not None:
                handler()

    def want(self, names: AbstractSet[str]) -> None:
        """Open these and close all others."""
        self.again = None
        for name, kind in KINDS.items():
            known = self._sources.get(name)
            if name in names and known is None:
                try:
                    source = self._sources[name] = kind.make()
                except KernelError as error:
                    self._say(f"{name}: {error}; trying again")
                    self.again = time.monotonic() + AGAIN_SECONDS
                else:
                    flags = select.EPOLLONESHOT if kind.gathers else 0
                    self.watch(source.fileno(), self._of_source[name], flags)
            elif known is not None and name not in names:
                self._resting.pop(known.fileno(), None)
                del self._handlers[known.fileno()], self._sources[name]
                self._epoll.unregister(known.fileno())
                known.close()

    def receive(self, name: str) -> Iterator[Any]:
        """Yield what a source has, if it is open, and have it rest."""
        if (source := self._sources.get(name)) is not None:
            yield from source.receive(KINDS[name].budget)
            if KINDS[name].gathers:
                self._resting[source.fileno()] = time.monotonic() + GATHER_SECONDS

    def rested(self, now: float) -> None:
        """Listen again to those that have rested."""
        for fd in [fd for fd, until in self._resting.items() if until <= now]:
            del self._resting[fd]
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)

    def overruns(self) -> int:
        """Return how much all of them threw away since the last call."""
        return sum(source.overruns() for source in self._sources.values())
