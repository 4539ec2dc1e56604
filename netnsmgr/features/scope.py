"""What the features are told: the configuration of one agent and the facts around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import (
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
)

from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.device import Device, Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.ip import IPAddress, IPInterface, IPNetwork, Version
from netnsmgr.core.item import Item
from netnsmgr.core.linkname import short_name
from netnsmgr.features.acl.numbers import Numbers
from netnsmgr.features.link_facts import DEFAULT_MTU, LinkFacts
from netnsmgr.features.nets import Delegated, Learned, Linked, LinkEnds, Net, nets_of
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.items.lease import Lease
from netnsmgr.items.system import ProcessInfo

LINK_PREFIX = "nm-"

GONE = "gone"
"""State of a switch's link row: the uplink agent puts no more ports into its namespace."""

Intent = dict[str, list[Item]]
"""Items by group: the empty name for the agent's own, else an application's interface or an instance."""


@dataclass(frozen=True)
class PortFacts:
    """A port of the device as it is now."""

    name: str
    interface: str
    present: bool = False
    up: bool = False
    carrier: bool = False
    mtu: int = DEFAULT_MTU
    addresses: tuple[IPInterface, ...] = ()
    """Of both versions; link-local ones of IPv6 are not among them."""
    gateways: tuple[IPAddress, ...] = ()
    dns: tuple[IPAddress, ...] = ()
    ntp: tuple[IPAddress, ...] = ()
    onlink: tuple[IPv6Network, ...] | None = None
    """The IPv6 networks on its link, as its routers say; None where its addresses tell."""
    accept_ra: int = 0
    """Whether the kernel listens to routers: 0 never, 1 while it is none itself, 2 always (``accept_ra``, ip-sysctl)."""
    addr_gen_mode: int = 0
    """How the kernel makes the link-local address; 1: not at all (ip-sysctl)."""
    delegated: tuple[Delegated, ...] | None = None
    """What its network has delegated to it; None while nobody has answered."""
    mac: str = ""
    """Of a shared port."""
    lent: str = ""
    """The switch in whose namespace it is; it is then not present."""
    obstacle: str = ""
    """Why it cannot be in a switch, in words that follow its name."""
    unshared: bool = False
    """It is to be shared and cannot be yet: until then it is used as if nobody had written so."""
    remark: str = ""
    """What is wrong with it and keeps nothing from working, in words that follow its name."""
    foreign6: bool = False
    """Obstacle or remark is an IPv6 address of somebody else."""

    @property
    def usable(self) -> bool:
        """True when packets can leave by it."""
        return self.present and bool(self.addresses)

    def addresses_of(self, version: Version) -> tuple[IPInterface, ...]:
        """Return the addresses of one version."""
        return tuple(each for each in self.addresses if each.version == version)

    def gateways_of(self, version: Version) -> tuple[IPAddress, ...]:
        """Return the routers of one version, the preferred one first."""
        return tuple(each for each in self.gateways if each.version == version)


@dataclass(frozen=True)
class PortMap:
    """A port of the device that leads into an instance.

    ``adapter`` names or labels the device's ports (none: all), ``senders`` are the only ones it is for (none: all).
    """

    protocol: str
    port: int
    adapter: str | None = None
    senders: tuple[IPNetwork, ...] | None = None


def place(etc: str, helper: str) -> str:
    """Return the directory of what a helper writes itself, beside the ``etc`` of its agent: no other helper gets there."""
    return f"{etc.rsplit('/', 1)[0]}/{helper}"


def senders(prefixes: Iterable[IPNetwork]) -> tuple[IPNetwork, ...] | None:
    """Return who may use a port map whose rule has these prefixes; none given: all."""
    given = tuple(prefixes)
    if not given:
        return None
    # Without overlaps: the kernel refuses an interval that lies in another one.
    return (
        *collapse_addresses(prefix for prefix in given if isinstance(prefix, IPv4Network)),
        *collapse_addresses(prefix for prefix in given if isinstance(prefix, IPv6Network)),
    )


def senders_of(senders: tuple[IPNetwork, ...] | None, version: Version) -> tuple[IPNetwork, ...] | None:
    """Return those of one version; an empty tuple: it is for none of them."""
    return None if senders is None else tuple(each for each in senders if each.version == version)


@dataclass(frozen=True)
class InstanceScope(Linked):
    """One instance: what is wanted of it and where its agent lives."""

    instance: NetworkInstance
    number: int
    links: tuple[LinkEnds, ...]
    """The link to the device's root namespace, IPv4 first: that version is always there, the other where it is wanted."""
    interfaces: tuple[tuple[App, AppInterface], ...]
    hostnames: dict[tuple[str, str], str]
    etc: str
    run_dir: str
    lease_file: str
    netns_inode: int
    python: str = "python3"
    """The interpreter that runs helpers of our own."""
    uplink_index: int = 0
    """Which link the way out is (``ifindex``); 0 while there is none, and where nobody looked."""
    device: str = ""
    """Name of the device."""
    ports: tuple[Port, ...] = ()
    """Of a switch: the device's ports that are links of its namespace, by the names of their interfaces."""
    port_mtus: tuple[int, ...] = ()
    """Theirs, as far as it is known."""
    leases_now: tuple[Lease, ...] = ()
    learned: tuple[Learned, ...] = ()
    """Addresses that the instance has not given: IPv6 ones that applications have made themselves; on a switch all."""
    dns_told: Mapping[int, tuple[IPAddress, ...]] = field(default_factory=dict)
    """On a switch the DNS servers that DHCP has told applications, by their interfaces' ids."""
    pref64: bool = False
    """Whether the installed radvd can tell the prefix of NAT64 (RFC 8781)."""
    helpers_now: tuple[ProcessInfo, ...] = ()
    """Helpers that run: of those that succeed each other ("names")."""
    link: LinkFacts = field(default_factory=LinkFacts)
    vpn: VpnFacts = field(default_factory=VpnFacts)
    secrets: str = ""
    """Directory of the keys that were generated for the instance; they outlive a reboot."""
    numbers: Numbers = field(default_factory=Numbers.none)
    """Numbers of interfaces and rules; none are given out before the lists are known."""

    @cached_property
    def nets(self) -> tuple[Net, ...]:
        """The versions of IP that applications have now, IPv4 first."""
        return nets_of(self.instance, self.links, next((each.prefix for each in self.link.delegated), None))

    @property
    def net4(self) -> Net | None:
        """IPv4, if applications have it."""
        return next((net for net in self.nets if net.version == 4), None)

    @property
    def net6(self) -> Net | None:
        """IPv6, if applications have it."""
        return next((net for net in self.nets if net.version == 6), None)

    @property
    def old_prefixes(self) -> tuple[Delegated, ...]:
        """Delegated prefixes that have been replaced, and that applications shall leave."""
        return self.link.delegated[1:] if self.instance.delegated else ()

    @property
    def mtu(self) -> int:
        """MTU of every link of the instance: what the user says, else the smallest of its ports."""
        return self.instance.spec.mtu or min(self.port_mtus, default=self.link.mtu)

    @property
    def dns_servers(self) -> tuple[str, ...]:
        """Servers of the outside to ask for names: the user's, else those of the ports; none where nothing leaves.

        Where names are asked for through tunnels, only those that lie behind one.
        """
        if self.instance.air_gapped:
            return ()
        vpn = self.instance.spec.vpn
        if vpn is not None and vpn.dns == "tunnel":
            told = self.instance.spec.dns.servers or self.vpn.dns
            return tuple(str(each) for each in told if any(each in network for network in vpn.networks))
        return tuple(map(str, self.instance.spec.dns.servers)) or self.link.dns


@dataclass(frozen=True)
class LinkedInstance(Linked):
    """An instance as the uplink agent knows it."""

    instance: NetworkInstance
    number: int
    links: tuple[LinkEnds, ...]
    revision: int = 0
    port_maps: tuple[PortMap, ...] = ()
    delegated: tuple[Delegated, ...] = ()
    addresses6: tuple[IPv6Address, ...] = ()
    """Of its applications, where the device has to answer for them on a port."""

    @property
    def nets(self) -> tuple[Net, ...]:
        """The versions of IP that applications have now, IPv4 first."""
        return nets_of(self.instance, self.links, next((each.prefix for each in self.delegated), None))

    @property
    def link(self) -> str:
        """Name of the outer half of the instance's link."""
        return short_name(LINK_PREFIX, self.instance.name)


@dataclass(frozen=True)
class UplinkScope:
    """The device's root namespace: its ports and the instances to link."""

    device: Device | None
    ports: tuple[tuple[Port, PortFacts], ...]
    instances: tuple[LinkedInstance, ...]
    """Those with a link of layer 3."""
    etc: str
    lease_dir: str
    netns_inode: int
    switched_on: frozenset[Version] = frozenset()
    """The versions of IP that the device forwards because we made it do so."""
    switches: tuple[LinkedInstance, ...] = ()
    """Those of layer 2, which have ports for themselves or share them."""
    awaited: frozenset[str] = frozenset()
    """Names of ports that switches will have which are still being deleted: they stay as they are found."""
    run_dir: str = ""
    wireguard: str = ""
    """What encrypts for WireGuard, see ``VpnFacts``."""

    def mark_of(self, instance: str) -> str:
        """Return the file in which an instance's agent notes which namespace is its own."""
        return f"{self.run_dir}/netns/{instance}"

    @property
    def ipv6(self) -> bool:
        """Whether any instance has IPv6, so that the device has to carry it."""
        return any(linked.instance.has_ipv6 for linked in self.instances)

    def ports_of(self, instance: NetworkInstance) -> list[tuple[Port, PortFacts]]:
        """Return the ports that the instance's names and labels select, cheapest first."""
        wanted = set(instance.spec.ports)
        chosen = [
            (port, facts) for port, facts in self.ports if port.name in wanted or wanted & set(port.labels)
        ]
        return sorted(chosen, key=lambda pair: pair[0].cost)
