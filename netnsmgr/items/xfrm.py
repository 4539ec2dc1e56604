"""The link behind which the kernel encrypts for IPsec (``ip link add type xfrm``; Linux 4.19)."""

from __future__ import annotations

from dataclasses import dataclass

from netnsmgr.core.item import Item
from netnsmgr.items.link import Link
from netnsmgr.items.system import LinkInfo, System


@dataclass(frozen=True)
class XfrmLink(Link):
    """What is sent to it is encrypted by the states and policies with its ``if_id``, or dropped where there is none.

    *Ours* as every link of an instance's namespace; its alias ends with its number, which cannot be changed.
    """

    if_id: int = 0

    @classmethod
    def of(cls, name: str, mtu: int, instance: str, if_id: int) -> XfrmLink:
        """Return the link called ``name`` of an instance."""
        return cls(name, mtu, alias=f"{instance} {if_id}", if_id=if_id)

    def recognises(self, info: LinkInfo, system: System) -> bool:
        return info.kind == "xfrm"

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, XfrmLink) or self.alias != old.alias

    async def create(self, system: System) -> None:
        await system.rtnl.add_xfrm(self)
