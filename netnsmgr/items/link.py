"""Links: bridge, veth pair, TAP, TUN, and links that somebody else owns.

All share the kind ``link``, because other items stand on a link by its name, whatever it is.
*Ours* is a link whose alias starts with ``netnsmgr:`` (``ip -d link`` shows it), and one that we made and were cut off
before we could mark it: in an instance's namespace any of the wanted name, in the device's root namespace a veth whose
other end is where ours would be.  Another link of a wanted name there is somebody else's: it stays, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import External, KernelItem, LinkInfo, System

ALIAS = "netnsmgr:"
HERE = "/proc/self/ns/net"
"""The namespace of who asks, as the far end's."""


def link_ref(name: str) -> Ref:
    """Return the ref by which items stand on the link called ``name``."""
    return Ref("link", name)


def netns_ref(name: str) -> Ref:
    """Return the ref by which items stand on a namespace of somebody else."""
    return Ref("netns", name)


@dataclass(frozen=True)
class ExternalLink(External):
    """A link that another process makes or the machine has: a port, the inner half of an instance's link."""

    kind: ClassVar[str] = "link"
    name: str

    def key(self) -> str:
        return self.name

    async def holds(self, system: System) -> bool:
        return self.name in await system.rtnl.links()


@dataclass(frozen=True)
class ExternalNetns(External):
    """A namespace of an application or an instance; ``path`` is its file (``/run/netns/x``, ``/proc/1/ns/net``).

    ``mark`` is the file in which an instance's agent has noted the inode of the one that is its own.
    """

    kind: ClassVar[str] = "netns"
    name: str
    path: str
    mark: str = ""

    def key(self) -> str:
        return self.name

    async def holds(self, system: System) -> bool:
        return system.has_netns(self.path, self.mark)


@dataclass(frozen=True)
class Link(KernelItem):
    """What all made links have in common; MTU in bytes, MAC in lower case."""

    kind: ClassVar[str] = "link"
    name: str
    mtu: int
    mac: str = ""
    master: str = ""
    alias: str = ""
    up: bool = True
    joins: bool = False
    """Whether somebody else makes it the port of a bridge and brings it up: then both are not this item's affair."""
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be there before the first packet passes, but may be loaded anew without taking the link down."""
    first: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be known before the link can be made."""

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return self.first | ({link_ref(self.master)} if self.master else frozenset())

    def follows(self) -> frozenset[Ref]:
        return self.after

    @property
    def full_alias(self) -> str:
        """The alias as stored in the kernel."""
        return ALIAS + self.alias

    def recognises(self, info: LinkInfo, system: System) -> bool:
        """Say whether a link of this name is this one, where its alias does not; kinds below are told in ``_observed``."""
        return False

    def alias_of(self, info: LinkInfo, system: System) -> str:
        """Return what the link's alias says to us."""
        return info.alias

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found: list[Item] = []
        for info in (await system.rtnl.links()).values():
            want = wanted.get(info.name)
            if isinstance(want, ExternalLink):
                continue
            # In our own namespace everything is ours; "sit0", "tunl0" and their like are made by the
            # kernel in every new namespace (net.core.fb_tunnels_only_for_init_net) and are nobody's.
            ours = info.alias.startswith(ALIAS)
            half_made = isinstance(want, Link) and (
                system.owns_namespace
                or want.recognises(info, system)
                or (isinstance(want, Veth) and await _leads_to(info, want.far_path, system))
            )
            if ours or half_made:
                found.append(await _observed(info, want, system))
        return found

    async def modify(self, old: Item, system: System) -> None:
        assert isinstance(old, Link)
        await system.rtnl.set_link(
            self.name,
            up=True if not old.up else None,
            mtu=self.mtu if self.mtu != old.mtu else None,
            mac=self.mac if self.mac and self.mac != old.mac else None,
            master=self.master if self.master != old.master else None,
            alias=self.full_alias if self.alias != old.alias else None,
        )

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_link(self.name)


@dataclass(frozen=True)
class Foreign(Link):
    """What stands where one of our links should be, or one of ours that nothing describes any more."""

    def must_replace(self, old: Item) -> bool:
        return True


@dataclass(frozen=True)
class Bridge(Link):
    """A bridge without spanning tree (an instance has at most one way out of it)."""

    of_switch: ClassVar[bool] = False

    async def seen(self, alias: str, system: System) -> Item:
        """Return this bridge as it is found, if there is more to know of it than of every link."""
        return self

    async def create(self, system: System) -> None:
        await system.rtnl.add_bridge(self)

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, Bridge)


@dataclass(frozen=True)
class Veth(Link):
    """A veth pair whose far end is born in another namespace.

    The kernel makes both ends in one request (``IFLA_NET_NS_FD`` in the peer's part), so that this
    process never enters the far namespace.  The far end is born *down*: veth_open() refuses to bring up
    the end whose peer is not linked yet, and what happens in the far namespace is its owner's affair.
    With ``far_path`` HERE both ends are ours; the far one is set up and goes with this one.
    """

    far_netns: str = ""
    far_path: str = ""
    far_name: str = ""
    far_mac: str = ""
    arp: bool = field(default=True, compare=False)
    """Whether neighbours are asked for their MAC addresses here; false: all frames go to our own (``ip link … arp off``)."""

    def deps(self) -> frozenset[Ref]:
        return super().deps() | {netns_ref(self.far_netns)}

    def must_replace(self, old: Item) -> bool:
        # The far end cannot be renamed, moved or given a MAC from here.
        return not isinstance(old, Veth) or (
            (self.far_netns, self.far_path, self.far_name, self.far_mac)
            != (old.far_netns, old.far_path, old.far_name, old.far_mac)
        )

    async def create(self, system: System) -> None:
        await system.rtnl.add_veth(self)

    @property
    def full_alias(self) -> str:
        """The alias with the far end's identity, which a restarted agent cannot read from the kernel."""
        return f"{ALIAS}{self.alias}|{self.far_name}|{self.far_mac}"


@dataclass(frozen=True)
class Tap(Link):
    """A persistent TAP for a virtual machine, which opens it by name in this namespace."""

    async def create(self, system: System) -> None:
        await system.rtnl.add_tap(self)

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, Tap)


@dataclass(frozen=True)
class Tun(Link):
    """A persistent TUN for a helper of ours, which opens it by name in this namespace; the link and its routes stay
    when the helper ends.
    """

    async def create(self, system: System) -> None:
        await system.rtnl.add_tun(self)

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, Tun)


async def _leads_to(info: LinkInfo, path: str, system: System) -> bool:
    """Say whether the other end of a veth is in the namespace at ``path``."""
    if path == HERE:
        return info.peer_netns is None
    return info.peer_netns is not None and info.peer_netns == await system.rtnl.netns_id(path)


async def _observed(info: LinkInfo, want: Item | None, system: System) -> Item:
    """Describe a link in the terms of what is wanted of it, so that only real differences show."""
    foreign = Foreign(info.name, info.mtu, info.mac, info.master, info.alias, info.up)
    if not isinstance(want, Link):
        return foreign
    alias, _, far = want.alias_of(info, system).removeprefix(ALIAS).partition("|")
    mac = info.mac if want.mac else ""
    master, up = (want.master, want.up) if want.joins else (info.master, info.up)
    seen = replace(want, mtu=info.mtu, mac=mac, master=master, alias=alias, up=up)
    if isinstance(want, Bridge) and info.kind == "bridge" and isinstance(seen, Bridge):
        # A local instance's alias ends with its name, a switch's goes on: the one is never made of the other.
        other = info.alias.startswith(ALIAS) and bool(far) != want.of_switch
        return foreign if other else await seen.seen(info.alias, system)
    # Both are of kind "tun"; only a TAP has a MAC.
    if isinstance(want, Tap if info.mac else Tun) and info.kind == "tun":
        return seen
    if isinstance(want, Veth) and info.kind == "veth" and isinstance(seen, Veth):
        far_name, _, far_mac = far.partition("|")
        here = await _leads_to(info, want.far_path, system)
        return replace(
            seen, far_name=far_name, far_mac=far_mac, far_path=want.far_path if here else "(elsewhere)"
        )
    return seen if want.recognises(info, system) else foreign


@dataclass(frozen=True)
class LinkUp(KernelItem):
    """That a link of somebody else is up and has our MTU; left as it is when no longer wanted.

    Needs no mark of ownership: it is only ever observed for the links that are wanted.
    """

    kind: ClassVar[str] = "link-up"
    name: str
    mtu: int | None = None
    needs: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be so before a packet passes."""

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return self.needs | {link_ref(self.name)}

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        links = await system.rtnl.links()
        return [
            LinkUp(name, info.mtu if isinstance(want, LinkUp) and want.mtu is not None else None)
            for name, want in wanted.items()
            if (info := links.get(name)) is not None and info.up
        ]

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        await system.rtnl.set_link(self.name, up=True, mtu=self.mtu)

    async def modify(self, old: Item, system: System) -> None:
        await system.rtnl.set_link(self.name, up=True, mtu=self.mtu)

    async def delete(self, system: System) -> None:
        return None
