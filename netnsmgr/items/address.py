"""Addresses of links.

*Ours* are the addresses that carry our protocol number (``IFA_PROTO``, since Linux 5.18); in an
instance's namespace also every other one on the links that are wanted, so that strays go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class Address(KernelItem):
    """An address with its prefix length on a link; the kernel adds the connected route itself."""

    kind: ClassVar[str] = "address"
    link: str
    address: IPv4Interface

    def key(self) -> str:
        return f"{self.address} dev {self.link}"

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.link)})

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [
            address
            for address, ours in await system.rtnl.addresses()
            if ours or address.key() in wanted or (system.owns_namespace and address.link != "lo")
        ]

    async def create(self, system: System) -> None:
        await system.rtnl.add_address(self)

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_address(self)
