"""Facts that another agent has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netnsmgr.items.system import External, System


@dataclass(frozen=True)
class Told(External):
    """That something is ``known``, which other items have to wait for; ``what`` names it in reasons."""

    kind: ClassVar[str] = "told"
    what: str
    known: bool

    def key(self) -> str:
        return self.what

    async def holds(self, system: System) -> bool:
        return self.known
