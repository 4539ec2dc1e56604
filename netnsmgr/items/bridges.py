"""What items may ask of the bridges of switches: the part of the door to the kernel that local instances do not use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from netnsmgr.items.switch_bridge import SwitchBridge


class BridgeOptions(NamedTuple):
    """How a bridge works; times in seconds."""

    stp: bool
    priority: int
    forward_delay: int
    hello: int
    age: int
    vlans: bool
    groups: int
    snooping: bool
    default_pvid: int


class BridgeState(NamedTuple):
    """The options that a bridge has; times are the root's, where another bridge is it."""

    options: BridgeOptions
    is_root: bool


class PortVlan(NamedTuple):
    """A VLAN that a bridge's port is in: ``pvid``, that of frames that come without tag; they may leave so, too."""

    vid: int
    pvid: bool = False
    untagged: bool = False


class PortInfo(NamedTuple):
    """A port of a bridge; ``stp`` in the kernel's order: disabled, listening, learning, forwarding, blocking."""

    stp: str
    guard: bool
    locked: bool
    vlans: frozenset[PortVlan]


class Bridges(Protocol):
    """Bridges of switches and their ports (rtnetlink(7), family ``AF_BRIDGE``)."""

    def refresh(self) -> None: ...
    def options(self, name: str) -> BridgeState: ...
    def ports(self) -> Mapping[str, PortInfo]: ...
    async def add(self, bridge: SwitchBridge) -> None: ...
    def set_options(self, name: str, options: BridgeOptions) -> None: ...
    def set_port(self, name: str, *, guard: bool, locked: bool) -> None: ...
    def knows(self, name: str, mac: str) -> bool: ...
    def know(self, name: str, mac: str) -> None: ...
    def set_vlans(self, name: str, *, add: frozenset[PortVlan], remove: frozenset[PortVlan]) -> None: ...
