"""Which IPv6 addresses the applications' interfaces have taken for themselves.  Pure: the clock comes with each call.

An interface announces an address: by duplicate address detection (RFC 4862, 5.4), or by using it.  It is learned for who
announces it first (RFC 6620), and forgotten

- when the interface goes, when the address is of none of the instance's prefixes any more, or is given to somebody;
- when it was not confirmed: after ``CONFIRM_SECONDS`` without a sign of life its holder is asked, after ``AGAIN_SECONDS``
  once more, and nobody has answered either time;
- when another interface announces it and the holder, asked for this, does not answer: then it is the other's;
- when its interface has taken ``MOST`` others (``MOST_LINK_LOCAL`` link-local ones) since.

All times are seconds of one clock that does not jump.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Any, NamedTuple, Protocol

from netnsmgr.agent.allowances import CLAIMED, Allowances
from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.features.learnable import Ground

MOST = 16
"""Addresses of one interface: a stable and eight temporary ones (RFC 8981: one a day, for a week) of an old and a new
prefix are rarely all there.
"""
MOST_LINK_LOCAL = 4
CONFIRM_SECONDS = 300.0
"""``DEFAULT_LT`` of RFC 6620."""
AGAIN_SECONDS = 60.0
GATHER_SECONDS = 30.0
"""What is due so soon is asked about together."""
MISSES = 2
ANSWER_SECONDS = 4.0
"""The kernel asks three times, a second apart (``ucast_solicit``, ``retrans_time_ms``)."""
TOGETHER = 32
"""Whom to ask at once: the machine's namespaces share one neighbour table (``gc_thresh3``: 1024)."""


@dataclass(frozen=True)
class Entry:
    """Whose an address is, since when, and when it was last confirmed; ``misses``: how often nobody answered."""

    vif: int
    since: float
    confirmed: float
    misses: int = 0
    asked: float | None = None
    """When its holder was asked, while the answer is out."""
    due: float = 0.0
    """When it is to be asked about."""
    rival: int | None = None
    """Who has announced it, too."""


class Sign(Protocol):
    """What the kernel's neighbour table has of an address: who answered last and when."""

    @property
    def mac(self) -> str: ...
    @property
    def confirmed(self) -> float: ...


class Refusal(NamedTuple):
    """That an interface (MAC address) does not get an address, and whose it is (None: it is given out, maybe later)."""

    address: IPv6Address
    mac: str
    holder: str | None


class Book:
    """The addresses and whose they are."""

    def __init__(self, record: Iterable[Mapping[str, Any]] = (), now: float = 0.0) -> None:
        self._ground = Ground()
        self._entries: dict[IPv6Address, Entry] = {}
        self._allowances = Allowances()
        self._refusals: list[Refusal] = []
        for row in record:
            # Nobody was there to hear of them: they are asked about soon.
            entry = Entry(row["vif"], row["since"], now, due=now + GATHER_SECONDS)
            self._entries[IPv6Address(row["address"])] = entry

    def record(self) -> list[dict[str, Any]]:
        """Return what outlives the process: who holds what since when."""
        return [
            {"vif": entry.vif, "address": str(address), "since": entry.since}
            for address, entry in sorted(self._entries.items())
        ]

    @property
    def holders(self) -> dict[IPv6Address, int]:
        """Return the interfaces' ids by the addresses that they hold."""
        return {address: entry.vif for address, entry in sorted(self._entries.items())}

    # -- What is said --------------------------------------------------------------------------------------

    def restrict(self, ground: Ground) -> bool:
        """Take in what may be learned from now on, and forget the rest; true if anything was forgotten."""
        if ground == self._ground:
            return False
        self._ground = ground
        self._allowances.restrict(ground.macs)
        before = len(self._entries)
        self._entries = {
            address: replace(entry, rival=entry.rival if entry.rival in ground.macs else None)
            for address, entry in self._entries.items()
            if entry.vif in ground.macs and ground.fits(entry.vif, address)
        }
        return len(self._entries) != before

    def announced(self, vif: int, address: IPv6Address, now: float) -> bool:
        """Take in that an interface has announced an address; true if who holds what has changed."""
        if vif not in self._ground.macs:
            return False
        entry = self._entries.get(address)
        if entry is not None and entry.vif == vif:
            return False  # not even confirmed: an announcement is not yet an answer, and costs who makes it nothing
        if self._ground.given.get(address) == vif:
            return False
        # Only what is taken in is counted: who tries one address again and again must not be deaf for his next one.
        if not self._ground.fits(vif, address):
            if self._ground.covers(address) and self._allowances.spend(vif, CLAIMED, now):
                self._refusals.append(Refusal(address, self._ground.macs[vif], None))
            return False
        if entry is not None and entry.rival is not None:
            return False  # its holder is being asked; of several that want it the first is the rival
        if not self._allowances.spend(vif, CLAIMED, now):
            return False
        if entry is not None:
            self._entries[address] = replace(entry, rival=vif, due=min(entry.due, now))
            return False
        self._enter(vif, address, now)
        return True

    def _enter(self, vif: int, address: IPv6Address, now: float) -> None:
        local = address in LINK_LOCAL
        own = [a for a, e in self._entries.items() if e.vif == vif and (a in LINK_LOCAL) == local]
        if len(own) >= (MOST_LINK_LOCAL if local else MOST):
            del self._entries[min(own, key=self._worth)]
        self._entries[address] = Entry(vif, now, now, due=now + CONFIRM_SECONDS)

    def _worth(self, address: IPv6Address) -> tuple[bool, bool, float, IPv6Address]:
        entry = self._entries[address]
        leaving = any(address in prefix for prefix in self._ground.leaving)
        return not entry.misses, not leaving, entry.since, address

    def refusals(self) -> list[Refusal]:
        """Return who did not get what, since the last call."""
        said, self._refusals = self._refusals, []
        return said

    # -- Who is asked --------------------------------------------------------------------------------------

    def next_look(self) -> float | None:
        """Return when something is to be asked, or an answer is due."""
        return min(map(_moment, self._entries.values()), default=None)

    def look(
        self, signs: Mapping[IPv6Address, Sign], now: float
    ) -> tuple[bool, list[tuple[IPv6Address, str]]]:
        """Take in the neighbour table; returns whether who holds what has changed, and whom to ask now, with his MAC.

        Who has given a sign of life by himself need not be asked.
        """
        changed = False
        ask: list[tuple[IPv6Address, str]] = []
        for address, before in list(self._due(now)):
            if address not in self._entries:
                continue  # it made room for another one just now
            mac = self._ground.macs.get(before.vif, "")
            entry = self._entries[address] = _heard(before, signs.get(address), mac, now)
            if before.rival is not None and entry.rival is None:
                self._refusals.append(Refusal(address, self._ground.macs[before.rival], mac))
            if entry.asked is not None:
                changed |= self._unanswered(address, entry, now)
            elif entry.due <= before.due and len(ask) < TOGETHER:
                self._entries[address] = replace(entry, asked=now)
                ask.append((address, mac))
            elif entry.due <= now:
                self._entries[address] = replace(entry, due=now + ANSWER_SECONDS)
        return changed, ask

    def not_asked(self, whom: Iterable[tuple[IPv6Address, str]], now: float) -> None:
        """Take back that these were asked: it failed, and silence says nothing."""
        for address, _ in whom:
            if (entry := self._entries.get(address)) is not None:
                self._entries[address] = replace(entry, asked=None, due=now + ANSWER_SECONDS)

    def _unanswered(self, address: IPv6Address, entry: Entry, now: float) -> bool:
        if entry.rival is None and entry.misses + 1 < MISSES:
            self._entries[address] = replace(
                entry, misses=entry.misses + 1, asked=None, due=now + AGAIN_SECONDS
            )
            return False
        del self._entries[address]
        if entry.rival is not None:
            self._enter(entry.rival, address, now)
        return True

    def _due(self, now: float) -> Iterator[tuple[IPv6Address, Entry]]:
        if not any(_moment(entry) <= now for entry in self._entries.values()):
            return
        for address, entry in self._entries.items():
            soon = now + (GATHER_SECONDS if entry.asked is None and not entry.misses else 0)
            if _moment(entry) <= soon:
                yield address, entry


def _moment(entry: Entry) -> float:
    return entry.due if entry.asked is None else entry.asked + ANSWER_SECONDS


def _heard(entry: Entry, sign: Sign | None, mac: str, now: float) -> Entry:
    """Return the entry with what the neighbour table says of it."""
    # A rival can only be refused by an answer: whoever was there a moment ago may just have gone.
    known = (
        entry.asked if entry.asked is not None else now if entry.rival is not None else entry.confirmed + 1
    )
    if sign is None or sign.mac != mac or sign.confirmed <= known:
        return entry
    heard = min(sign.confirmed, now)
    return replace(entry, confirmed=heard, misses=0, asked=None, rival=None, due=heard + CONFIRM_SECONDS)
