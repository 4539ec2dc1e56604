"""Numbers that stand in packets' marks for what people call by names: interfaces, rules, and the state of all lists.

They have to outlive a restart of the agent, because established flows carry them; so the agent keeps them beside the
instance, and this file only says which ones come next.

- An *id* (1 to 65535) stands for an application's interface in the mark of a packet.
- An *index* (18 bits) stands for a rule in the mark of a flow: the base of its list's block plus its position, from 1;
  position 0 is the end of the list, where nothing has matched.
- The *epoch* (1 to 4095) changes with every list, and when an address goes from one interface to another: flows decided
  in another one are decided again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from netnsmgr.core.agreed import INDEX_MASK
from netnsmgr.core.ip import IPAddress

FIRST, LAST = 16, INDEX_MASK
"""Indices; those before the first stand for no rule."""
EPOCHS = 2**12 - 1
RETIRED = 64
"""How many replaced lists are remembered, for the flows that they decided."""
HELD = 4096
"""How many addresses are remembered that somebody held; of IPv6 an application has new ones every day."""


@dataclass(frozen=True)
class Block:
    """The indices of one version of an interface's list; ``ids`` are the rules' own, in order (None: no list)."""

    group: str
    digest: str
    base: int
    ids: tuple[int | None, ...]

    @property
    def end(self) -> int:
        """The first index after the block."""
        return self.base + len(self.ids) + 1


@dataclass(frozen=True)
class Numbers:
    """What has been given out."""

    vifs: Mapping[str, int]
    blocks: Mapping[str, Block]
    retired: tuple[Block, ...]
    epoch: int
    asked: str
    last: int = 0
    """The id that was given last."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Who held which address last; it stays after he has left."""

    @classmethod
    def none(cls) -> Numbers:
        """Return the numbers of an instance that has had none."""
        return cls({}, {}, (), 0, "")

    def assign(
        self,
        lists: Mapping[str, tuple[str, Sequence[int | None]]],
        holders: Mapping[IPAddress, str] | None = None,
    ) -> Numbers:
        """Return the numbers for these lists (digest and rule ids, by interface); what has one keeps it.

        ``holders`` are the interfaces by the addresses that they hold.
        """
        vifs = {group: number for group, number in self.vifs.items() if group in lists}
        taken = set(vifs.values())
        # After the one given last: the metadata service, or a packet on its way, may still take an id for its last owner.
        turns = chain(range(self.last + 1, 2**16), range(1, self.last + 1))
        free = (number for number in turns if number not in taken)
        last = self.last
        for group in sorted(lists.keys() - vifs.keys()):
            vifs[group] = last = next(free)
        blocks = {
            group: block
            for group, block in self.blocks.items()
            if group in lists and block.digest == lists[group][0]
        }
        replaced = tuple(block for group, block in self.blocks.items() if group not in blocks)
        retired = (self.retired + replaced)[-RETIRED:]
        for group in sorted(lists.keys() - blocks.keys()):
            digest, ids = lists[group]
            size = len(ids) + 1
            base = _room(size, [*blocks.values(), *retired]) or _room(size, blocks.values())
            if base is None:
                raise ValueError(f"the lists of one instance have more rules than there are numbers ({LAST})")
            blocks[group] = Block(group, digest, base, tuple(ids))
            # A remembered block that the new one overlaps says nothing any more.
            retired = tuple(r for r in retired if r.end <= base or r.base >= blocks[group].end)
        asked = " ".join(f"{group}={blocks[group].digest}" for group in sorted(blocks))
        holding = {str(address): group for address, group in (holders or {}).items()}
        # A flow to the address goes to somebody else now, whose list has not been asked.
        moved = any(self.held.get(address, group) != group for address, group in holding.items())
        # In the order in which they were held last.
        gone = {address: group for address, group in self.held.items() if address not in holding}
        # Half of them at once: who takes ever new addresses shall not have all flows decided again each time.
        forgotten = len(gone) - HELD // 2 if len(gone) > HELD else 0
        held = dict(islice(gone.items(), forgotten, None)) | holding
        epoch = self.epoch
        # Of what is forgotten nobody could say that it moves: flows to there are decided again now.
        if asked != self.asked or moved or forgotten or not epoch:
            epoch = epoch % EPOCHS + 1
        return Numbers(vifs, blocks, retired, epoch, asked, last, held)

    def record(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "vifs": dict(self.vifs),
            "blocks": [_record(block) for block in self.blocks.values()],
            "retired": [_record(block) for block in self.retired],
            "epoch": self.epoch,
            "asked": self.asked,
            "last": self.last,
            "held": dict(self.held),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Numbers:
        """Read what `record` gave."""
        blocks = [_block(entry) for entry in record["blocks"]]
        return cls(
            dict(record["vifs"]),
            {block.group: block for block in blocks},
            tuple(_block(entry) for entry in record["retired"]),
            record["epoch"],
            record["asked"],
            record.get("last", 0),
            record.get("held", {}),
        )

    def index_text(self) -> str:
        """Return the file ``rules.json``: whose rules the indices are, also those of lists that were replaced lately."""
        entries = []
        for block in sorted((*self.retired, *self.blocks.values()), key=lambda block: block.base):
            app, _, interface = block.group.partition("/")
            entries.append({"base": block.base, "app": app, "interface": interface, "ids": list(block.ids)})
        return json.dumps({"blocks": entries}, separators=(",", ":")) + "\n"


def _room(size: int, blocks: Iterable[Block]) -> int | None:
    """Return the base of the first run of indices that none of these blocks uses; None if there is none."""
    base = FIRST
    for block in sorted(blocks, key=lambda block: block.base):
        if base + size <= block.base:
            break
        base = max(base, block.end)
    return base if base + size - 1 <= LAST else None


def _record(block: Block) -> dict[str, Any]:
    return {"group": block.group, "digest": block.digest, "base": block.base, "ids": list(block.ids)}


def _block(entry: Mapping[str, Any]) -> Block:
    return Block(entry["group"], entry["digest"], entry["base"], tuple(entry["ids"]))
