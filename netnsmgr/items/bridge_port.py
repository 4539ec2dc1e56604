"""That a link is a port of a switch's bridge, and how the bridge treats it.

*Ours* are, in an instance's namespace, the ports of a switch's bridge whose link is ours by its alias: those of applications.
One that is no longer wanted is released before anything of what filters its frames goes.  A port of the device is
released by whoever takes its link away: a link that changes its namespace is a port no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.bridges import PortVlan
from netnsmgr.items.link import ALIAS, link_ref
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.switch_bridge import SWITCH
from netnsmgr.items.system import KernelItem, LinkInfo, System


@dataclass(frozen=True)
class BridgePort(KernelItem):
    """One link among the ports of ``master``; a bridge without VLANs wants none of its ports.

    The link comes up last: no frame passes before the port is in its VLAN.
    """

    kind: ClassVar[str] = "bridge-port"
    link: str
    master: str
    guard: bool = False
    """Whether the port is shut by a BPDU, until its carrier goes and comes back; only where STP is on."""
    vlans: frozenset[PortVlan] = frozenset()
    mac: str = ""
    """The only MAC address behind the port, known without learning: frames of others are dropped, frames for others
    are not flooded to it.  None: the bridge learns."""
    up: bool = True
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    needs: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What frames from the link never pass without: the link is taken down and out of the bridge before any of it goes."""

    def key(self) -> str:
        return self.link

    def deps(self) -> frozenset[Ref]:
        return self.needs | {link_ref(self.link), link_ref(self.master)}

    def follows(self) -> frozenset[Ref]:
        return self.after

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        links = await system.rtnl.links()
        left = [] if not system.owns_namespace else [info for info in _ours(links) if info.name not in wanted]
        found: list[Item] = []
        if left:
            parts = await system.nft.parts()
            needs = frozenset(NftPart(each.family, each.table, each.name, "").ref for each in parts)
            found += [BridgePort(info.name, info.master, up=info.up, needs=needs) for info in left]
        if not wanted:
            return found
        ports = system.bridges.ports()
        for name, want in wanted.items():
            info, port = links.get(name), ports.get(name)
            if info is None or port is None:
                continue
            assert isinstance(want, BridgePort)
            mac = "(learned)" if port.locked else ""
            if port.locked and want.mac and system.bridges.knows(name, want.mac):
                mac = want.mac
            found.append(
                BridgePort(name, info.master, port.guard, port.vlans, mac, info.up, needs=want.needs)
            )
        return found

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        # Nothing happens to a link that has this master already, nor to one that is up.
        await system.rtnl.set_link(self.link, master=self.master)
        system.bridges.refresh()
        now = system.bridges.ports().get(self.link)
        if now is None or (now.guard, now.locked) != (self.guard, bool(self.mac)):
            system.bridges.set_port(self.link, guard=self.guard, locked=bool(self.mac))
        there = now.vlans if now is not None else frozenset()
        kept = {vlan.vid for vlan in self.vlans}
        gone = frozenset(vlan for vlan in there if vlan.vid not in kept)
        # First out of the old ones: at no moment is the link in networks that have nothing to do with each other.
        if there != self.vlans:
            try:
                system.bridges.set_vlans(self.link, add=self.vlans - there, remove=gone)
            except KernelError:
                await system.rtnl.set_link(self.link, up=False)
                raise
        if self.mac:
            system.bridges.know(self.link, self.mac)
        await system.rtnl.set_link(self.link, up=True)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        if self.link in system.bridges.ports():
            await system.rtnl.set_link(self.link, master="", up=False if self.needs else None)
            system.bridges.refresh()


def _ours(links: Mapping[str, LinkInfo]) -> Iterator[LinkInfo]:
    """Yield the links that we made, and that are ports of a switch's bridge."""
    switches = {info.name for info in links.values() if info.alias.startswith(ALIAS) and SWITCH in info.alias}
    return (info for info in links.values() if info.master in switches and info.alias.startswith(ALIAS))
