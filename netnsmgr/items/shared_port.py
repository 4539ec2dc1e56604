"""The bridge on which a switch shares a port with the device, and that the port is one of it.

The bridge is *ours* by its alias, as every link; or, where we were cut off before it had one, by the port's MAC on a
bridge without ports.  The port is by the record in its alias (``items/port.py``), and so it becomes again what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netnsmgr.core.ip import IPInterface
from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.address import Address
from netnsmgr.items.link import ALIAS, link_ref
from netnsmgr.items.port import PortItem, borrow, ipv6_switch
from netnsmgr.items.switch_bridge import SwitchBridge
from netnsmgr.items.system import System


@dataclass(frozen=True)
class SharedBridge(SwitchBridge):
    """A bridge of the root namespace, where there may be others."""

    async def create(self, system: System) -> None:
        links = await system.rtnl.links()
        there = links.get(self.name)
        if there is not None and not there.alias.startswith(ALIAS):
            used = any(info.master == self.name for info in links.values())
            if there.kind != "bridge" or there.alias or there.mac != self.mac or used:
                raise KernelError(
                    f"another link is called {self.name}, which the bridge of a shared port has to be: rename or remove it"
                )
        await super().create(system)


@dataclass(frozen=True)
class SharedPort(PortItem):
    """A port of the device that is a port of ``bridge``, and has no address of its own.

    IPv6 is off on it: addresses and routes that the kernel took from its routers would stay, and lead nowhere.
    ``taken`` are addresses that go from it, whoever gave them, as ours do: the bridge has them.
    """

    bridge: str
    taken: tuple[IPInterface, ...] = ()

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.name), link_ref(self.bridge)})

    async def observed(self, system: System) -> Item | None:
        """Return it as it is; None where it is not ours yet."""
        info = (await system.rtnl.links()).get(self.name)
        silent = system.files.read(ipv6_switch(self.name)) in (None, "1\n")
        clean = silent and not await self._addresses4(system)
        return replace(self, bridge=info.master if clean else "") if info is not None else None

    async def create(self, system: System) -> None:
        await borrow(self.name, "", system)
        await system.rtnl.set_link(self.name, master=self.bridge)
        if system.files.read(ipv6_switch(self.name)) is not None:
            system.files.poke(ipv6_switch(self.name), "1")
        for address in await self._addresses4(system):
            await system.rtnl.delete_address(address)

    async def _addresses4(self, system: System) -> list[Address]:
        return [
            each
            for each, ours in await system.rtnl.addresses()
            if each.link == self.name and each.address.version == 4 and (ours or each.address in self.taken)
        ]

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)
