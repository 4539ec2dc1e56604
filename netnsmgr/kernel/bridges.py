"""Bridges of switches and their ports: made, listed and changed by rtnetlink (linux/if_link.h, linux/if_bridge.h).

Without pyroute2, which does not know all of it: IFLA_BR_MULTI_BOOLOPT, and flags of VLANs beside ranges of them.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from netnsmgr.errors import KernelError
from netnsmgr.items.bridges import BridgeOptions, BridgeState, PortInfo, PortVlan
from netnsmgr.items.switch_bridge import SwitchBridge
from netnsmgr.kernel.nfnetlink import NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, attribute, attributes
from netnsmgr.kernel.refusals import index
from netnsmgr.kernel.route_socket import RouteSocket

NO_VLANS = (
    "this kernel's bridges know no VLANs (CONFIG_BRIDGE_VLAN_FILTERING is not set): take `vlan` and `vlans` out of "
    "the switch and its applications, or run a kernel that has it"
)
STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_REPLACE, _EXCL, _CREATE = 0x100, 0x200, 0x400
_NEWNEIGH, _GETNEIGH = 28, 30
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_LLADDR, _REACHABLE, _NOARP, _MASTER, _STICKY = 2, 0x02, 0x40, 0x04, 0x40
_IFINFO = struct.Struct("=BxHiII")
_IFF_UP = 1
_IFNAME, _PROTINFO, _LINKINFO, _AF_SPEC, _EXT_MASK = 3, 12, 18, 26, 29
_KIND, _DATA = 1, 2
_FORWARD_DELAY, _HELLO_TIME, _MAX_AGE, _STP_STATE, _PRIORITY, _VLAN_FILTERING = 1, 2, 3, 5, 6, 7
_GROUP_FWD_MASK, _ROOT_ID, _BRIDGE_ID, _SNOOPING, _DEFAULT_PVID, _BOOLOPT = 9, 10, 11, 23, 39, 46
_STATE, _GUARD, _LEARNING, _UNICAST_FLOOD, _LOCKED = 1, 5, 8, 9, 39
_VLAN_INFO = 2
_INFO_PVID, _INFO_UNTAGGED, _INFO_BEGIN, _INFO_END = 2, 4, 8, 16
_VLANS_COMPRESSED = 1 << 2
_TICKS = 100
"""Of a second: USER_HZ, in which bridges are told times on every architecture but alpha."""
_NO_LINKLOCAL_LEARN = struct.pack("=II", 1, 1)


class KernelBridges:
    """See ``items.system.Bridges``; ports are listed at most once between two ``refresh`` calls."""

    def __init__(self, links_changed: Callable[[], None] = lambda: None) -> None:
        self._ports: dict[str, PortInfo] | None = None
        self._links_changed = links_changed
        self._without_vlans = False

    def refresh(self) -> None:
        """Forget what was listed."""
        self._ports = None

    def options(self, name: str) -> BridgeState:
        """Return how a bridge works; ``KernelError`` if there is none of this name."""
        with _explained(f"bridge {name}"), RouteSocket() as asking:
            ((data, start, end),) = asking.request(
                _GETLINK, NLM_F_ACK, _IFINFO.pack(0, 0, index(name), 0, 0)
            )[:1]
            info = _within(data, start + _IFINFO.size, end, _LINKINFO, _DATA)
        return BridgeState(
            BridgeOptions(
                stp=_number(info, _STP_STATE) != 0,
                priority=_number(info, _PRIORITY),
                forward_delay=_number(info, _FORWARD_DELAY) // _TICKS,
                hello=_number(info, _HELLO_TIME) // _TICKS,
                age=_number(info, _MAX_AGE) // _TICKS,
                vlans=_number(info, _VLAN_FILTERING) != 0,
                groups=_number(info, _GROUP_FWD_MASK),
                snooping=_number(info, _SNOOPING) != 0,
                default_pvid=_number(info, _DEFAULT_PVID),
            ),
            is_root=info.get(_ROOT_ID) == info.get(_BRIDGE_ID),
        )

    def ports(self) -> Mapping[str, PortInfo]:
        """Return all ports of all bridges of the namespace by their names."""
        if self._ports is None:
            with _explained("list of bridge ports"), RouteSocket() as asking:
                asked = _IFINFO.pack(socket.AF_BRIDGE, 0, 0, 0, 0)
                asked += attribute(_EXT_MASK, struct.pack("=I", _VLANS_COMPRESSED))
                messages = asking.request(_GETLINK, NLM_F_DUMP, asked)
            self._ports = dict(filter(None, (_port(*message) for message in messages)))
        return self._ports

    async def add(self, bridge: SwitchBridge) -> None:
        """Make a bridge that is up; fine if one of the name is there."""
        self._vlans_known(f"bridge {bridge.name}", wanted=bridge.vlans)
        data = _data(bridge.options, vlans=bridge.vlans) + attribute(_BOOLOPT, _NO_LINKLOCAL_LEARN)
        body = _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP) + attribute(_IFNAME, bridge.name.encode() + b"\0")
        if bridge.mac:
            body += attribute(1, bytes.fromhex(bridge.mac.replace(":", "")))
        body += _linkinfo(data)
        with self._asking(f"bridge {bridge.name}", vlans=bridge.vlans) as asking:
            try:
                asking.request(_NEWLINK, NLM_F_ACK | _CREATE | _EXCL, body)
            except FileExistsError:
                asking.request(
                    _NEWLINK, NLM_F_ACK, _IFINFO.pack(0, 0, index(bridge.name), 0, 0) + _linkinfo(data)
                )
        self._links_changed()

    def set_options(self, name: str, options: BridgeOptions) -> None:
        """Change how a bridge works."""
        self._vlans_known(f"bridge {name}", wanted=options.vlans)
        vlans = self.options(name).options.vlans != options.vlans
        body = _IFINFO.pack(0, 0, index(name), 0, 0) + _linkinfo(_data(options, vlans=vlans))
        with self._asking(f"bridge {name}", vlans=options.vlans) as asking:
            asking.request(_NEWLINK, NLM_F_ACK, body)
        self.refresh()

    def _vlans_known(self, what: str, *, wanted: bool) -> None:
        # A kernel without them makes the bridge, refuses, and removes it: the news of that would wake who asked.
        if wanted and self._without_vlans:
            raise KernelError(f"{what}: {NO_VLANS}")

    @contextmanager
    def _asking(self, what: str, *, vlans: bool) -> Iterator[RouteSocket]:
        with _explained(what, vlans=vlans), RouteSocket() as asking:
            try:
                yield asking
            except OSError as error:
                # What a kernel was built without does not come while it runs.
                self._without_vlans |= vlans and error.errno == errno.EOPNOTSUPP
                raise

    def set_port(self, name: str, *, guard: bool, locked: bool) -> None:
        """Have a port shut by a BPDU, or not; have it take and be given only what is known to be behind it, or learn."""
        flags = ((_GUARD, guard), (_LOCKED, locked), (_LEARNING, not locked), (_UNICAST_FLOOD, not locked))
        body = _IFINFO.pack(socket.AF_BRIDGE, 0, index(name), 0, 0)
        body += attribute(
            _PROTINFO | NLA_F_NESTED, b"".join(attribute(kind, bytes([on])) for kind, on in flags)
        )
        with _explained(f"bridge port {name}"), RouteSocket() as asking:
            asking.request(_SETLINK, NLM_F_ACK, body)
        self.refresh()

    def knows(self, name: str, mac: str) -> bool:
        """Say whether a MAC address is behind a port, and never behind another one."""
        try:
            with RouteSocket() as asking:
                found = asking.request(_GETNEIGH, NLM_F_ACK, _neighbour(name, mac, 0, _MASTER))
        except OSError:
            return False
        return any(
            (got := _NEIGHBOUR.unpack_from(data, start))[1] == index(name)
            and got[2] & _NOARP
            and got[3] & _STICKY
            for data, start, _ in found
        )

    def know(self, name: str, mac: str) -> None:
        """Tell that a MAC address is behind a port, in each of its VLANs, and never behind another one."""
        with _explained(f"bridge port {name}"), RouteSocket() as asking:
            entry = _neighbour(name, mac, _NOARP | _REACHABLE, _MASTER | _STICKY)
            asking.request(_NEWNEIGH, NLM_F_ACK | _CREATE | _REPLACE, entry)

    def set_vlans(self, name: str, *, add: frozenset[PortVlan], remove: frozenset[PortVlan]) -> None:
        """Take a port out of VLANs, then put it into others; of one that it is in already the flags change."""
        with _explained(f"VLANs of bridge port {name}", vlans=True), RouteSocket() as asking:
            for kind, vlans in ((_DELLINK, remove), (_SETLINK, add)):
                # As many as fit into an attribute: its length has 16 bits.
                listed = sorted(vlans)
                for first in range(0, len(listed), 4000):
                    spec = b"".join(map(_vlan_info, listed[first : first + 4000]))
                    body = _IFINFO.pack(socket.AF_BRIDGE, 0, index(name), 0, 0)
                    asking.request(kind, NLM_F_ACK, body + attribute(_AF_SPEC | NLA_F_NESTED, spec))
        self.refresh()


@contextmanager
def _explained(what: str, *, vlans: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if vlans and error.errno == errno.EOPNOTSUPP:
            raise KernelError(f"{what}: {NO_VLANS}") from error
        raise KernelError(f"{what}: {os.strerror(error.errno) if error.errno else error}") from error


def _data(options: BridgeOptions, *, vlans: bool) -> bytes:
    """Pack a bridge's options; whether it knows ``vlans`` is said only where that changes.

    A kernel without them refuses even to be told that there are none.
    """
    u8, u16, u32 = (struct.Struct(f"={letter}").pack for letter in "BHI")
    return b"".join(
        (
            attribute(_FORWARD_DELAY, u32(options.forward_delay * _TICKS)),
            attribute(_HELLO_TIME, u32(options.hello * _TICKS)),
            attribute(_MAX_AGE, u32(options.age * _TICKS)),
            attribute(_PRIORITY, u16(options.priority)),
            attribute(_STP_STATE, u32(options.stp)),
            attribute(_GROUP_FWD_MASK, u16(options.groups)),
            attribute(_SNOOPING, u8(options.snooping)),
            attribute(_DEFAULT_PVID, u16(options.default_pvid)),
            attribute(_VLAN_FILTERING, u8(options.vlans)) if vlans else b"",
        )
    )


def _linkinfo(data: bytes) -> bytes:
    return attribute(_LINKINFO, attribute(_KIND, b"bridge\0") + attribute(_DATA, data))


def _neighbour(name: str, mac: str, state: int, flags: int) -> bytes:
    # Without a VLAN: asked for, the one that is in none; told, one in each of the port's.
    head = _NEIGHBOUR.pack(socket.AF_BRIDGE, index(name), state, flags, 0)
    return head + attribute(_LLADDR, bytes.fromhex(mac.replace(":", "")))


def _vlan_info(vlan: PortVlan) -> bytes:
    flags = (_INFO_PVID if vlan.pvid else 0) | (_INFO_UNTAGGED if vlan.untagged else 0)
    return attribute(_VLAN_INFO, struct.pack("=HH", flags, vlan.vid))


def _number(attrs: Mapping[int, bytes], kind: int) -> int:
    """Return an attribute's number; 0 where the kernel was built without what it is about."""
    return int.from_bytes(attrs.get(kind, b""), "little" if struct.pack("=H", 1)[0] else "big")


def _within(data: bytes, start: int, end: int, *kinds: int) -> dict[int, bytes]:
    """Return the attributes within an attribute within ...; none where one of them is missing."""
    for wanted in kinds:
        found = next(((a, b) for kind, a, b in attributes(data, start, end) if kind == wanted), None)
        if found is None:
            return {}
        start, end = found
    return {kind: data[a:b] for kind, a, b in attributes(data, start, end)}


def _port(data: bytes, start: int, end: int) -> tuple[str, PortInfo] | None:
    """Read a port; None for a bridge itself, and for links whose drivers bridge in hardware."""
    start += _IFINFO.size
    top = _within(data, start, end)
    port = _within(data, start, end, _PROTINFO)
    if not port or _IFNAME not in top:
        return None
    name = top[_IFNAME].rstrip(b"\0").decode()
    spec = next(((a, b) for kind, a, b in attributes(data, start, end) if kind == _AF_SPEC), (end, end))
    state = _number(port, _STATE)
    vlans = frozenset(_vlans(data[a:b] for kind, a, b in attributes(data, *spec) if kind == _VLAN_INFO))
    guard, locked = _number(port, _GUARD) != 0, _number(port, _LOCKED) != 0
    return name, PortInfo(STATES[state] if state < len(STATES) else str(state), guard, locked, vlans)


def _vlans(infos: Iterator[bytes]) -> Iterator[PortVlan]:
    """Read VLANs, of which the kernel lists those of equal flags as ranges."""
    first = 0
    for info in infos:
        flags, vid = struct.unpack("=HH", info)
        first = first if flags & _INFO_END else vid
        if not flags & _INFO_BEGIN:
            for each in range(first, vid + 1):
                yield PortVlan(each, bool(flags & _INFO_PVID), bool(flags & _INFO_UNTAGGED))
