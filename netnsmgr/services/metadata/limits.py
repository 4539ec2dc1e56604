"""How much one application may ask, so that all are served.  No clock in here: the time is an argument."""

from __future__ import annotations

RATE = 20.0
"""Requests of one application in a second, in the long run …"""
BURST = 100.0
"""… and at once."""
CONNECTIONS = 8
"""Connections of one application at a time."""
ALL_CONNECTIONS = 512
"""Connections of all together; a process has 1024 descriptors unless somebody says otherwise."""
HEADER_BYTES = 16 * 1024
BODY_BYTES = 64 * 1024
REQUEST_SECONDS = 10.0
"""Until a request has to be complete, counted from the connection or the last answer."""
ANSWER_SECONDS = 30.0
"""Until an answer has to be taken."""
IDLE_SECONDS = 60.0
"""How long the process stays when nobody is connected; by then all buckets are full, and it has nothing to remember."""
PARTING_SECONDS = 2.0
"""How long a refused client may go on sending: closed at once, it would lose our answer to the reset."""


class Bucket:
    """Tokens for requests: ``BURST`` at most, ``RATE`` new ones a second."""

    __slots__ = ("_time", "_tokens")

    def __init__(self, now: float) -> None:
        self._tokens = BURST
        self._time = now

    def take(self, now: float) -> float:
        """Take a token; 0.0 if there was one, else the seconds until there will be."""
        self._tokens = min(BURST, self._tokens + (now - self._time) * RATE)
        self._time = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / RATE

    def empty(self, now: float) -> bool:
        """Say whether there is no token now, without taking one."""
        return self._tokens + (now - self._time) * RATE < 1.0

    def full(self, now: float) -> bool:
        """Say whether nothing was taken for so long that a new bucket would be the same."""
        return self._tokens + (now - self._time) * RATE >= BURST
