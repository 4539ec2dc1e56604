"""Configuration files of helpers.

*Ours* is everything below the directories ``etc`` and ``private`` of the agent's own run directory: nobody else writes
there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System

PRIVATE = "private"
"""The directory beside ``etc`` for what not all helpers may read."""


@dataclass(frozen=True)
class Directory(KernelItem):
    """A directory, for helpers that watch one, full or empty."""

    kind: ClassVar[str] = "directory"
    path: str
    parent: str = field(default="", compare=False)
    """The directory above it, where that one is an item too."""

    def key(self) -> str:
        return self.path

    def deps(self) -> frozenset[Ref]:
        return frozenset({Ref("directory", self.parent)} if self.parent else ())

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        tops = system.files.etc, os.path.join(os.path.dirname(system.files.etc), PRIVATE)
        return [
            Directory(path, os.path.dirname(path) if path not in tops else "")
            for path in system.files.directories()
        ]

    async def create(self, system: System) -> None:
        system.files.make_directory(self.path)

    async def delete(self, system: System) -> None:
        system.files.remove_directory(self.path)


@dataclass(frozen=True)
class File(KernelItem):
    """A text file; ``reload`` names the helper that re-reads it on SIGHUP (none: it watches by itself)."""

    kind: ClassVar[str] = "file"
    path: str
    text: str = field(repr=False)
    reload: str = field(default="", compare=False)
    mode: int = field(default=0o644, compare=False)

    def key(self) -> str:
        return self.path

    def deps(self) -> frozenset[Ref]:
        return frozenset({Ref("directory", os.path.dirname(self.path))})

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found: list[Item] = []
        for path in system.files.files():
            want = wanted.get(path)
            reload = want.reload if isinstance(want, File) else ""
            if (text := system.files.read(path)) is not None:
                found.append(File(path, text, reload))
        return found

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        system.files.write(self.path, self.text, self.mode)
        self._reload(system)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        system.files.remove(self.path)
        self._reload(system)

    def _reload(self, system: System) -> None:
        if self.reload:
            system.processes.signal(self.reload, signal.SIGHUP)
