"""The kind NetworkInstance: a network of its own, with the services that its apps get."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator

from netnsmgr.config.addresses import AddressRange
from netnsmgr.config.common import (
    Address,
    DnsServer,
    Document,
    HostName,
    LeaseTime,
    LinkLocalGroup,
    Model,
    Mtu,
    Nat64Prefix,
    OuterPrefix,
    Range,
    Range6,
    Route6,
    SimpleName,
    Subnet,
)
from netnsmgr.config.limits import Limits
from netnsmgr.config.values import seconds
from netnsmgr.config.vlan import Vlan
from netnsmgr.config.vpn import Vpn
from netnsmgr.core.ip import IPAddress, IPNetwork

DEFAULT_DOMAIN = "internal"
"""The domain of an instance that names none: reserved by ICANN for private networks, so it collides with nobody."""
NAT64_PREFIX = IPv6Network("fd6e:6d64::/96")
"""Where IPv4 addresses appear to an IPv6-only instance that names no prefix.  A ULA, because the well-known
64:ff9b::/96 may not stand for private addresses (RFC 6052, 3.1)."""
SLAAC_LENGTH = 64
"""Of a prefix whose hosts make their own addresses: interface identifiers have 64 bits (RFC 4291, 2.5.1)."""

RANGE6 = 0x1000
"""Where the addresses begin that DHCPv6 gives by itself, and how many they are: dnsmasq looks through them one by one."""

Addressing = Literal["slaac", "stateless", "stateful"]
Uplink6 = Literal["nat66", "npt", "routed", "ndpProxy", "delegated"]


class Dhcp(Model):
    """The DHCP server of an instance."""

    range: Range | None = Field(default=None, examples=["10.10.1.50-10.10.1.150"])
    """Addresses given to apps, `first-last`, both included, within the subnet.
    Default: the whole subnet but the gateway. Static addresses must lie outside a range given here."""

    range6: Range6 | None = Field(default=None, examples=["fd00:10:1::100-fd00:10:1::1ff"])
    """IPv6 addresses given to apps where `ipv6.addressing` is `stateful`; as `range`.
    Default: 4096 addresses of the subnet, from its 4096th on."""

    lease_time: LeaseTime = Field(default="1h", examples=["12h"])
    """How long a lease lasts: a whole number and s, m, h or d; from 2m to 365d."""

    ntp: tuple[Address, ...] = Field(default=(), examples=[["10.10.1.5"]])
    """NTP servers handed to apps. Default: those of the instance's ports."""

    domain: HostName | None = Field(default=None, examples=["plant.example"])
    """Domain name handed to apps; their own names are found below it too. Default: `internal`."""


class Dns(Model):
    """The DNS server of an instance."""

    hosts: dict[HostName, Annotated[tuple[Address, ...], Field(min_length=1)]] = Field(
        default={}, examples=[{"printer": ["10.10.1.9"]}]
    )
    """Static entries: host name to its addresses. The instance's apps have theirs without being listed."""

    servers: tuple[DnsServer, ...] = Field(default=(), examples=[["9.9.9.9"]])
    """DNS servers to ask for all other names, instead of those of the instance's ports."""


class Ipv6(Model):
    """How IPv6 works in an instance."""

    addressing: Addressing | None = Field(default=None, examples=["stateful"])
    """How apps get their addresses. `slaac`: they make them from the advertised prefix. `stateless`: so, and DHCPv6
    tells the rest. `stateful`: DHCPv6 gives them. Default: `stateless` where there is `dhcp`, else `slaac`."""

    uplink: Uplink6 = "nat66"
    """How apps reach the outside. `nat66`: behind an address of the device, as with IPv4. `npt`: prefix to prefix, each
    app with an address of its own outside. `routed`: with their own addresses; the site routes the subnet to the device.
    `ndpProxy`: so, and the device answers for them on its port. `delegated`: with a prefix that the port gets by DHCPv6
    prefix delegation, which is then the subnet."""

    prefix: OuterPrefix | None = Field(default=None, examples=["2001:db8:5::/64"])
    """With `npt`: the prefix outside, as long as the subnet. Default: one delegated to the port."""

    routes: tuple[Route6, ...] = Field(default=(), examples=[["fd00:20::/48"]])
    """Further prefixes that apps are told to reach by way of the instance (RFC 4191)."""


class Nat64(Model):
    """How apps that have only IPv6 reach IPv4."""

    prefix: Nat64Prefix | None = Field(default=None, examples=["fd00:64::/96"])
    """The prefix, a /96, whose addresses stand for those of IPv4. Default: `fd6e:6d64::/96`."""


class Stp(Model):
    """The spanning tree of a switch with several ports."""

    bpdu_guard: tuple[SimpleName, ...] = Field(default=(), examples=[["eth4"], ["sensors"]])
    """Ports, by name or label, behind which there are only end devices: one that sends a BPDU is shut.
    Apps' interfaces always are such."""

    priority: Annotated[StrictInt, Field(ge=0, le=61440, multiple_of=4096)] = 61440
    """Priority of the bridge; the lowest in the network becomes the root. Default: the last, so that it is not us."""

    forward_delay: Annotated[StrictInt, Field(ge=4, le=30)] = 15
    """Seconds that a link listens, and again that it learns, before it forwards. Counts while this bridge is the root."""


class NetworkInstanceSpec(Model):
    """The network as it is to be."""

    type: Literal["local", "switch"] = "local"
    """`local`: a subnet of its own behind address translation. `switch`: layer 2, the segment of its ports extended to
    the apps; without ports a segment of the apps alone."""

    ports: tuple[SimpleName, ...] = Field(default=(), examples=[["eth0"], ["uplink"]])
    """Ports to the outside, by name or by label. Default: none, which makes the network air-gapped:
    DHCP and DNS work, and nothing leaves. A port of a switch is nobody else's, unless the Device says that it is `shared`."""

    subnets: Annotated[tuple[Subnet, ...], Field(max_length=2)] = Field(
        default=(), examples=[["10.10.1.0/24"], ["10.10.1.0/24", "fd00:10:1::/64"]]
    )
    """The instance's subnet: one of IPv4 (/8 to /30), one of IPv6 (/48 to /126), or one of each.
    They may equal those of another instance or of a port. Only with `ipv6: {uplink: delegated}` there may be none."""

    gateways: Annotated[tuple[Address, ...], Field(max_length=2)] = Field(
        default=(), examples=[["10.10.1.1"]]
    )
    """Address of the instance itself in each subnet, which apps use as gateway and DNS server.
    Default: the first address of the subnet."""

    ipv6: Ipv6 = Field(default=Ipv6(), examples=[{"addressing": "stateful"}])
    """How IPv6 works in the instance, where it has a subnet of it."""

    nat64: Nat64 | None = Field(default=None, examples=[{}])
    """IPv4 for apps that have only IPv6, by translation (NAT64, DNS64); `nat64: {}` is enough. Default: none."""

    dhcp: Dhcp | None = Field(default=None, examples=[{"range": "10.10.1.50-10.10.1.150"}])
    """DHCP server for the apps; `dhcp: {}` serves the whole subnet. Default: no DHCP server."""

    dns: Dns = Field(default=Dns())
    """DNS server for the apps. It always knows the names of the instance's apps. A switch has none: `servers` are then
    those of the segment that `host` rules believe, and `hosts` addresses that they know."""

    mtu: Mtu | None = Field(default=None, examples=[1400])
    """Largest packet within the instance in bytes, 1280 to 9216; handed to apps by DHCP.
    Default: the smallest of the ports, or 1500."""

    tcp_mss_clamp: StrictBool = True
    """Lower the segment size of TCP connections to what the path carries, so that
    connections do not hang where a router drops large packets silently."""

    vlans: dict[SimpleName, Vlan] = Field(default={}, examples=[{"eth3": {"access": 100}}])
    """Of a switch: the VLANs that its ports carry, by port name or label. Default: see `vlans.<port>.trunk`."""

    stp: Stp = Field(default=Stp(), examples=[{"bpduGuard": ["eth4"]}])
    """Of a switch with several ports, which runs the spanning tree protocol (IEEE 802.1D)."""

    forward: tuple[LinkLocalGroup, ...] = Field(default=(), examples=[["lldp"]])
    """Of a switch: protocols of the link that pass between apps and ports, though a bridge keeps them by itself.
    `lldp`, `eapol`, or the last digit of the group address 01:80:c2:00:00:0X, 3 to 15."""

    vpn: Vpn | None = Field(default=None, examples=[{"wireguard": {"tunnels": [{"name": "wg0"}]}}])
    """Tunnels by which apps leave, of WireGuard or IPsec. Default: none."""

    limits: Limits = Field(default=Limits(), examples=[{"flows": 50000}])
    """How much each app's interface may do, so that one that floods harms nobody but itself."""

    flow_log: StrictBool = False
    """Report the applications' flows, their DNS queries and what the access lists dropped."""

    @field_validator("subnets", mode="before")
    @classmethod
    def _has_value(cls, value: object) -> object:
        # Not "or leave the line out", as of other fields: few instances may.
        if value is None:
            raise ValueError("has no value; give one, for example [10.10.1.0/24]")
        return value


class NetworkInstance(Document):
    """A network stack of its own for some apps: subnet, DHCP, DNS, and the ports to the outside; or a switch, which extends
    the segment of its ports to them.
    """

    kind: Literal["NetworkInstance"] = "NetworkInstance"
    """`NetworkInstance`."""

    spec: NetworkInstanceSpec
    """Its subnet, its ports to the outside, and the services that its apps get."""

    @property
    def is_switch(self) -> bool:
        """Whether the instance is of layer 2: without subnet, gateway, and link to the device's root namespace."""
        return self.spec.type == "switch"

    @property
    def subnet4(self) -> IPv4Network | None:
        """The instance's subnet of IPv4."""
        return next((subnet for subnet in self.spec.subnets if isinstance(subnet, IPv4Network)), None)

    @property
    def subnet6(self) -> IPv6Network | None:
        """The instance's subnet of IPv6, where it is written; a delegated one is not."""
        return next((subnet for subnet in self.spec.subnets if isinstance(subnet, IPv6Network)), None)

    @property
    def delegated(self) -> bool:
        """Whether the IPv6 subnet is what the port's network delegates."""
        return self.spec.ipv6.uplink == "delegated"

    @property
    def wants_prefix(self) -> bool:
        """Whether the instance needs a prefix that a port's network delegates: as its subnet, or for NPT."""
        npt = self.spec.ipv6.uplink == "npt" and self.spec.ipv6.prefix is None and self.subnet6 is not None
        return (self.delegated or npt) and not self.air_gapped

    @property
    def has_ipv6(self) -> bool:
        """Whether the instance has a subnet of IPv6, or will have once it is delegated."""
        return self.delegated or self.subnet6 is not None

    def gateway_in(self, subnet: IPNetwork) -> IPAddress:
        """Return the instance's own address in one of its subnets: as written, or the subnet's first."""
        return next((each for each in self.spec.gateways if each.version == subnet.version), subnet[1])

    @property
    def addressing(self) -> Addressing | None:
        """How apps get their IPv6 addresses; None without IPv6."""
        if not self.has_ipv6:
            return None
        return self.spec.ipv6.addressing or ("stateless" if self.spec.dhcp is not None else "slaac")

    @property
    def nat64_prefix(self) -> IPv6Network | None:
        """The prefix whose addresses stand for those of IPv4; None without NAT64."""
        if self.spec.nat64 is None:
            return None
        return self.spec.nat64.prefix or NAT64_PREFIX

    @property
    def air_gapped(self) -> bool:
        """Whether the instance has no way to the outside."""
        return not self.spec.ports

    def dhcp_range(self, subnet: IPNetwork) -> AddressRange:
        """Return first and last address to lease in a subnet: as written, or what is left of it beside the gateway."""
        dhcp = self.spec.dhcp
        written = None if dhcp is None else dhcp.range if subnet.version == 4 else dhcp.range6
        if written is not None:
            return written
        gateway = self.gateway_in(subnet)
        if subnet.version == 6 and subnet.prefixlen <= 114:
            begin = 2 * RANGE6 if RANGE6 <= int(gateway) - int(subnet[0]) < 2 * RANGE6 else RANGE6
            return AddressRange(subnet[begin], subnet[begin + RANGE6 - 1])
        below = AddressRange(subnet[1], gateway - 1)
        above = AddressRange(gateway + 1, subnet[-2])
        return max(above, below, key=lambda run: int(run.last) - int(run.first))

    @property
    def lease_seconds(self) -> int:
        """How long a lease lasts, in seconds."""
        return seconds(self.spec.dhcp.lease_time if self.spec.dhcp is not None else "1h")

    @property
    def domain(self) -> str:
        """The domain below which the apps' names are found."""
        return (self.spec.dhcp.domain if self.spec.dhcp is not None else None) or DEFAULT_DOMAIN
