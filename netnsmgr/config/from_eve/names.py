"""Names that people gave in EVE's controller, as names of ours: valid, unique, and the same each time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

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

    def give(self, wanted: str, instead: str, key: str = "") -> str:
        """Return a name like ``wanted``, or ``instead`` where nothing is left of that.

        Where it is taken, the beginning of ``key`` (a UUID, so that it stays when others come and go) is added, or else a
        number.
        """
        base = self._shape(wanted) or instead
        tail = self._shape(key)[:8].strip("-._")
        name, number = base, 1
        while name in self._taken:
            added = f"-{tail}" if tail and number == 1 else f"-{number}"
            name = f"{base[: LENGTH - len(added)].rstrip('-._')}{added}"
            number += 1
        self._taken.add(name)
        return name


def _plain(text: str) -> str:
    """Return a text without its accents, as far as they can be told from letters."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _cut(text: str) -> str:
    return text.strip("-._")[:LENGTH].strip("-._")
