"""The kind Device: the machine's own ports, and the addresses that its instances' links may use."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from netnsmgr.config.common import Address, Document, HostAddress, LinkName, Model, Mtu, Network, SimpleName

DEFAULT_LINK_POOL = IPv4Network("169.254.100.0/22")


class Port(Model):
    """A network interface through which the device reaches the outside."""

    name: SimpleName = Field(examples=["eth0"])
    """Logical name of the port, by which network instances refer to it."""

    interface: LinkName | None = Field(default=None, examples=["enp1s0"])
    """The kernel's name of the interface, at most 15 bytes. Default: the port's `name`."""

    labels: tuple[SimpleName, ...] = Field(default=(), examples=[["uplink"]])
    """Labels by which network instances select this port together with others."""

    addresses: tuple[HostAddress, ...] = Field(default=(), examples=[["192.168.0.2/24"]])
    """Static IPv4 addresses of the port, each with the prefix length of its network.
    With neither `addresses` nor `dhcp`, the port's addresses are used as they are found."""

    dhcp: StrictBool = False
    """Get address, gateway and DNS servers by DHCP. Not together with `addresses`."""

    gateways: tuple[Address, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """Routers reached through this port; the first is used. Default: as found or learned by DHCP."""

    dns: tuple[Address, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """DNS servers reached through this port; instances that use the port ask them.
    Default: as learned by DHCP."""

    ntp: tuple[Address, ...] = Field(default=(), examples=[["192.168.0.1"]])
    """NTP servers reached through this port; instances hand them to their apps by DHCP."""

    cost: Annotated[StrictInt, Field(ge=0, le=255)] = 0
    """How expensive the port is, 0 (free) to 255: of several ports, the cheaper is preferred."""

    mtu: Mtu | None = Field(default=None, examples=[1500])
    """Largest packet of the port in bytes, 1280 to 9216. Default: as found."""

    @property
    def ifname(self) -> str:
        """The kernel's name of the interface."""
        return self.interface or self.name

    @property
    def as_found(self) -> bool:
        """Whether the port's addresses are somebody else's affair."""
        return not self.addresses and not self.dhcp

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """The networks of the static addresses."""
        return tuple(address.network for address in self.addresses)


class DeviceSpec(Model):
    """The device as it is to be."""

    ports: tuple[Port, ...] = ()
    """The interfaces that network instances may use to reach the outside."""

    link_pool: Network = Field(default=DEFAULT_LINK_POOL)
    """Addresses for the links between the device and its instances, two for each instance (a /31).
    They stay within the device: choose a range that no port, instance or remote site uses."""

    management: SimpleName | None = Field(default=None, examples=["eth0"])
    """Name of the port over which the device itself is managed. No other port may be in its network."""


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

    def link_addresses(self, number: int) -> tuple[IPv4Address, IPv4Address]:
        """Return the (outer, inner) addresses of the link of instance ``number`` (from 0), a /31.

        Both addresses of a /31 are hosts (RFC 3021).  Raises IndexError when the pool is used up.
        """
        return link_addresses(self.spec.link_pool, number)


def link_addresses(pool: IPv4Network, number: int) -> tuple[IPv4Address, IPv4Address]:
    """Return the (outer, inner) addresses of link ``number`` in ``pool``; IndexError when it is used up."""
    if number < 0:
        raise IndexError(f"number {number} of a link is negative")
    return pool[2 * number], pool[2 * number + 1]
