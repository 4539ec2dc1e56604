"""Flows that follow the ways into tunnels: none goes on with the address that it had on another way.

Conntrack keeps a flow's translation for as long as there are packets, whatever way they take now: one that began by the
device's port before there was a tunnel would go into it with the port's side's address, and never be answered.  *Ours*
are the ways that ``led.json`` in the agent's run directory remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System


class Way(NamedTuple):
    """Where a network is reached, by ``source`` (None: by each sender's own address)."""

    network: IPNetwork
    source: IPAddress | None


class Ways(NamedTuple):
    """Ways of senders in ``subnets``; what no way leads to is reached by one of the ``outside`` addresses."""

    subnets: tuple[IPNetwork, ...]
    led: tuple[Way, ...]
    outside: tuple[IPAddress, ...]

    def keep(self, sender: IPAddress, target: IPAddress, seen_as: IPAddress) -> bool:
        """Say whether a flow may go on whose answers go to ``seen_as``."""
        if not any(sender in subnet for subnet in self.subnets) or any(
            target in each for each in self.subnets
        ):
            return True
        fitting = [way for way in self.led if target in way.network]
        if not fitting:
            return seen_as in self.outside
        way = max(fitting, key=lambda each: each.network.prefixlen)
        return seen_as == (sender if way.source is None else way.source)


class LedConntrack(Protocol):
    """Connection tracking of this namespace, as far as ways into tunnels go."""

    def followed(self) -> Ways | None: ...
    async def follow(self, ways: Ways) -> None: ...
    async def end(self) -> None: ...


@dataclass(frozen=True)
class LedFlows(KernelItem):
    """That conntrack's entries fit the ``ways``; one in each namespace with tunnels."""

    kind: ClassVar[str] = "led-flows"
    ways: Ways
    after: frozenset[Ref] = field(default=frozenset(), compare=False, repr=False)
    """Routes and translations: entries are looked at when new ones are made by these already."""

    def key(self) -> str:
        return "tunnels"

    def follows(self) -> frozenset[Ref]:
        return self.after

    def must_replace(self, old: Item) -> bool:
        return False

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        ways = system.led_flows.followed()
        return [] if ways is None else [LedFlows(ways)]

    async def create(self, system: System) -> None:
        await system.led_flows.follow(self.ways)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        """Leave it to ``LedFlowsEnd``, which goes after the ways."""


@dataclass(frozen=True)
class LedFlowsEnd(KernelItem):
    """What the ways into tunnels stand on, so that when they go this goes last: then no flow is left that they had led."""

    kind: ClassVar[str] = "led-flows-end"

    def key(self) -> str:
        return "tunnels"

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        # Where it is wanted it is there: nothing has to be made, and no way has to wait for it, or be made anew.
        return [LedFlowsEnd()] if wanted or system.led_flows.followed() is not None else []

    async def create(self, system: System) -> None:
        """Do nothing."""

    async def delete(self, system: System) -> None:
        await system.led_flows.end()
