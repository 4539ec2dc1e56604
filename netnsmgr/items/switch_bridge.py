"""The bridge of a switch: one that may run the spanning tree protocol and know VLANs.

*Ours* as every link: by its alias, which also says that the bridge is a switch's, so that the one of a local instance
of the same name is replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from netnsmgr.core.item import Item
from netnsmgr.errors import KernelError
from netnsmgr.items.bridges import BridgeOptions
from netnsmgr.items.link import ALIAS, Bridge
from netnsmgr.items.system import System

SWITCH = "|switch|"


def timers(forward_delay: int) -> tuple[int, int]:
    """Return hello time and longest age of what is known of the root, in seconds, that go with a forward delay.

    2 x (forward delay - 1) >= longest age >= 2 x (hello time + 1) (IEEE 802.1D-2004, 17.14); 2 and 20 are its defaults.
    """
    return 2, min(20, 2 * (forward_delay - 1))


@dataclass(frozen=True)
class SwitchBridge(Bridge):
    """``forward_delay`` in seconds, which counts while this bridge is the root; ``groups`` as the kernel's
    ``group_fwd_mask``: bit n for the group address 01:80:c2:00:00:0n.

    Its ports are in no VLAN until they are told to be (``vlan_default_pvid`` 0).  Groups are not snooped on: the
    bridge itself would join two of them, and tell so by reports that leave by its ports (br_multicast_join_snoopers).
    """

    of_switch: ClassVar[bool] = True
    stp: bool = False
    priority: int = 61440
    forward_delay: int = 15
    vlans: bool = False
    groups: int = 0

    @property
    def full_alias(self) -> str:
        """The alias with the forward delay, which the kernel does not show while another bridge is the root."""
        return f"{ALIAS}{self.alias}{SWITCH}{self.forward_delay}"

    @property
    def options(self) -> BridgeOptions:
        """What the kernel is told at birth and by changes."""
        hello, age = timers(self.forward_delay)
        return BridgeOptions(
            self.stp, self.priority, self.forward_delay, hello, age, self.vlans, self.groups, False, 0
        )

    async def seen(self, alias: str, system: System) -> Item:
        """Return this bridge with the options that the kernel has."""
        found = system.bridges.options(self.name)
        _, _, told = alias.partition(SWITCH)
        wanted, now = self.options, found.options
        if not found.is_root and told == str(self.forward_delay):
            # What it shows then are the root's.
            now = now._replace(forward_delay=wanted.forward_delay, hello=wanted.hello, age=wanted.age)
        if now == wanted:
            return self
        other = now._replace(
            stp=wanted.stp, priority=wanted.priority, vlans=wanted.vlans, groups=wanted.groups
        )
        return replace(
            self,
            stp=now.stp,
            priority=now.priority,
            vlans=now.vlans,
            groups=now.groups,
            forward_delay=self.forward_delay if other == wanted else 0,
        )

    async def create(self, system: System) -> None:
        await system.bridges.add(self)
        await system.rtnl.set_link(
            self.name, up=True, mtu=self.mtu, mac=self.mac or None, alias=self.full_alias
        )

    async def modify(self, old: Item, system: System) -> None:
        try:
            system.bridges.set_options(self.name, self.options)
        except KernelError:
            if self.vlans and isinstance(old, SwitchBridge) and not old.vlans:
                # A bridge that is down passes nothing: better than everything to those who shall not have it.
                await system.rtnl.set_link(self.name, up=False)
            raise
        await super().modify(old, system)
        await system.rtnl.set_link(self.name, alias=self.full_alias)
