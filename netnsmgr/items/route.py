"""Routes.  *Ours* are the ones with our protocol number (``ip route show table all proto 110``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System

MAIN = 254
LOCAL = 255


@dataclass(frozen=True)
class Route(KernelItem):
    """A route of one table; types as in ``ip route``: unicast, local, unreachable.

    A gateway is reached through ``link`` even if no route says so (``onlink``): with overlapping
    subnets the route that would say so may belong to somebody else.
    """

    kind: ClassVar[str] = "route"
    dst: IPNetwork
    table: int = MAIN
    metric: int = 0
    link: str = ""
    via: IPAddress | None = None
    type: str = "unicast"
    src: IPAddress | None = None
    after: frozenset[Ref] = frozenset()
    """What has to exist besides the link, such as the address that ``src`` names."""

    def key(self) -> str:
        dst = "default" if str(self.dst) == "0.0.0.0/0" else str(self.dst)
        type_ = "" if self.type == "unicast" else f"{self.type} "
        return (
            f"{type_}{dst}"
            + (f" table {self.table}" if self.table != MAIN else "")
            + f" metric {self.metric}"
        )

    def deps(self) -> frozenset[Ref]:
        if not self.link:
            return self.after
        # The kernel drops a route when its link goes down, and refuses it while the link is down.
        return self.after | {link_ref(self.link)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Route) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(self._value())

    def _value(self) -> tuple[object, ...]:
        return (self.dst, self.table, self.metric, self.link, self.via, self.type, self.src)

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return await system.rtnl.routes()

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        await system.rtnl.replace_route(self)

    async def modify(self, old: Item, system: System) -> None:
        await system.rtnl.replace_route(self)

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_route(self)
