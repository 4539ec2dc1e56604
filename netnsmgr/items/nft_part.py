"""Parts of a table of nftables: chains, maps and sets that come and go together, beside others in one table.

*Ours* is a part in a table of ours.  The names of its objects start with its name and its fingerprint, and the empty
chain ``<name>_<fingerprint>_part`` says that they are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.nft import table_ref
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.system import KernelItem, PartInfo, System

TOKEN = "@@"  # noqa: S105 - a placeholder
"""Stands in a body and in verdicts for the common beginning of the names of a part's objects."""

CHANGED = "(changed)"


@dataclass(frozen=True)
class NftPart(KernelItem):
    """A group of objects in a table that carries such.

    ``table`` is the table's whole name; ``body`` stands between the table's braces, where every object that it makes
    is called ``@@_something`` (not ``@@_part``); a rule asks a set of it as ``@@@_something``.  ``links`` are elements (map, key, verdict) of verdict maps of the
    skeleton that lead into it, such as ``("vifs", "5", "jump @@_out")``, written like the elements of ``NftSet``.
    ``needs`` are other items that the body names.

    A packet meets the old part or the new one, never neither: new objects come, all links are switched at once, and
    then the old objects go.
    Its chains, rules and links are watched; the elements of its own sets are not, since a list may have
    20,000: what has to be watched is an ``NftSet``.
    """

    kind: ClassVar[str] = "nft-part"
    family: str
    table: str
    name: str
    body: str = field(compare=False, repr=False)
    links: tuple[tuple[str, str, str], ...] = field(default=(), compare=False)
    needs: frozenset[Ref] = field(default=frozenset(), compare=False)
    fingerprint: str = ""
    """Of body and links; found from them if not given."""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            text = "\n".join([self.body, *sorted("\t".join(link) for link in self.links)])
            object.__setattr__(self, "fingerprint", hashlib.sha256(text.encode()).hexdigest()[:8])

    def key(self) -> str:
        return f"{self.family} {self.table} {self.name}"

    def deps(self) -> frozenset[Ref]:
        return self.needs | {table_ref(self.family, self.table)}

    @property
    def prefix(self) -> str:
        """What the names of its objects start with, before one more underscore."""
        return f"{self.name}_{self.fingerprint}"

    def text(self) -> str:
        """Return the body with the names of its objects."""
        return self._named(self.body)

    def elements(self) -> frozenset[tuple[str, str, str]]:
        """Return the links with the names of its objects."""
        return frozenset((map_, key, self._named(verdict)) for map_, key, verdict in self.links)

    def _named(self, text: str) -> str:
        # In a reference to a set the first of three is nft's own.
        return text.replace("@" + TOKEN, "@" + self.prefix).replace(TOKEN, self.prefix)

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found: dict[str, NftPart] = {}
        for info in await system.nft.parts():
            item = _found(info, wanted)
            if other := found.get(
                item.key()
            ):  # an agent was ended between making the new part and removing the old
                item = replace(item, fingerprint=CHANGED, needs=item.needs | other.needs)
            found[item.key()] = item
        return found.values()

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        await system.nft.load_part(self)

    async def modify(self, old: Item, system: System) -> None:
        await system.nft.load_part(self)

    async def delete(self, system: System) -> None:
        await system.nft.delete_part(self.family, self.table, self.name)


def _found(info: PartInfo, wanted: Mapping[str, Item]) -> NftPart:
    # What its rules ask has to outlive it, even if nobody remembers what it needed.
    needs = frozenset(Ref(NftSet.kind, f"{info.family} {info.table} {name}") for name in info.sets)
    item = NftPart(info.family, info.table, info.name, "", (), needs, info.fingerprint)
    known = wanted.get(item.key())
    if isinstance(known, NftPart) and known == item and info.intact and info.links == known.elements():
        return known
    if isinstance(known, NftPart) and known == item:
        return replace(item, fingerprint=CHANGED)
    return item
