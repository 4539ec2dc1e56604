"""Addresses of links.

*Ours* are the addresses that carry our protocol number (``IFA_PROTO``, since Linux 5.18); in an
instance's namespace also every other one on the links that are wanted, so that strays go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.ip import LINK_LOCAL, IPInterface
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class Address(KernelItem):
    """An address with its prefix length on a link; the kernel adds the connected route itself."""

    kind: ClassVar[str] = "address"
    link: str
    address: IPInterface
    dad: bool = field(default=False, compare=False)
    """Whether an IPv6 address is asked for on the link before it is used (RFC 4862, 5.4): where there may be others."""
    deprecated: bool = False
    """Whether it still works, and is chosen for nothing new (RFC 4862, 5.5.4)."""
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be so before the link takes an address, such as that it has IPv6."""

    def key(self) -> str:
        return f"{self.address} dev {self.link}"

    def deps(self) -> frozenset[Ref]:
        return self.after | {link_ref(self.link)}

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [
            address
            for address, ours in await system.rtnl.addresses()
            if ours or address.key() in wanted or (system.owns_namespace and _stray(address))
        ]

    async def create(self, system: System) -> None:
        await system.rtnl.add_address(self)

    def must_replace(self, old: Item) -> bool:
        return False

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_address(self)


def _stray(address: Address) -> bool:
    # Each link has a link-local address of IPv6 by itself.  On its TUN charon has the virtual ones: taken away before it has
    # made use of them, they would keep a tunnel from coming up.
    return address.link not in {"lo", "ipsec0"} and address.address.ip not in LINK_LOCAL
