"""What stood when an agent was last at rest, kept in its run directory, so that its successor knows drift from news.

A restarted agent cannot ask its predecessor.  What differs from its configuration may have been changed by hand
meanwhile, be half of what the predecessor was doing when it was killed, or be wanted otherwise now.  So the file is there
only while nothing is under way: it is removed before the first operation.  It has a digest of each item as it was wanted:
where that is the same now, the intent explains nothing.  It does not outlive a boot (``/run``), an update of netnsmgr, or
its namespace.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from netnsmgr import __version__
from netnsmgr.core.drift import Seen
from netnsmgr.core.item import Item, Ref, State

SECONDS = 1.0
"""For how long an agent has to be at rest before it writes."""


class Remembered(NamedTuple):
    """What is on file: the digests of what stood, what of that is left as it drifted, under which configuration."""

    stood: Mapping[str, str]
    identities: Mapping[str, object]
    known: frozenset[str]
    held: frozenset[str]
    config: str


class DriftMemory:
    """The file ``path``; ``inode`` is that of the agent's namespace."""

    def __init__(self, path: str, inode: int) -> None:
        self._path = path
        self._head = {"version": __version__, "inode": inode}
        self._digests: dict[Item, str] = {}
        self._written: dict[str, Any] = {}
        self._there = os.path.exists(path)

    def read(self) -> Remembered | None:
        """Return what the predecessor left; None where nothing is, or nothing that counts."""
        with suppress(OSError, ValueError, KeyError, TypeError), open(self._path, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            if {name: found[name] for name in self._head} == self._head:
                known, held = frozenset(found["known"]), frozenset(found["held"])
                return Remembered(
                    dict(found["stood"]), dict(found["identities"]), known, held, str(found["config"])
                )
        return None

    def standing(self, found: Remembered, wanted: State) -> dict[Ref, Item]:
        """Return what of it is wanted exactly so, still."""
        return {
            ref: item
            for ref, item in wanted.items()
            if not item.external and (was := found.stood.get(str(ref))) and was == self._digest(item)
        }

    def _digest(self, item: Item) -> str:
        return self._digests.get(item) or self._digests.setdefault(item, digest(item))

    def write(self, seen: Seen, held: Collection[Ref], config: str) -> None:
        """Keep this for a successor."""
        self._digests = {item: self._digest(item) for item in seen.items.values()}
        content = {
            **self._head,
            "stood": {str(item.ref): found for item, found in self._digests.items()},
            "identities": {str(ref): found for ref, found in seen.identities.items()},
            "known": sorted(str(ref) for ref in seen.known or () if ref not in seen.items),
            "held": sorted(map(str, held)),
            "config": config,
        }
        if self._there and content == self._written:
            return
        self._written = content
        with suppress(OSError):  # a full disk: a successor will take nothing for drift
            with open(f"{self._path}.tmp", "w", encoding="utf-8") as file:
                json.dump(content, file)
            os.replace(f"{self._path}.tmp", self._path)
            self._there = True

    def remove(self) -> None:
        """Have nothing on file while something is under way."""
        if self._there:
            self._there = False
            with suppress(FileNotFoundError):
                os.unlink(self._path)


def digest(item: Item) -> str:
    """Tell an item from others of its ref, also in another process."""
    return hashlib.sha256(_text(item).encode()).hexdigest()[:16]


def _text(value: object) -> str:
    if isinstance(value, frozenset):  # in another order in each process
        return "{" + ",".join(sorted(map(_text, value))) + "}"
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__ + _text(
            tuple(getattr(value, each.name) for each in fields(value) if each.compare)
        )
    if isinstance(value, tuple):
        return "(" + ",".join(map(_text, value)) + ")"
    return repr(value)


def config_digest(row: Mapping[str, Any], leave: Callable[[str], bool] = lambda key: "evision" in key) -> str:
    """Return what tells a configuration from another one, whatever it is numbered."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(each) for key, each in value.items() if not leave(key)}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return hashlib.sha256(json.dumps(plain(row), sort_keys=True).encode()).hexdigest()[:16]
