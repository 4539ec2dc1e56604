"""How much new is taken in about an application in a time, whoever says it.  Pure: the clock comes with each call."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Allowance(NamedTuple):
    """So many at once, then one in so many seconds."""

    burst: int
    refill: float


CLAIMED, GRANTED = Allowance(20, 5.0), Allowance(20, 1.0)
"""Addresses that an interface says itself: as many as it may have; and those that servers give it."""
TOLD = Allowance(8, 30.0)
"""Other DNS servers than before, of both versions of IP: lists and sets are made anew for each."""


class Allowances:
    """What is left of each, by the interfaces' ids."""

    def __init__(self) -> None:
        self._left: dict[tuple[int, Allowance], tuple[float, float]] = {}

    def restrict(self, there: Collection[int]) -> None:
        """Forget interfaces that are not there."""
        self._left = {key: left for key, left in self._left.items() if key[0] in there}

    def spend(self, vif: int, of: Allowance, now: float) -> bool:
        """Take one of an allowance; false if there is none left."""
        left, at = self._left.get((vif, of), (float(of.burst), now))
        left = min(of.burst, left + (now - at) / of.refill)
        self._left[vif, of] = (left - 1 if left >= 1 else left, now)
        return left >= 1
