"""Flows that follow the port maps: none goes on by a mapping that is no more, none on its old way past a new one.

A rule of translation decides on the first packet of a flow only; what it decided lives on in conntrack, for UDP as long
as the sender does not pause.  *Ours* are the mappings that ``flows.json`` in the agent's run directory remembers: the
ones that conntrack has been made to follow.  Without the file all that is wanted counts as changed, which ends no
flow that goes where it should.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar, NamedTuple

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System

UDP = "udp"


class Mapped(NamedTuple):
    """What is sent to ``address``:``port`` goes to ``to``:``to_port``; ``senders`` of None are all."""

    address: IPv4Address
    protocol: str
    port: int
    to: IPv4Address
    to_port: int
    senders: tuple[IPv4Network, ...] | None = None

    def takes(self, sender: IPv4Address) -> bool:
        """Say whether it is for this sender."""
        return self.senders is None or any(sender in network for network in self.senders)


class Flow(NamedTuple):
    """An entry of conntrack: who asked whom, and where the answers come from."""

    protocol: str
    sender: IPv4Address
    address: IPv4Address
    port: int
    to: IPv4Address
    to_port: int
    source_changed: bool
    """The sender's address was translated: the flow left by a port, to a host that only has such an address, too."""


def stale(flow: Flow, before: Iterable[Mapped], now: Iterable[Mapped]) -> bool:
    """Say whether a flow goes another way than a new one would; the mappings are those of its address and port."""
    wanted, known = tuple(now), {(mapped.to, mapped.to_port) for mapped in (*before, *now)}
    ways = {(mapped.to, mapped.to_port) for mapped in wanted if mapped.takes(flow.sender)}
    way = flow.to, flow.to_port
    if way != (flow.address, flow.port):
        return way not in ways and (bool(ways) or way in known)
    # TCP ends by itself; and cut in the middle it would be taken for a new connection to the application.
    return bool(ways) and flow.protocol == UDP and not flow.source_changed


@dataclass(frozen=True)
class MappedFlows(KernelItem):
    """That conntrack follows ``maps``; one in each namespace.  Its removal ends no flow: the maps' own change does."""

    kind: ClassVar[str] = "flows"
    maps: frozenset[Mapped]
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
        await system.conntrack.follow(self.maps)

    async def modify(self, old: Item, system: System) -> None:
        await system.conntrack.follow(self.maps)

    async def delete(self, system: System) -> None:
        system.conntrack.forget()
