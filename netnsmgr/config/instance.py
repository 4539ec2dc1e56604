"""The kind NetworkInstance: a network of its own, with the services that its apps get."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import Field, StrictBool

from netnsmgr.config.common import (
    Address,
    Document,
    HostName,
    LeaseTime,
    Model,
    Mtu,
    Range,
    SimpleName,
    Subnet,
)
from netnsmgr.config.values import AddressRange, seconds

DEFAULT_DOMAIN = "internal"
"""The domain of an instance that names none: reserved by ICANN for private networks, so it collides with nobody."""


class Dhcp(Model):
    """The DHCP server of an instance."""

    range: Range | None = Field(default=None, examples=["10.10.1.50-10.10.1.150"])
    """Addresses given to apps, `first-last`, both included, within the subnet.
    Default: the whole subnet but the gateway. Static addresses must lie outside a range given here."""

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

    servers: tuple[Address, ...] = Field(default=(), examples=[["9.9.9.9"]])
    """DNS servers to ask for all other names, instead of those of the instance's ports."""


class NetworkInstanceSpec(Model):
    """The network as it is to be."""

    type: Literal["local"] = "local"
    """`local`: a subnet of its own behind address translation."""

    ports: tuple[SimpleName, ...] = Field(default=(), examples=[["eth0"], ["uplink"]])
    """Ports to the outside, by name or by label. Default: none, which makes the network air-gapped:
    DHCP and DNS work, and nothing leaves."""

    subnets: Annotated[tuple[Subnet, ...], Field(min_length=1, max_length=1)] = Field(
        examples=[["10.10.1.0/24"]]
    )
    """The instance's IPv4 subnet, exactly one in this version, /8 to /30.
    It may equal the subnet of another instance or of a port."""

    gateways: Annotated[tuple[Address, ...], Field(max_length=1)] = Field(
        default=(), examples=[["10.10.1.1"]]
    )
    """Address of the instance itself in its subnet, which apps use as gateway and DNS server.
    Default: the first address of the subnet."""

    dhcp: Dhcp | None = Field(default=None, examples=[{"range": "10.10.1.50-10.10.1.150"}])
    """DHCP server for the apps; `dhcp: {}` serves the whole subnet. Default: no DHCP server."""

    dns: Dns = Field(default=Dns())
    """DNS server for the apps. It always knows the names of the instance's apps."""

    mtu: Mtu | None = Field(default=None, examples=[1400])
    """Largest packet within the instance in bytes, 1280 to 9216; handed to apps by DHCP.
    Default: the smallest of the ports, or 1500."""

    tcp_mss_clamp: StrictBool = True
    """Lower the segment size of TCP connections to what the path carries, so that
    connections do not hang where a router drops large packets silently."""

    flow_log: StrictBool = False
    """Report the applications' flows, their DNS queries and what the access lists dropped."""


class NetworkInstance(Document):
    """A network stack of its own for some apps: subnet, DHCP, DNS, and the ports to the outside."""

    kind: Literal["NetworkInstance"] = "NetworkInstance"
    """`NetworkInstance`."""

    spec: NetworkInstanceSpec
    """Its subnet, its ports to the outside, and the services that its apps get."""

    @property
    def subnet(self) -> IPv4Network:
        """The instance's subnet."""
        return self.spec.subnets[0]

    @property
    def prefixlen(self) -> int:
        """Prefix length of the subnet."""
        return self.subnet.prefixlen

    @property
    def gateway(self) -> IPv4Address:
        """The instance's own address in its subnet."""
        return self.spec.gateways[0] if self.spec.gateways else self.subnet[1]

    @property
    def air_gapped(self) -> bool:
        """Whether the instance has no way to the outside."""
        return not self.spec.ports

    @property
    def dhcp_range(self) -> AddressRange:
        """First and last address to lease: as written, or the longer run of the subnet beside the gateway."""
        if self.spec.dhcp is not None and self.spec.dhcp.range is not None:
            return self.spec.dhcp.range
        below = AddressRange(self.subnet[1], self.gateway - 1)
        above = AddressRange(self.gateway + 1, self.subnet[-2])
        return max(above, below, key=lambda run: int(run.last) - int(run.first))

    @property
    def lease_seconds(self) -> int:
        """How long a lease lasts, in seconds."""
        return seconds(self.spec.dhcp.lease_time if self.spec.dhcp is not None else "1h")

    @property
    def domain(self) -> str:
        """The domain below which the apps' names are found."""
        return (self.spec.dhcp.domain if self.spec.dhcp is not None else None) or DEFAULT_DOMAIN
