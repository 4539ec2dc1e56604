"""Tables of nftables.

*Ours* are the tables whose name starts with ``netnsmgr_``.  An empty chain in it is named after the fingerprint of
the text that it was loaded from, so that a restarted agent knows what it finds without comparing rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item
from netnsmgr.items.system import KernelItem, System

PREFIX = "netnsmgr_"


@dataclass(frozen=True)
class NftTable(KernelItem):
    """One table, replaced as a whole in one transaction: no packet ever meets half of it.

    ``body`` is what stands between the table's braces.  Established connections keep their address
    translation over a replacement: it lives in conntrack, not in the rules.
    """

    kind: ClassVar[str] = "nft-table"
    family: str
    name: str
    body: str = field(compare=False, repr=False)
    fingerprint: str = ""

    @classmethod
    def of(cls, family: str, name: str, body: str) -> NftTable:
        """Make the table called ``netnsmgr_<name>`` from the text of its chains and sets."""
        digest = hashlib.sha256(body.encode()).hexdigest()[:16]
        return cls(family, PREFIX + name, body, digest)

    def key(self) -> str:
        return f"{self.family} {self.name}"

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [
            NftTable(table.family, table.name, "", table.fingerprint if table.intact else "(changed)")
            for table in await system.nft.tables()
            if table.name.startswith(PREFIX)
        ]

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        await system.nft.load_table(self.family, self.name, self.fingerprint, self.body)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        await system.nft.delete_table(self.family, self.name)
