"""What an item may ask of the machine: the door to the kernel, as the items see it.

``netnsmgr.kernel`` opens it for real.  A process has one ``System`` for the one network namespace it
lives in.  Every listing is one dump of the kernel, taken at most once between two ``refresh`` calls.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from netnsmgr.core.item import Item

if TYPE_CHECKING:
    from netnsmgr.items.address import Address
    from netnsmgr.items.bridges import Bridges
    from netnsmgr.items.flows import Conntrack
    from netnsmgr.items.lease import Lease
    from netnsmgr.items.led_flows import LedConntrack
    from netnsmgr.items.link import Bridge, Tap, Tun, Veth
    from netnsmgr.items.ndp_proxy import NdpProxy
    from netnsmgr.items.nft import NftTable
    from netnsmgr.items.nft_part import NftPart
    from netnsmgr.items.nft_set import NftSet
    from netnsmgr.items.process import Rights
    from netnsmgr.items.route import Route
    from netnsmgr.items.rule import Rule
    from netnsmgr.items.vlan import VlanLink
    from netnsmgr.items.wireguard import Wireguards
    from netnsmgr.items.xfrm import XfrmLink

OWNER_PROTOCOL = 110
"""Marks routes, rules and addresses as ours (``ip route … proto 110``).

``/etc/iproute2/rt_protos`` of iproute2 leaves 110 free; the kernel keeps the number and does nothing with it.
"""


class LinkInfo(NamedTuple):
    """A link as the kernel reports it."""

    name: str
    ifindex: int
    kind: str
    up: bool
    carrier: bool
    mtu: int
    mac: str
    master: str
    alias: str
    peer_netns: int | None
    """The kernel's id (nsid) of the namespace that holds the other end of a veth pair."""
    hardware: int = 1
    """``ARPHRD_…`` of linux/if_arp.h; 1 is Ethernet."""
    lower: str = ""
    """The link of this namespace on which it stands (a VLAN's, a macvlan's)."""
    vid: int = 0
    """Of a VLAN."""
    running: bool = False
    """Whether frames pass: up, and its carrier has been noticed."""
    permanent: str = ""
    """The MAC that the hardware was made with (``IFLA_PERM_ADDRESS``, since Linux 5.6); made links have none, mostly."""


class FarLink(NamedTuple):
    """A link in another namespace: what it is, and what its alias says."""

    kind: str
    alias: str


class TableInfo(NamedTuple):
    """A table of nftables: the fingerprint its maker left and whether it still is what was loaded."""

    family: str
    name: str
    fingerprint: str
    intact: bool
    carries: bool


class SetInfo(NamedTuple):
    """A named set or map of nftables that an ``NftSet`` made, with the fingerprint of its specification."""

    family: str
    table: str
    name: str
    fingerprint: str


class PartInfo(NamedTuple):
    """A part of a table: its fingerprint, whether it is what was loaded, and what it is tied to.

    ``links`` are the elements (map, key, verdict) that lead into it, ``sets`` the named sets that its rules ask.
    """

    family: str
    table: str
    name: str
    fingerprint: str
    intact: bool
    links: frozenset[tuple[str, str, str]]
    sets: frozenset[str]


class ProcessInfo(NamedTuple):
    """A running helper, recognised by its argument vector."""

    name: str
    pid: int
    argv: tuple[str, ...]


class Rtnl(Protocol):
    """Links, addresses, routes and rules of this namespace (rtnetlink(7))."""

    ipv6: bool
    """Whether IPv6 is listed, too."""

    async def links(self) -> Mapping[str, LinkInfo]: ...
    async def add_bridge(self, bridge: Bridge) -> None: ...
    async def add_veth(self, veth: Veth) -> None: ...
    async def add_tap(self, tap: Tap) -> None: ...
    async def add_tun(self, tun: Tun) -> None: ...
    async def add_vlan(self, vlan: VlanLink) -> None: ...
    async def add_xfrm(self, link: XfrmLink) -> None: ...
    async def set_link(
        self,
        name: str,
        *,
        up: bool | None = None,
        mtu: int | None = None,
        mac: str | None = None,
        master: str | None = None,
        alias: str | None = None,
    ) -> None: ...
    async def forward(self, name: str) -> None: ...
    async def delete_link(self, name: str) -> None: ...
    async def netns_id(self, path: str) -> int | None: ...
    async def link_in(self, path: str, name: str) -> LinkInfo | None: ...
    async def move_link(self, name: str, path: str, new: str = "", alias: str = "") -> None: ...
    async def far_links(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], FarLink]: ...
    async def delete_in(self, path: str, name: str) -> None: ...
    async def has_link(self, name: str) -> bool: ...
    async def add_wireguard(self, name: str) -> None: ...
    async def give_back(self, name: str) -> None: ...
    async def rename_link(self, name: str, new: str) -> None: ...
    async def addresses(self) -> Sequence[tuple[Address, bool]]: ...
    async def add_address(self, address: Address) -> None: ...
    async def delete_address(self, address: Address) -> None: ...
    async def routes(self) -> Sequence[Route]: ...
    async def replace_route(self, route: Route) -> None: ...
    async def delete_route(self, route: Route) -> None: ...
    async def proxies(self) -> Sequence[tuple[NdpProxy, bool]]: ...
    async def add_proxy(self, proxy: NdpProxy) -> None: ...
    async def delete_proxy(self, proxy: NdpProxy) -> None: ...
    async def rules(self) -> Sequence[tuple[Rule, bool]]: ...
    async def add_rule(self, rule: Rule) -> None: ...
    async def delete_rule(self, rule: Rule, *, ours: bool = True) -> None: ...


class Nft(Protocol):
    """nftables of this namespace, one transaction a call."""

    async def tables(self) -> Sequence[TableInfo]: ...
    async def load_table(self, table: NftTable) -> None: ...
    async def delete_table(self, family: str, name: str) -> None: ...
    async def sets(self) -> Sequence[SetInfo]: ...
    async def elements(self, family: str, table: str, name: str) -> frozenset[str]: ...
    async def load_set(self, item: NftSet) -> None: ...
    async def delete_set(self, family: str, table: str, name: str) -> None: ...
    async def parts(self) -> Sequence[PartInfo]: ...
    async def load_part(self, part: NftPart) -> None: ...
    async def delete_part(self, family: str, table: str, name: str) -> None: ...


class Files(Protocol):
    """Small text files: the configuration of our helpers below ``etc``, and ``/proc/sys``."""

    etc: str

    def files(self) -> Iterable[str]: ...
    def directories(self) -> Iterable[str]: ...
    def read(self, path: str) -> str | None: ...
    def write(self, path: str, text: str, mode: int) -> None: ...
    def remove(self, path: str) -> None: ...
    def make_directory(self, path: str) -> None: ...
    def remove_directory(self, path: str) -> None: ...
    def poke(self, path: str, text: str) -> None: ...


class Processes(Protocol):
    """Helper programs that run in this namespace and survive us."""

    def running(self) -> Sequence[ProcessInfo]: ...
    def require(self, program: str) -> None: ...
    async def start(
        self,
        name: str,
        argv: Sequence[str],
        rights: Rights,
        *,
        stays: bool = False,
        executable: str = "",
        env: Sequence[tuple[str, str]] = (),
    ) -> None: ...
    async def stop(self, name: str, *, linger: float = 0.0) -> None: ...
    def signal(self, name: str, signum: int) -> None: ...
    async def run(self, argv: Sequence[str], rights: Rights) -> None: ...


class WireguardGo(Protocol):
    """Processes that are WireGuard interfaces, by the names under which these were born."""

    def left(self, prefix: str, live: Collection[str]) -> Sequence[str]: ...
    async def ready(self, name: str) -> None: ...
    def remove(self, name: str) -> None: ...


class System(Protocol):
    """Everything of one namespace that an item's verbs may touch."""

    @property
    def rtnl(self) -> Rtnl: ...
    @property
    def bridges(self) -> Bridges: ...
    @property
    def nft(self) -> Nft: ...
    @property
    def conntrack(self) -> Conntrack: ...
    @property
    def led_flows(self) -> LedConntrack: ...
    @property
    def files(self) -> Files: ...
    @property
    def processes(self) -> Processes: ...
    @property
    def wireguard_go(self) -> WireguardGo: ...
    @property
    def wireguards(self) -> Wireguards: ...

    @property
    def owns_namespace(self) -> bool:
        """True in an instance's namespace, where every link and address is ours; false in the device's root one."""
        ...

    @property
    def port_key(self) -> bytes:
        """The secret by which records of ports are known as ours (``items/port_record.py``)."""
        ...

    def has_netns(self, path: str, mark: str = "") -> bool:
        """Say whether a network namespace is at ``path``; with ``mark`` the one whose inode is in that file."""
        ...

    def leases(self) -> Sequence[Lease]:
        """Return what dnsmasq has leased in this namespace."""
        ...


class External(Item):
    """A fact owned by somebody else, which other items stand on."""

    external: ClassVar[bool] = True

    async def holds(self, system: System) -> bool:
        """Say whether it is there now."""
        raise NotImplementedError


class KernelItem(Item):
    """An item with verbs.  All four can be repeated and cut off at any moment without harm."""

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        """Return what exists: the wanted ones, by key, and others recognised as our own.

        How a restarted agent recognises the kind as its own is said in the class's documentation.
        """
        raise NotImplementedError

    async def create(self, system: System) -> None:
        """Make it; fine if it exists as intended."""
        raise NotImplementedError

    async def modify(self, old: Item, system: System) -> None:
        """Change ``old`` into this without taking it down."""
        raise NotImplementedError

    async def delete(self, system: System) -> None:
        """Remove it; fine if it is gone."""
        raise NotImplementedError
