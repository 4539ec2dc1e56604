"""Names that people gave in EVE's controller, as names of ours: valid, unique, and the same each time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import count

LENGTH = 63


def label(text: str) -> str:
    """Return a text as a DNS label, empty if nothing is left of it."""
    return _cut(re.sub(r"[^a-z0-9]+", "-", _plain(text).lower()))


def simple(text: str) -> str:
    """Return a text as a name of a port or a label of ports; what is one already stays as it is."""
    return _cut(re.sub(r"[^A-Za-z0-9_.-]+", "-", _plain(text)))


class Names:
    """Gives names of one shape, each once."""

    def __init__(self, shape: Callable[[str], str], taken: Iterable[str] = ()) -> None:
        self._shape, self._taken = shape, set(taken)
        self._numbers: dict[str, Iterator[int]] = {}

    def give(self, wanted: str, instead: str, key: str = "") -> str:
        """Return a name like ``wanted``, or ``instead`` where nothing is left of that.

        Where it is taken, the beginning of ``key`` (a UUID, so that it stays when others come and go) is added, or else a
        number.
        """
        base = self._shape(wanted) or instead
        tail = self._shape(key)[:8].strip("-._")
        numbers = self._numbers.setdefault(base, count(2))
        name = _with(base, tail) if tail and base in self._taken else base
        while name in self._taken:
            name = _with(base, str(next(numbers)))
        self._taken.add(name)
        return name


def _with(base: str, tail: str) -> str:
    return f"{base[: LENGTH - len(tail) - 1].rstrip('-._')}-{tail}"


def _plain(text: str) -> str:
    """Return a text without its accents, as far as they can be told from letters."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _cut(text: str) -> str:
    return text.strip("-._")[:LENGTH].strip("-._")
