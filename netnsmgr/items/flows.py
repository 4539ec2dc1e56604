"""Flows that follow the port maps: none goes on by a mapping that is no more, none on its old way past a new one.

A rule of translation decides on the first packet of a flow only; what it decided lives on in conntrack, for UDP as long
as the sender does not pause.  To forget an entry is not always enough to end a flow: the application's next packet, or
its answer that is just under way, makes a new one, which leads the sender's packets in again.  So where packets can be
dropped by their mark, the entry of a flow that shall end is kept and marked.  *Ours* are the mappings that ``flows.json`` in the agent's run directory remembers: the
ones that conntrack has been made to follow.  Without the file all that is wanted counts as changed, which ends no
flow that goes where it should.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System

UDP = "udp"


class Mapped(NamedTuple):
    """What is sent to ``address``:``port`` goes to ``to``:``to_port``, all of one family; ``senders`` of None are all."""

    address: IPAddress
    protocol: str
    port: int
    to: IPAddress
    to_port: int
    senders: tuple[IPNetwork, ...] | None = None
    mark: int = 0
    """What marks its flows, to give it back to one that had ended."""

    def takes(self, sender: IPAddress) -> bool:
        """Say whether it is for this sender."""
        return self.senders is None or any(sender in network for network in self.senders)


class Flow(NamedTuple):
    """An entry of conntrack: who asked whom, and where the answers come from."""

    protocol: str
    sender: IPAddress
    address: IPAddress
    port: int
    to: IPAddress
    to_port: int
    source_changed: bool
    """The sender's address was translated: the flow left by a port, to a host that only has such an address, too."""
    ended: bool = False


class Fate(Enum):
    """What becomes of a flow: it goes on, begins anew with its next packet, ends, or goes on after it had ended."""

    KEEP = 0
    FORGET = 1
    END = 2
    RESUME = 3


def fate(flow: Flow, before: Iterable[Mapped], now: Iterable[Mapped]) -> Fate:
    """Say what becomes of a flow when the mappings of its address and port change."""
    wanted = tuple(now)
    known = {(mapped.to, mapped.to_port) for mapped in (*before, *wanted)}
    ways = {(mapped.to, mapped.to_port) for mapped in wanted if mapped.takes(flow.sender)}
    way = flow.to, flow.to_port
    if way == (flow.address, flow.port):
        # It goes nowhere else yet.  TCP ends by itself; in the middle the application would not know what it is.
        anew = bool(ways) and flow.protocol == UDP and not flow.source_changed
        return Fate.FORGET if anew else Fate.KEEP
    if ways:
        if way not in ways:
            return Fate.FORGET
        # Not forgotten: the application's packet could be the first then, and the flow would be none of the map's.
        return Fate.RESUME if flow.ended else Fate.KEEP
    return Fate.END if way in known else Fate.KEEP


class Conntrack(Protocol):
    """Connection tracking of this namespace, as far as port maps go."""

    def followed(self) -> frozenset[Mapped] | None: ...
    async def follow(self, maps: frozenset[Mapped], end_mark: int) -> None: ...
    def forget(self) -> None: ...


@dataclass(frozen=True)
class MappedFlows(KernelItem):
    """That conntrack follows ``maps``; one in each namespace.  Its removal ends no flow: the maps' own change does."""

    kind: ClassVar[str] = "flows"
    maps: frozenset[Mapped]
    end_mark: int = field(default=0, compare=False)
    """The mark (ct mark) of flows whose packets are dropped; 0 where there is none: entries are forgotten instead."""
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """The sets that hold the maps: flows are looked at when the new ones are already led by them."""

    def key(self) -> str:
        return "portmaps"

    def deps(self) -> frozenset[Ref]:
        return self.after

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        maps = system.conntrack.followed()
        return [] if maps is None else [MappedFlows(maps)]

    async def create(self, system: System) -> None:
        await system.conntrack.follow(self.maps, self.end_mark)

    async def modify(self, old: Item, system: System) -> None:
        await system.conntrack.follow(self.maps, self.end_mark)

    async def delete(self, system: System) -> None:
        system.conntrack.forget()
