"""IP addresses of either version: the types of ``ipaddress`` joined, and what they leave out.

A function that is given one of these does the same for IPv4 and IPv6; nothing here knows what for.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Literal

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
IPInterface = IPv4Interface | IPv6Interface
Version = Literal[4, 6]
VERSIONS: tuple[Version, ...] = (4, 6)

LINK_LOCAL = IPv6Network("fe80::/10")
"""RFC 4291, 2.4: addresses that mean something only together with a link."""
MULTICAST = IPv6Network("ff00::/8")
"""RFC 4291, 2.7."""
ULA = IPv6Network("fc00::/7")
"""RFC 4193."""
MAPPED = IPv6Network("::ffff:0:0/96")
"""How programs write IPv4 addresses where only IPv6 ones fit (RFC 4291, 2.5.5.2); no packet carries them."""


def any_network(version: Version) -> IPNetwork:
    """Return the network of all addresses of a version: the destination of a default route."""
    return IPv4Network("0.0.0.0/0") if version == 4 else IPv6Network("::/0")


def host_network(address: IPAddress) -> IPNetwork:
    """Return the network of one address alone."""
    return ip_network(address)


def interface(address: IPAddress, prefixlen: int) -> IPInterface:
    """Return an address with the length of its network's prefix."""
    return ip_interface((address, prefixlen))


def global_only(addresses: Iterable[IPInterface]) -> tuple[IPInterface, ...]:
    """Return the addresses by which packets from elsewhere can come; link-local ones of IPv6 are left out."""
    return tuple(each for each in addresses if not (each.version == 6 and each.ip in LINK_LOCAL))


def endpoint(address: IPAddress | str, port: int | str) -> str:
    """Return address and port as people write them: 192.0.2.1:80, [2001:db8::1]:80 (RFC 5952, 6)."""
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def mapped_network(prefix: IPv6Network, network: IPv4Network) -> IPv6Network:
    """Return the addresses by which a prefix of 96 bits stands for those of IPv4 (RFC 6052, 2.2)."""
    first = int(prefix.network_address) | int(network.network_address)
    return IPv6Network((first, prefix.prefixlen + network.prefixlen))


def mapped(prefix: IPv6Network, address: IPv4Address) -> IPv6Address:
    """Return the address by which a prefix of 96 bits stands for one of IPv4 (RFC 6052, 2.2)."""
    return mapped_network(prefix, IPv4Network(address)).network_address


def mac_made(network: IPv6Network, mac: str) -> IPv6Address:
    """Return the address that a host makes of its link's (RFC 4291, appendix A); ``network`` has 64 bits or fewer."""
    octets = int(mac.replace(":", ""), 16) ^ 1 << 41
    return network.network_address + (octets >> 24 << 40 | 0xFFFE << 24 | octets & 0xFFFFFF)
