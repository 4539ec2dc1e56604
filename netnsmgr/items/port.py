"""Ports of the device that leave its root namespace for that of a switch, and come back as they were found.

What a port was like is written into its own alias (``items/port_record.py``) before anything else is done with it: the
alias goes with the link, into the switch's namespace, back, and also to the kernel's first namespace when the switch's
dies.  So whoever looks next knows, whatever has ended in between.  *Ours* is a link with a record that this device's
netnsmgr has sealed, and nothing else.

All share the kind ``port``; a process wants one sort of them only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.link import ALIAS, link_ref, netns_ref
from netnsmgr.items.port_record import Record, fits, on_record
from netnsmgr.items.system import KernelItem, LinkInfo, System


def ipv6_switch(name: str) -> str:
    """Return the file that says 1 where a link has no IPv6."""
    return f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"


async def borrow(name: str, instance: str, system: System) -> LinkInfo:
    """Put on record how a port was found, unless that is done, and return its link."""
    info = port_link(await system.rtnl.links(), name, system.port_key)
    if info is None:
        raise KernelError(f"port {name} has gone")
    known = on_record(info, system)
    on = (system.files.read(ipv6_switch(info.name)) or "").strip() == "0"
    record = (known or Record.found(info, instance, ipv6=on))._replace(instance=instance)
    if not fits(record):
        raise KernelError(f"port {name}: its alias leaves no room for a record of how it was found")
    if record != known:
        await system.rtnl.set_link(info.name, alias=record.sealed(info, system.port_key))
    return info


def port_link(links: Mapping[str, LinkInfo], name: str, key: bytes) -> LinkInfo | None:
    """Return the link of a port: the one of its name, else the one on record as it.

    The kernel calls a port ``dev0`` that comes back where its name is taken (``dev_change_net_namespace``).
    """
    if name in links:
        return links[name]
    return next(
        (i for i in links.values() if (known := Record.of(i, key)) is not None and known.name == name), None
    )


async def lent_link(name: str, path: str, system: System) -> LinkInfo | None:
    """Return the link of a port that is in the namespace at ``path``; another one at home may have its name by now."""
    here = port_link(await system.rtnl.links(), name, system.port_key)
    if here is not None and on_record(here, system) is not None:
        return None
    there = await system.rtnl.link_in(path, name)
    return there if there is not None and on_record(there, system) is not None else None


@dataclass(frozen=True)
class PortItem(KernelItem):
    """A port that is, or was, at a switch."""

    kind: ClassVar[str] = "port"
    name: str

    def key(self) -> str:
        return self.name

    async def observed(self, system: System) -> Item | None:
        """Return what there is of a port that does not leave the root namespace."""
        raise NotImplementedError

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        links = await system.rtnl.links()
        if system.owns_namespace:
            return [
                BorrowedPort.seen(info, record, wanted.get(info.name))
                for info in links.values()
                if (record := on_record(info, system)) is not None
            ]
        found: list[Item] = []
        awaited: set[str] = set()
        for want in wanted.values():
            assert isinstance(want, PortItem)
            if not isinstance(want, LentPort):
                # A shared one stays here.
                if (known := links.get(want.name)) is not None and on_record(known, system) is not None:
                    awaited.add(want.name)
                    found += filter(None, [await want.observed(system)])
            elif await lent_link(want.name, want.path, system) is not None:
                found.append(want)
            elif (here := port_link(links, want.name, system.port_key)) is not None:
                awaited.add(here.name)
        returned = (
            info
            for info in links.values()
            if info.name not in awaited and on_record(info, system) is not None
        )
        return found + [ReturnedPort(info.name) for info in returned]


@dataclass(frozen=True)
class LentPort(PortItem):
    """In the root namespace: a port that is in the namespace of the switch ``netns``, at ``path``.

    It is never deleted here: who has it gives it back when it is not wanted any more.
    """

    netns: str
    path: str

    def deps(self) -> frozenset[Ref]:
        return frozenset({netns_ref(self.netns)})

    async def create(self, system: System) -> None:
        here = port_link(await system.rtnl.links(), self.name, system.port_key)
        if here is None and await system.rtnl.link_in(self.path, self.name) is not None:
            return
        info = await borrow(self.name, self.netns, system)
        if info.name != self.name:
            await system.rtnl.rename_link(info.name, self.name)
        await system.rtnl.move_link(self.name, self.path)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        return None


@dataclass(frozen=True)
class ReturnedPort(PortItem):
    """In the root namespace: a port that came back and is not yet what it was; never wanted."""

    def key(self) -> str:
        return f"{self.name} as found"

    async def create(self, system: System) -> None:
        raise NotImplementedError

    async def modify(self, old: Item, system: System) -> None:
        raise NotImplementedError

    async def delete(self, system: System) -> None:
        info = (await system.rtnl.links()).get(self.name)
        record = on_record(info, system) if info is not None else None
        if info is None or record is None:
            return
        links = await system.rtnl.links()
        ours = info.master in links and links[info.master].alias.startswith(ALIAS)
        await system.rtnl.set_link(
            info.name,
            master="" if ours else None,
            mtu=record.mtu if record.mtu != info.mtu else None,
            mac=record.mac if record.mac and record.mac != info.mac else None,
        )
        if info.name != record.name:
            try:
                await system.rtnl.rename_link(info.name, record.name)
            except KernelError as error:
                raise KernelError(
                    f"port {record.name} has come back as {info.name} and cannot have its name again: {error}; "
                    f"rename or remove the link that has it"
                ) from error
        silent = system.files.read(ipv6_switch(record.name))
        if silent is not None and (silent.strip() == "0") != record.ipv6:
            system.files.poke(ipv6_switch(record.name), "0" if record.ipv6 else "1")
        if record.up != info.up or info.name != record.name:
            await system.rtnl.set_link(record.name, up=record.up)
        # Last: what has the alias is not done yet.
        await system.rtnl.set_link(record.name, alias=record.alias)


@dataclass(frozen=True)
class BorrowedPort(PortItem):
    """In a switch's namespace: a port of the device that is there; deleted, it is given back to the root namespace.

    ``mtu`` in bytes; None: as found.
    """

    mtu: int | None = None

    @classmethod
    def seen(cls, info: LinkInfo, record: Record, want: Item | None) -> BorrowedPort:
        """Describe a port in the terms of what is wanted of it."""
        wanted = want.mtu if isinstance(want, BorrowedPort) else None
        return cls(info.name, wanted if info.mtu == (wanted or record.mtu) else info.mtu)

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.name)})

    async def create(self, system: System) -> None:
        raise KernelError(
            f"link {self.name} is not the device's port {self.name}: it is in its place, and has no record of a port; "
            f"remove or rename it in this namespace"
        )

    async def modify(self, old: Item, system: System) -> None:
        info = (await system.rtnl.links()).get(self.name)
        record = on_record(info, system) if info is not None else None
        if record is not None:
            await system.rtnl.set_link(self.name, mtu=self.mtu or record.mtu)

    async def delete(self, system: System) -> None:
        await system.rtnl.give_back(self.name)
