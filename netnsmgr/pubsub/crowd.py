"""How many connections there are at each address: ZeroMQ takes all that come, and aborts when descriptors run out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import zmq
from zmq.utils.monitor import parse_monitor_message

MOST = 100
"""Connections in a directory, of both sockets; an agent and its helpers have four."""
EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
SLICE = 1024
"""Events read of a socket before others have their turn in the loop."""


class Crowd:
    """Owns a monitor of each socket.  Calls ``full``, which says whether it minds, when a directory has too many connections.

    What is full is counted no more until ``again``: with its address all its connections go, of which nobody tells.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        socks: Iterable[zmq.Socket[bytes]],
        full: Callable[[Path], bool],
    ) -> None:
        self._socks = list(socks)
        self._full = full
        self._held: dict[tuple[int, int], Path] = {}
        self._counts: Counter[Path] = Counter()
        self._crowded: set[Path] = set()
        self._monitors: list[zmq.Socket[bytes]] = []
        for number, sock in enumerate(self._socks):
            address = f"inproc://crowd{number}"
            sock.monitor(address, EVENTS)
            monitor = context.socket(zmq.PAIR)
            # Else ZeroMQ's thread would wait for us, holding what we wait for when we bind or unbind.
            monitor.setsockopt(zmq.RCVHWM, 0)
            monitor.connect(address)
            self._monitors.append(monitor)
        self.fds = [monitor.fileno() for monitor in self._monitors]

    def look(self) -> bool:
        """Take in who came and went; True if there may be more."""
        more = False
        for number, monitor in enumerate(self._monitors):
            for _ in range(SLICE):
                try:
                    event = parse_monitor_message(monitor.recv_multipart(zmq.NOBLOCK))
                except zmq.Again:
                    break
                key = number, int(event["value"])
                if event["event"] == zmq.EVENT_ACCEPTED:
                    place = Path(event["endpoint"].decode(errors="replace").removeprefix("ipc://")).parent
                    self._came(key, place)
                else:
                    self._went(key)
            else:
                more = True
        return more

    def close(self) -> None:
        """Look no more."""
        for sock, monitor in zip(self._socks, self._monitors, strict=True):
            sock.disable_monitor()
            monitor.close(0)

    def again(self, place: Path) -> None:
        """Count from the beginning."""
        self._crowded.discard(place)

    def _came(self, key: tuple[int, int], place: Path) -> None:
        self._went(key)
        if place in self._crowded:
            return
        self._held[key] = place
        self._counts[place] += 1
        if self._counts[place] > MOST and self._full(place):
            self._crowded.add(place)
            self._held = {key: each for key, each in self._held.items() if each != place}
            del self._counts[place]

    def _went(self, key: tuple[int, int]) -> None:
        place = self._held.pop(key, None)
        if place is not None:
            self._counts[place] -= 1
            if not self._counts[place]:
                del self._counts[place]
