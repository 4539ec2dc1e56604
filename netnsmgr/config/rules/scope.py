"""What the rules see: all valid documents, which of them are new, and names that exist but are broken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from netnsmgr.config.messages import listed, suggest
from netnsmgr.config.whole import Config
from netnsmgr.errors import Problem

Where = tuple[str | int, ...]
DIGITS = "0123456789"


class Spot(NamedTuple):
    """A place in a document."""

    kind: str
    name: str
    where: Where


@dataclass
class Scope:
    """The whole configuration as it would be."""

    config: Config
    index: dict[tuple[str, str], int]
    """Index of each new document in its transaction; documents applied before are not in here."""
    names: dict[str, set[str]]
    """All names of each kind, also of documents that are wrong in themselves."""
    gone: Collection[str] = ()
    """Names of Devices that are being deleted."""
    suggestions: int = 20
    """How many more guesses at what was meant may be made: each compares with all the names."""

    def is_new(self, kind: str, name: str) -> bool:
        """Whether the document is in the transaction."""
        return (kind, name) in self.index

    def problem(self, spot: Spot, what: str) -> Problem:
        """Return a problem at a place; of a document that was applied before, it names that document."""
        document = self.index.get((spot.kind, spot.name), -1)
        if document < 0:
            what = f"{spot.kind} '{spot.name}', applied before: {what}"
        return Problem(what, spot.where, document)

    def unknown(self, what: str, word: str, known: Iterable[str]) -> str:
        """Return "unknown … 'word'" with what may have been meant."""
        words = list(known)
        self.suggestions -= 1
        if self.suggestions >= 0:
            return f"unknown {what} '{word}'{suggest(word, words)}"
        return f"unknown {what} '{word}'; known are: {listed(words)}"

    def unknown_port(self, word: str, known: Iterable[str]) -> str:
        """Return the same for a port that an instance names: most often the Device does not list it yet."""
        words = list(known)
        # Another number is another port: "eth0" is no guess at what "eth3" was meant to be.
        near = [each for each in words if each.rstrip(DIGITS) != word.rstrip(DIGITS)]
        what = self.unknown("port or label", word, near)
        if "did you mean" in what:
            return f"{what} Otherwise list '{word}' in the Device's 'ports'"
        some = f"; known are: {listed(words)}; use one of them, or" if words else ";"
        return f"unknown port or label '{word}'{some} list '{word}' in the Device's 'ports'"


class Unique:
    """Finds values that may be there only once: linear, however many there are."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._seen: dict[Any, Spot] = {}

    def claim(self, value: Any, spot: Spot) -> tuple[Spot, Spot] | None:
        """Return None if nobody claimed ``value`` before, otherwise (where to report it, the other place).

        Of a document that is new and one that was applied before, the new one is at fault.
        """
        first = self._seen.setdefault(value, spot)
        if first is spot:
            return None
        is_new = self._scope.is_new
        if is_new(first.kind, first.name) and not is_new(spot.kind, spot.name):
            return first, spot
        return spot, first
