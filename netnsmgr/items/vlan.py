"""A port of the device that is a VLAN of another port.

*Ours* as every link, by its alias, which also says of what it is the VLAN; while a switch has or shares it, by what the
record says that its alias was.
"""

from __future__ import annotations

from dataclasses import dataclass

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import Link, link_ref
from netnsmgr.items.port_record import on_record
from netnsmgr.items.system import LinkInfo, System


@dataclass(frozen=True)
class VlanLink(Link):
    """The frames of ``parent`` with the tag ``vid``, as a link of their own without it."""

    parent: str = ""
    vid: int = 0

    @classmethod
    def of(cls, name: str, parent: str, vid: int, mtu: int) -> VlanLink:
        """Return the link called ``name``."""
        return cls(name, mtu, alias=f"vlan {vid} of {parent}", joins=True, parent=parent, vid=vid)

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.parent)})

    def recognises(self, info: LinkInfo, system: System) -> bool:
        return self.is_it(info, self.alias_of(info, system))

    def is_it(self, info: LinkInfo, alias: str) -> bool:
        """Say whether a link whose alias is, or was before a switch got it, ``alias`` is this VLAN."""
        # One that we made and were cut off before we could mark it is down.
        ours = alias == self.full_alias or (not alias and not info.up)
        return ours and (info.kind, info.lower, info.vid) == ("vlan", self.parent, self.vid)

    def alias_of(self, info: LinkInfo, system: System) -> str:
        record = on_record(info, system)
        return info.alias if record is None else record.alias

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, VlanLink) or self.alias != old.alias

    async def create(self, system: System) -> None:
        await system.rtnl.add_vlan(self)
