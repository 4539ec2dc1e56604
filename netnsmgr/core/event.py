"""Events: what happened to which object, as ``netnsmgr events`` lists it.  Pure, and bounded in every direction."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

Type = Literal["Normal", "Warning"]

MAX_TEXT = 1000
"""Characters of a message; what is longer is cut."""
MAX_FOUND = 4000
"""Bytes of ``found`` as JSON."""
MAX_EVENTS = 500
"""Different events that are kept; then the oldest goes."""
MAX_OF_AGENT = 100
"""Of those, what one agent has told: whoever tells ever new things pushes out his own."""
SUPERVISOR = "supervisor"

_OBJECT = re.compile(r"Daemon|(Device|NetworkInstance|App|Agent)/[^\s/]{1,63}(/[^\s/]{1,63})?")
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


@dataclass(frozen=True)
class Event:
    """What happened.  Equal ones (``identity``) are one, counted.

    ``object``: ``Daemon``, ``Device/<name>``, ``NetworkInstance/<name>``, ``App/<name>/<interface>``, ``Agent/<name>``.
    ``reason``: one word in CamelCase, as of Kubernetes' events; ``message``: a sentence; ``found``: details for
    programs.  Times are seconds since the epoch, of the last and of the first one.  ``source``: who told,
    ``supervisor`` or an agent's name.

    Raises ValueError if object, type or reason have another form.
    """

    time: float
    object: str
    type: Type
    reason: str
    message: str
    found: Mapping[str, Any] | None = None
    count: int = 1
    first: float = 0.0
    source: str = SUPERVISOR

    def __post_init__(self) -> None:
        if not _OBJECT.fullmatch(self.object) or not self.object.isprintable():
            raise ValueError(f"an event is of Daemon or KIND/NAME, not of {self.object[:80]!r}")
        if self.type not in ("Normal", "Warning"):
            raise ValueError(f"an event is Normal or Warning, not {str(self.type)[:80]!r}")
        if not _REASON.fullmatch(self.reason):
            raise ValueError(f"an event's reason is one word in CamelCase, not {self.reason[:80]!r}")
        if self.count < 1:
            raise ValueError("an event happened once at least")
        # What is told may hold the words of an application, and is printed on terminals.
        plain = "".join(c if c.isprintable() else " " for c in self.message[: MAX_TEXT + 1])
        object.__setattr__(self, "message", plain if len(plain) <= MAX_TEXT else f"{plain[: MAX_TEXT - 1]}…")
        object.__setattr__(self, "first", self.first or self.time)
        if self.found is not None and len(json.dumps(self.found, default=str)) > MAX_FOUND:
            object.__setattr__(self, "found", {"cut": f"more than {MAX_FOUND} bytes"})

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What two events have in common that are counted as one."""
        return self.object, self.type, self.reason, self.message

    def row(self) -> dict[str, Any]:
        """Return it as a row; ``found`` only if there is some."""
        row: dict[str, Any] = {
            "time": self.time,
            "object": self.object,
            "type": self.type,
            "reason": self.reason,
            "message": self.message,
            "count": self.count,
            "first": self.first,
            "source": self.source,
        }
        if self.found is not None:
            row["found"] = json.loads(json.dumps(self.found, default=str))
        return row


def of_row(row: Any) -> Event:
    """Return the event of a row, whoever wrote it; raises ValueError."""
    match row:
        case {
            "time": float() | int() as time,
            "object": str(thing),
            "type": ("Normal" | "Warning") as kind,
            "reason": str(reason),
            "message": str(message),
            "count": int(count),
            "first": float() | int() as first,
            "source": str(source),
        }:
            found = row.get("found")
            if found is None or isinstance(found, dict):
                return Event(time, thing, kind, reason, message, found, count, first, source)
    raise ValueError("not an event")


class Kept(NamedTuple):
    """What became of an event: its number, itself with all that it counts, and the numbers that are no more."""

    number: int
    event: Event
    gone: tuple[int, ...]


class Ring:
    """The newest events by number, which grows by one with each that happens, also with one that is only counted."""

    def __init__(self, size: int = MAX_EVENTS) -> None:
        self._size = size
        self._events: dict[int, Event] = {}
        self._numbers: dict[tuple[str, str, str, str], int] = {}
        self._last = 0

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        return iter(self._events.items())

    def add(self, event: Event, number: int | None = None) -> Kept:
        """Take in an event that has happened; with a ``number`` one of a former life, as it was then."""
        gone = []
        if (old := self._numbers.pop(event.identity, None)) is not None:
            before = self._events.pop(old)
            gone.append(old)
            if number is None:
                event = replace(event, count=before.count + event.count, first=before.first)
        elif (own := self._oldest_of(event.source)) is not None or len(self._events) >= self._size:
            oldest = own if own is not None else next(iter(self._events))
            del self._numbers[self._events.pop(oldest).identity]
            gone.append(oldest)
        self._last = max(self._last + 1, number or 0)
        self._events[self._last] = event
        self._numbers[event.identity] = self._last
        return Kept(self._last, event, tuple(gone))

    def _oldest_of(self, source: str) -> int | None:
        """Return the oldest of who has as many as an agent may have."""
        if source == SUPERVISOR or len(self._events) < MAX_OF_AGENT:
            return None
        own = [number for number, event in self._events.items() if event.source == source]
        return own[0] if len(own) >= MAX_OF_AGENT else None
