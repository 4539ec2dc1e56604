"""WireGuard interfaces that are born in the device's root namespace and live in an instance's.

Their UDP sockets stay where they were born (drivers/net/wireguard: ``creating_net``; wireguard-go: where the process is).
*Ours* is a link of the wanted name in the instance's namespace, of WireGuard's kind or of a TUN's, whose alias says
``netnsmgr:`` and which tunnel it is: name and alias it gets with the move, in one request.  Before that it is in the root
namespace, down and without an alias, under a name that begins with ``nmw-``.  An instance's agent removes what is in its
namespace and not wanted there.  Of wireguard-go, whose process is an item of its own, this is the link alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.core.linkname import BIRTH_PREFIX
from netnsmgr.errors import KernelError
from netnsmgr.items.link import ALIAS, netns_ref
from netnsmgr.items.system import FarLink, KernelItem, LinkInfo, System

KERNEL, GO = "kernel", "wireguard-go"
KINDS = {"wireguard": KERNEL, "tun": GO}


@dataclass(frozen=True)
class Tunnel(KernelItem):
    """The interface ``name`` in the namespace ``netns``, which is at ``path``; ``birth`` is what it was called before."""

    kind: ClassVar[str] = "tunnel"
    birth: str
    netns: str
    path: str
    name: str
    backend: str
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be there before its first packet leaves."""

    def key(self) -> str:
        return self.birth

    def deps(self) -> frozenset[Ref]:
        process = {Ref("process", self.birth)} if self.backend == GO else set[Ref]()
        return frozenset({netns_ref(self.netns), *process})

    def follows(self) -> frozenset[Ref]:
        return self.after

    @property
    def alias(self) -> str:
        """What its alias is."""
        return f"{ALIAS}{self.netns}.{self.name}"

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found: list[Item] = []
        links = await system.rtnl.links()
        tunnels = [want for want in wanted.values() if isinstance(want, Tunnel)]
        there = await system.rtnl.far_links([(each.path, each.name) for each in tunnels])
        for want in tunnels:
            link = there.get((want.path, want.name))
            if link is not None and link.alias == want.alias:
                found.append(replace(want, backend=KINDS.get(link.kind, link.kind)))
            elif want.backend != KERNEL and _unmoved(links.get(want.birth)):
                found.append(replace(want, backend=KERNEL))
        found += [
            LeftTunnel(name, "", "", "", KERNEL)
            for name, info in links.items()
            if name.startswith(BIRTH_PREFIX) and name not in wanted and _unmoved(info)
        ]
        # A process that was killed leaves its socket's file.
        live = {info.name for info in system.processes.running()} | wanted.keys()
        left = system.wireguard_go.left(BIRTH_PREFIX, live)
        return found + [LeftTunnel(f"{name}.sock", "", "", "", GO) for name in left]

    async def _there(self, system: System) -> FarLink | None:
        return (await system.rtnl.far_links([(self.path, self.name)])).get((self.path, self.name))

    async def create(self, system: System) -> None:
        there = await self._there(system)
        if there is not None and there.alias == self.alias and KINDS.get(there.kind) == self.backend:
            return
        if there is not None:
            raise KernelError(
                f"{self.netns} has a link {self.name} already, which is not netnsmgr's: rename or remove it there"
            )
        if self.backend == KERNEL:
            await system.rtnl.add_wireguard(self.birth)
        else:
            pid = next((info.pid for info in system.processes.running() if info.name == self.birth), None)
            if pid is None:
                raise KernelError("wireguard-go has ended")
            await system.wireguard_go.ready(self.birth)
            if not await system.rtnl.has_link(self.birth):
                # It was moved, and its namespace is another one since then, or somebody removed it.
                await system.processes.stop(self.birth)
                raise KernelError("its link had gone elsewhere; another one is made")
        try:
            await system.rtnl.move_link(self.birth, self.path, self.name, self.alias)
        except KernelError:
            # The kernel moves first and renames then (do_setlink).
            await system.rtnl.delete_in(self.path, self.birth)
            raise

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    def must_replace(self, old: Item) -> bool:
        return True

    async def delete(self, system: System) -> None:
        there = await self._there(system)
        if there is not None and there.alias == self.alias:
            await system.rtnl.delete_in(self.path, self.name)
        if _unmoved((await system.rtnl.links()).get(self.birth)):
            await system.rtnl.delete_link(self.birth)


@dataclass(frozen=True)
class LeftTunnel(Tunnel):
    """What is left of one that nobody wants: a link that was not moved yet, or the socket's file of a killed process."""

    def deps(self) -> frozenset[Ref]:
        return frozenset()

    async def delete(self, system: System) -> None:
        if self.backend == GO:
            system.wireguard_go.remove(self.birth.removesuffix(".sock"))
        else:
            await system.rtnl.delete_link(self.birth)


def _unmoved(info: LinkInfo | None) -> bool:
    return info is not None and info.kind == "wireguard" and not info.alias
