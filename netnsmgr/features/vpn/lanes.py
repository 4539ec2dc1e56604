"""Which link leads to which networks of an instance's tunnels, and with which source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netnsmgr.core.ip import IPAddress, IPNetwork, Version
from netnsmgr.features.scope import InstanceScope

IPSEC_LINK = "ipsec0"
"""The one link of all IPsec connections of an instance."""


@dataclass(frozen=True)
class Lane:
    """A tunnel's link; of IPsec, where all share one, that part of it which a connection has."""

    link: str
    networks: tuple[IPNetwork, ...]
    """What is led into it."""
    addresses: tuple[IPAddress, ...] = ()
    """Our own in the tunnel, of each version at most the first."""
    translates: bool = False
    """Applications are seen as these addresses."""

    def address(self, version: Version) -> IPAddress | None:
        """Return our address of one version."""
        return next((each for each in self.addresses if each.version == version), None)

    def source(self, version: Version) -> IPAddress | None:
        """Return what applications are seen as; None: as themselves."""
        return self.address(version) if self.translates else None


def lanes(scope: InstanceScope) -> tuple[Lane, ...]:
    """Return the ways into tunnels; none without any."""
    vpn = scope.instance.spec.vpn
    if vpn is None:
        return ()
    found = [
        Lane(each.name, each.networks, tuple(own.ip for own in each.addresses), translates=each.nat)
        for each in vpn.tunnels
    ]
    for connection in vpn.connections:
        given = scope.vpn.virtual if connection.virtual_ip else ()
        found.append(Lane(IPSEC_LINK, connection.networks, given, translates=connection.virtual_ip))
    return tuple(found)


def links(scope: InstanceScope) -> tuple[str, ...]:
    """Return the names of the tunnels' links, each once."""
    return tuple(dict.fromkeys(lane.link for lane in lanes(scope)))


def lane_to(scope: InstanceScope, address: IPAddress) -> Lane | None:
    """Return the way that the routes give to an address: the longest network, and of equal ones the first."""
    fitting = [
        (network.prefixlen, -number, lane)
        for number, lane in enumerate(lanes(scope))
        for network in lane.networks
        if address in network
    ]
    return max(fitting, key=lambda each: each[:2])[2] if fitting else None


def of_version(networks: Iterable[IPNetwork], version: Version) -> list[IPNetwork]:
    """Return those of one version, sorted."""
    return sorted((each for each in networks if each.version == version), key=str)


def apart(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    """Leave out what lies in another one: the kernel refuses intervals that overlap in a set."""
    found: list[IPNetwork] = []
    for each in sorted(networks, key=lambda network: network.prefixlen):
        if not any(each[0] in wider for wider in found):
            found.append(each)
    return found
