"""Named sets and maps of nftables that live longer than the rules which ask them.

*Ours* are the ones in a table of ours whose comment says ``netnsmgr`` and the fingerprint of their specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.nft import table_ref
from netnsmgr.items.system import KernelItem, System

COMMENT = "netnsmgr "
"""What the comment of a set of ours starts with; the fingerprint follows."""


@dataclass(frozen=True)
class NftSet(KernelItem):
    """A set, or a map if ``spec`` has a colon (``type mark : verdict``), in a table that carries such.

    ``table`` is the table's whole name.  ``spec`` is what stands between the braces, as text of nft, without elements
    and comment; another text has the set replaced, with all parts that need it.

    ``elements`` are our content, kept by difference in one transaction: a change costs what differs.
    None leaves the content to others.  Elements are written as they are read back:

    * ``10.0.0.1``, ``10.0.0.0/24`` (a prefix even where a range could be written as one), ``10.0.0.5-10.0.0.9``,
      ``80-90``, ``2001:db8::1``, ``02:00:00:00:00:01``, ``eth0`` without quotes
    * numbers in decimal: marks, ports, types of ICMP, protocols, though TCP and UDP are ``tcp`` and ``udp``
    * fields of a concatenation separated by " . ": ``10.0.0.1 . tcp . 80``
    * key and value of a map by " : ": ``5 : 10.0.0.1 . 80``, ``5 : jump chain``, ``5 : drop``

    A text in another form would be written anew in each pass.
    """

    kind: ClassVar[str] = "nft-set"
    family: str
    table: str
    name: str
    spec: str
    elements: frozenset[str] | None = None
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """Sets that are to have their elements before this one has its own."""

    def key(self) -> str:
        return f"{self.family} {self.table} {self.name}"

    def deps(self) -> frozenset[Ref]:
        return self.after | {table_ref(self.family, self.table)}

    @property
    def fingerprint(self) -> str:
        """What is compared of the specification; the kernel keeps it in the set's comment."""
        return hashlib.sha256(self.spec.encode()).hexdigest()[:8]

    @property
    def type(self) -> str:
        """``map`` or ``set``, as nft's commands want it."""
        return "map" if ":" in self.spec else "set"

    def declaration(self) -> str:
        """Return the text that makes it in a table's braces.

        A skeleton whose own rules ask the set contains this text, so that the set is there when they are loaded.
        """
        return (
            f'{self.type} {self.name} {{ {self.spec.rstrip("; ")}; comment "{COMMENT}{self.fingerprint}"; }}'
        )

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found = []
        for info in await system.nft.sets():
            item = NftSet(info.family, info.table, info.name, f"(fingerprint {info.fingerprint})")
            known = wanted.get(item.key())
            if isinstance(known, NftSet) and known.fingerprint == info.fingerprint:
                elements = known.elements
                if elements is not None:
                    elements = await system.nft.elements(info.family, info.table, info.name)
                item = NftSet(info.family, info.table, info.name, known.spec, elements)
            found.append(item)
        return found

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, NftSet) or old.spec != self.spec

    async def create(self, system: System) -> None:
        await system.nft.load_set(self)

    async def modify(self, old: Item, system: System) -> None:
        await system.nft.load_set(self)

    async def delete(self, system: System) -> None:
        await system.nft.delete_set(self.family, self.table, self.name)
