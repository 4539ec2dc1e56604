"""Addresses for which the device answers neighbour solicitations on a port (``ip -6 neigh … proxy``).

*Ours* are the ones with our protocol number (``NDA_PROTOCOL``, since Linux 5.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class NdpProxy(KernelItem):
    """One address on one link; the kernel answers for it where ``proxy_ndp`` is on and a route leads elsewhere."""

    kind: ClassVar[str] = "ndp-proxy"
    link: str
    address: IPv6Address

    def key(self) -> str:
        return f"{self.address} dev {self.link}"

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.link)})

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        if not system.rtnl.ipv6:
            return []
        return [proxy for proxy, ours in await system.rtnl.proxies() if ours or proxy.key() in wanted]

    async def create(self, system: System) -> None:
        await system.rtnl.add_proxy(self)

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_proxy(self)
