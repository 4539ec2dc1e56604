"""Forwarding of IPv4 packets that come in by a link.

Needs no mark of ownership: it is only ever observed for the links that are wanted, and stays when no longer wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class Forwarding(KernelItem):
    """That what comes in by ``link`` may leave by another one (``net.ipv4.conf.<link>.forwarding``).

    Set by netlink, because writing the file spins: its handler only tries for the kernel's RTNL lock and restarts
    the system call until it gets it (devinet_sysctl_forward), 16 ms of processor time for each of 30 namespaces made
    at once.
    """

    kind: ClassVar[str] = "forwarding"
    link: str

    def key(self) -> str:
        return self.link

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.link)})

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        path = "/proc/sys/net/ipv4/conf/{}/forwarding"
        return [
            Forwarding(link) for link in wanted if (system.files.read(path.format(link)) or "").strip() == "1"
        ]

    async def create(self, system: System) -> None:
        await system.rtnl.forward(self.link)

    async def delete(self, system: System) -> None:
        return None
