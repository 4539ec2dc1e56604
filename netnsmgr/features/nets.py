"""The versions of IP that an instance has: its subnets, its own addresses in them, and its link to the outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.ip import IPAddress, IPInterface, IPNetwork, Version, interface


@dataclass(frozen=True)
class LinkEnds:
    """The addresses of one version of the link between the device's root namespace (outer) and an instance (inner)."""

    outer: IPAddress
    inner: IPAddress

    @property
    def version(self) -> Version:
        """4 or 6."""
        return self.inner.version

    def iface(self, end: IPAddress) -> IPInterface:
        """Return one end with the prefix length of the link: two addresses."""
        return interface(end, end.max_prefixlen - 1)


class Linked:
    """What has a link between the device's root namespace and an instance, IPv4 first: that version is always there."""

    links: tuple[LinkEnds, ...]

    @property
    def outer(self) -> IPAddress:
        """The device's end of the link, of IPv4."""
        return self.links[0].outer

    @property
    def inner(self) -> IPAddress:
        """The instance's end of the link, of IPv4."""
        return self.links[0].inner


@dataclass(frozen=True)
class Net:
    """One version of IP in an instance: its subnet, its own address there, and the link to the outside."""

    subnet: IPNetwork
    gateway: IPAddress
    outer: IPAddress
    inner: IPAddress

    @property
    def version(self) -> Version:
        """4 or 6."""
        return self.subnet.version

    @property
    def iface(self) -> IPInterface:
        """The gateway with the prefix length of the subnet."""
        return interface(self.gateway, self.subnet.prefixlen)


@dataclass(frozen=True)
class Delegated:
    """A prefix that a port's network has delegated; times in seconds since the device's start, 0: no end (RFC 8415)."""

    prefix: IPv6Network
    preferred_until: int = 0
    valid_until: int = 0


@dataclass(frozen=True)
class Learned:
    """An address that the interface with the id ``vif`` has without being given it by the instance.

    On a local instance one of IPv6 that it has taken, as its duplicate address detection told; on a switch each that it is
    known to have.  ``source``: `dhcp` and `dhcp6`, a server has given it; `arp`, `nd` and `link-local`, only the application
    says so.  ``expires``: of a lease, in seconds since the epoch, rounded up; None: open.
    """

    vif: int
    address: IPAddress
    source: str = "nd"
    expires: int | None = None


def nets_of(
    instance: NetworkInstance, links: Iterable[LinkEnds], delegated: IPv6Network | None = None
) -> tuple[Net, ...]:
    """Return the nets that an instance has now, IPv4 first; one that waits for its prefix has none of IPv6."""
    ends = {link.version: link for link in links}
    subnets = (instance.subnet4, delegated if instance.delegated else instance.subnet6)
    return tuple(
        Net(subnet, instance.gateway_in(subnet), ends[subnet.version].outer, ends[subnet.version].inner)
        for subnet in subnets
        if subnet is not None
    )
