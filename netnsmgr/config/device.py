"""The kind Device: the machine's own ports, and the addresses that its instances' links may use."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from netnsmgr.config.common import (
    Address,
    DnsServer,
    Document,
    HostAddress,
    LinkName,
    LinkPool4,
    LinkPool6,
    Model,
    Mtu,
    SimpleName,
)
from netnsmgr.config.vlan import VlanPort
from netnsmgr.core.ip import IPAddress, IPNetwork, Version
from netnsmgr.core.linkname import short_name

DEFAULT_LINK_POOL = IPv4Network("169.254.100.0/22")
DEFAULT_LINK_POOL6 = IPv6Network("fd6e:6d00::/112")
"""A ULA (RFC 4193) that is no random one: it is never seen outside the device."""


class Port(Model):
    """A network interface through which the device reaches the outside."""

    name: SimpleName = Field(examples=["eth0"])
    """Logical name of the port, by which network instances refer to it."""

    interface: LinkName | None = Field(default=None, examples=["enp1s0"])
    """The kernel's name of the interface, at most 15 bytes. Default: the port's `name`."""

    labels: tuple[SimpleName, ...] = Field(default=(), examples=[["uplink"]])
    """Labels by which network instances select this port together with others."""

    addresses: tuple[HostAddress, ...] = Field(default=(), examples=[["192.168.0.2/24"]])
    """Static addresses of the port, IPv4 and IPv6, each with the prefix length of its network.
    Without any of a version, and without `dhcp` (IPv4) or `slaac` and `dhcp6` (IPv6), those are used as found."""

    dhcp: StrictBool = False
    """Get IPv4 address, gateway and DNS servers by DHCP. Not together with IPv4 `addresses`."""

    slaac: StrictBool = False
    """Get IPv6 addresses and routers from router advertisements."""

    dhcp6: StrictBool = False
    """Get an IPv6 address and DNS servers by DHCPv6, and routers from router advertisements."""

    gateways: tuple[Address, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """Routers reached through this port; of each version the first is used. An IPv6 one may be link-local.
    Default: as found or learned."""

    dns: tuple[DnsServer, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """DNS servers reached through this port; instances that use the port ask them.
    Default: as learned by DHCP."""

    ntp: tuple[Address, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """NTP servers reached through this port; instances hand them to their apps by DHCP."""

    cost: Annotated[StrictInt, Field(ge=0, le=255)] = 0
    """How expensive the port is, 0 (free) to 255: of several ports, the cheaper is preferred."""

    mtu: Mtu | None = Field(default=None, examples=[1500])
    """Largest packet of the port in bytes, 1280 to 9216. Default: as found."""

    shared: StrictBool = False
    """The device, or its other instances, use the port beside a switch instance: its addresses move to a bridge.
    Without it a port that a switch uses is moved into that instance's namespace, and is nobody else's."""

    vlan: VlanPort | None = Field(default=None, examples=[{"parent": "eth0", "id": 100}])
    """The port is a VLAN of another one, made by netnsmgr under the name of `interface`. Default: as found."""

    @property
    def l3(self) -> str:
        """The link that has the port's addresses: its interface, or the bridge on which a switch shares the port."""
        return short_name("br-", self.ifname) if self.shared else self.ifname

    @property
    def ifname(self) -> str:
        """The kernel's name of the interface."""
        return self.interface or self.name

    def as_found(self, version: Version) -> bool:
        """Whether the port's addresses of this version are somebody else's affair."""
        asked = self.dhcp if version == 4 else self.slaac or self.dhcp6
        return not asked and not any(address.version == version for address in self.addresses)

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """The networks of the static addresses."""
        return tuple(address.network for address in self.addresses)


class DeviceSpec(Model):
    """The device as it is to be."""

    ports: tuple[Port, ...] = ()
    """The interfaces that network instances may use to reach the outside."""

    link_pool: LinkPool4 = Field(default=DEFAULT_LINK_POOL)
    """Addresses for the links between the device and its instances, two for each instance (a /31).
    They stay within the device: choose a range that no port, instance or remote site uses."""

    link_pool6: LinkPool6 = Field(default=DEFAULT_LINK_POOL6)
    """The same for IPv6 (a /127 for each instance)."""

    management: SimpleName | None = Field(default=None, examples=["eth0"])
    """Name of the port over which the device itself is managed. No other port may be in its network."""

    drift: Literal["repair", "report"] = "repair"
    """What happens to something of netnsmgr's that somebody else has changed by hand (`netnsmgr events` tells).
    `repair`: it is put back at once. `report`: it is left as it is, and the instance is `degraded`, until the
    configuration of that instance changes, or this becomes `repair`."""


class Device(Document):
    """The machine: its ports and how instances are linked to them. There is one Device."""

    kind: Literal["Device"] = "Device"
    """`Device`."""

    spec: DeviceSpec = Field(default=DeviceSpec())
    """Its ports, which of them is for management, and the addresses of links to instances."""

    def port(self, name: str) -> Port | None:
        """Return the port called ``name``, if there is one."""
        return next((port for port in self.spec.ports if port.name == name), None)

    def match_ports(self, labels_or_names: Iterable[str]) -> list[Port]:
        """Return the ports that any of the words names or labels, each once, in the device's order."""
        words = set(labels_or_names)
        return [port for port in self.spec.ports if port.name in words or not words.isdisjoint(port.labels)]


def link_addresses(pool: IPNetwork, number: int) -> tuple[IPAddress, IPAddress]:
    """Return the (outer, inner) addresses of link ``number`` (from 0) in ``pool``, a /31 or a /127.

    Both addresses of these are hosts (RFC 3021, RFC 6164).  Raises IndexError when the pool is used up.
    """
    if number < 0:
        raise IndexError(f"number {number} of a link is negative")
    return pool[2 * number], pool[2 * number + 1]
