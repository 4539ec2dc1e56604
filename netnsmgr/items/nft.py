"""Tables of nftables.

*Ours* are the tables whose name starts with ``netnsmgr_``.  An empty chain in it is named after the fingerprint of
the text that it was loaded from, so that a restarted agent knows what it finds without comparing rules.  In the device's
root namespace a table that nothing describes and that has no such chain is somebody else's, however it is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System

PREFIX = "netnsmgr_"


@dataclass(frozen=True)
class NftTable(KernelItem):
    """One table, replaced in one transaction: no packet ever meets half of it.

    ``body`` is what stands between the table's braces.  Established connections keep their address
    translation over a replacement: it lives in conntrack, not in the rules.

    A table that ``carries`` is a skeleton, in which ``NftPart`` and ``NftSet`` live.  Its chains are replaced, its named
    sets and maps stay, and so do parts and sets.  Only what cannot be changed in place (a hook's priority, a map's
    type) has the table replaced as a whole; its parts and sets are then made again.  Elements of named sets
    are not watched in a skeleton: their place is an ``NftSet``.
    """

    kind: ClassVar[str] = "nft-table"
    family: str
    name: str
    body: str = field(compare=False, repr=False)
    fingerprint: str = ""
    carries: bool = field(default=False, compare=False)
    needs: frozenset[Ref] = field(default=frozenset(), compare=False)
    """Links that the body names by their number, as hooks of family ``netdev`` and ``fwd to`` do."""

    @classmethod
    def of(
        cls, family: str, name: str, body: str, *, carries: bool = False, needs: frozenset[Ref] = frozenset()
    ) -> NftTable:
        """Make the table called ``netnsmgr_<name>`` from the text of its chains and sets."""
        text = f"{body}\ncarries" if carries else body
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(family, PREFIX + name, body, digest, carries, needs)

    def key(self) -> str:
        return f"{self.family} {self.name}"

    def deps(self) -> frozenset[Ref]:
        return self.needs

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [
            NftTable(
                table.family,
                table.name,
                "",
                table.fingerprint if table.intact else "(changed)",
                table.carries,
            )
            for table in await system.nft.tables()
            if system.owns_namespace or table.fingerprint or f"{table.family} {table.name}" in wanted
        ]

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        await system.nft.load_table(self)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        await system.nft.delete_table(self.family, self.name)


def table_ref(family: str, table: str) -> Ref:
    """Name the table that an item lives in; ``table`` is its whole name.  ``ValueError`` if it cannot be ours."""
    if not table.startswith(PREFIX):
        raise ValueError(f"the table {family} {table} is not ours: its name has to start with {PREFIX}")
    return Ref(NftTable.kind, f"{family} {table}")
