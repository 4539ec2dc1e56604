"""IP addresses and networks as people write them; readers like those of `values`, for either version or for one."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import NamedTuple

from netnsmgr.config.values import text
from netnsmgr.core.ip import LINK_LOCAL, MAPPED, MULTICAST, ULA, IPAddress, IPInterface, IPNetwork, Version

ADDRESS = {4: "10.10.1.1", 6: "fd00:10:1::1"}
NETWORK = {4: "10.10.1.0/24", 6: "fd00:10:1::/64"}
HOST_ADDRESS = {4: "192.168.0.2/24", 6: "2001:db8::2/64"}
BITS = {4: 32, 6: 128}
LONGEST = 64
"""Characters of an address as somebody may write it, with zone and prefix length."""


def address(value: object, version: Version | None = None, instead: str = "") -> IPAddress:
    """Read one address, of one version if that is given; ``instead`` is what to write for one of the other version."""
    if isinstance(value, IPv4Address | IPv6Address) and not isinstance(value, IPv4Interface | IPv6Interface):
        return value
    written = text(value, ADDRESS[version or 4])
    example = ADDRESS[version or (6 if ":" in written else 4)]
    _, percent, zone = written.partition("%")
    if percent:
        raise ValueError(
            f"{_quoted(written)} must be an address without a zone; leave out %{zone}: the port says which link"
        )
    try:
        found = ip_address(written)
    except ValueError:
        if "/" in written:
            raise ValueError(f"{_quoted(written)} must be an address without a prefix length") from None
        raise ValueError(f"{_quoted(written)} is not an {_ip(version)} address such as {example}") from None
    _is(found.version, version, written, instead or example)
    return found


def _quoted(written: str) -> str:
    # What is longer than any address is something else, and may hold what is nobody's business.
    return f"'{written}'" if len(written) <= LONGEST else f"a text of {len(written)} characters"


def address4(value: object) -> IPv4Address:
    """Read one IPv4 address."""
    found = address(value, 4)
    assert isinstance(found, IPv4Address)
    return found


def address6(value: object) -> IPv6Address:
    """Read one IPv6 address."""
    found = address(value, 6)
    assert isinstance(found, IPv6Address)
    return found


def _ip(version: Version | None) -> str:
    return f"IPv{version}" if version else "IP"


def _is(found: int, version: Version | None, written: str, example: str) -> None:
    if version is not None and found != version:
        raise ValueError(
            f"'{written}' is IPv{found}, and this is for IPv{version}; write for example {example}"
        )


_NOBODY = (IPv6Network("::/127"), MAPPED, MULTICAST)
"""Whose IPv6 addresses no single host has: unspecified and loopback, IPv4 in disguise, groups."""


def dns_server(value: object) -> IPAddress:
    """Read the address of a server that instances ask."""
    found = address(value)
    if isinstance(found, IPv4Address):
        return found
    if found in LINK_LOCAL:
        raise ValueError(
            f"'{found}' is link-local, and instances are on another link than the server; give an address of the "
            "server that they reach, such as 2001:db8::53"
        )
    if found.ipv4_mapped is not None:
        raise ValueError(f"'{found}' is an IPv4 address written as IPv6; write {found.ipv4_mapped}")
    if any(found in nobody for nobody in _NOBODY):
        raise ValueError(f"'{found}' is no server's address (loopback, multicast); give such as 2001:db8::53")
    return found


def network(value: object, version: Version | None = None) -> IPNetwork:
    """Read a network written as address/prefix length, with no host bits set."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    found = interface_address(value, version, NETWORK)
    if found.ip != found.network.network_address:
        raise ValueError(f"'{value}' has host bits set; the network of that address is {found.network}")
    return found.network


def network4(value: object) -> IPv4Network:
    """Read an IPv4 network."""
    found = network(value, 4)
    assert isinstance(found, IPv4Network)
    return found


def network6(value: object) -> IPv6Network:
    """Read an IPv6 network."""
    found = network(value, 6)
    assert isinstance(found, IPv6Network)
    return found


_LONGEST, _SHORTEST = {4: 30, 6: 126}, {4: 8, 6: 48}
_NOT_FOR_HOSTS = tuple(
    map(ip_network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8"))
)
_NOT_FOR_HOSTS6 = "loopback, link-local, multicast, IPv4-mapped"


def subnet(value: object) -> IPNetwork:
    """Read a network that apps can live in: unicast, IPv4 of /8 to /30 or IPv6 of /48 to /126."""
    found = network(value)
    shortest, longest = _SHORTEST[found.version], _LONGEST[found.version]
    lengths = f"use /{shortest} to /{longest}"
    if found.prefixlen > longest:
        raise ValueError(f"'{found}' has no room for a gateway and an app; {lengths}")
    if found.prefixlen < shortest:
        raise ValueError(f"'{found}' is too large; {lengths}")
    _for_hosts(found, NETWORK[found.version])
    return found


def _for_hosts(found: IPNetwork, example: str) -> None:
    if any(found.version == special.version and found.overlaps(special) for special in _NOT_FOR_HOSTS):
        kinds = "loopback, multicast, reserved" if found.version == 4 else _NOT_FOR_HOSTS6
        raise ValueError(f"'{found}' is not for hosts ({kinds}); use such as {example}")


def link_pool4(value: object) -> IPv4Network:
    """Read a network of IPv4 for links."""
    found = network4(value)
    _for_hosts(found, "169.254.100.0/22")
    return found


def link_pool6(value: object) -> IPv6Network:
    """Read a network of IPv6 for links."""
    found = network6(value)
    _for_hosts(found, "fd6e:6d00::/112")
    return found


def outer_prefix(value: object) -> IPv6Network:
    """Read a prefix of addresses that apps have outside."""
    found = network6(value)
    _for_hosts(found, "2001:db8:5::/64")
    return found


def route6(value: object) -> IPv6Network:
    """Read a prefix that apps are told to reach by way of the instance (RFC 4191): not all, and not what no router passes on."""
    found = network6(value)
    if not found.prefixlen:
        raise ValueError(
            f"'{found}' is the default route, which apps are told anyway; leave it out, or give such as fd00:20::/48"
        )
    if any(found.subnet_of(special) for special in (LINK_LOCAL, *_NOBODY)):
        raise ValueError(
            f"'{found}' is not routed (loopback, link-local, multicast, IPv4 written as IPv6); leave it out, or give "
            "such as fd00:20::/48"
        )
    return found


def interface_address(
    value: object, version: Version | None = None, examples: dict[int, str] = HOST_ADDRESS
) -> IPInterface:
    """Read an address with the prefix length of its network."""
    if isinstance(value, IPv4Interface | IPv6Interface):
        return value
    example = examples[version or 4]
    written = text(value, example)
    host, slash, prefix = written.partition("/")
    found = address(host if slash else written, version, example)
    bits = BITS[found.version]
    if not slash:
        raise ValueError(
            f"'{written}' needs a prefix length, for example {written}/{24 if bits == 32 else 64}"
        )
    if not re.fullmatch(r"[0-9]{1,3}", prefix) or int(prefix) > bits:
        raise ValueError(
            f"'{written}' needs a prefix length from 0 to {bits}, for example {examples[found.version]}"
        )
    return ip_interface((found, int(prefix)))


def host_address(value: object) -> IPInterface:
    """Read a port's own address: with a prefix length and with a host part."""
    found = interface_address(value)
    net, length = found.network, found.network.prefixlen
    if length < BITS[found.version] - 1 and found.ip == net.network_address:
        raise ValueError(
            f"'{found}' is the network itself; give the port's own address, such as {net[1]}/{length}"
        )
    if found.version == 4 and length < 31 and found.ip == net.broadcast_address:
        raise ValueError(f"'{found}' is the broadcast address of its network; give the port's own address")
    if found.version == 6 and any(found.ip in special for special in _NOT_FOR_HOSTS if special.version == 6):
        raise ValueError(f"'{found}' is not for a port ({_NOT_FOR_HOSTS6}); give such as {HOST_ADDRESS[6]}")
    return found


class AddressRange(NamedTuple):
    """Consecutive addresses of one version, both ends included; written ``first-last``."""

    first: IPAddress
    last: IPAddress

    def __contains__(self, item: object) -> bool:
        return (
            isinstance(item, IPv4Address | IPv6Address)
            and item.version == self.first.version
            and int(self.first) <= int(item) <= int(self.last)
        )

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _range(value: object, version: Version, example: str) -> AddressRange:
    if isinstance(value, AddressRange):
        return value
    first, dash, last = text(value, example).partition("-")
    if not dash:
        raise ValueError(f"'{value}' must be two addresses joined by '-', for example {example}")
    found = AddressRange(address(first.strip(), version), address(last.strip(), version))
    if int(found.first) > int(found.last):
        raise ValueError(f"'{value}' is reversed; write {found.last}-{found.first}")
    return found


def range4(value: object) -> AddressRange:
    """Read ``first-last`` of IPv4."""
    return _range(value, 4, "10.10.1.50-10.10.1.150")


def range6(value: object) -> AddressRange:
    """Read ``first-last`` of IPv6."""
    return _range(value, 6, "fd00:10:1::100-fd00:10:1::1ff")


def nat64_prefix(value: object) -> IPv6Network:
    """Read a prefix whose last 32 bits are an IPv4 address (RFC 6052: the /96 form)."""
    found = network6(value)
    if found.prefixlen != 96:
        raise ValueError(f"'{found}' must be a /96, because the last 32 bits hold the IPv4 address")
    if found == IPv6Network("64:ff9b::/96"):
        raise ValueError(
            "'64:ff9b::/96' may not stand for private IPv4 addresses (RFC 6052, 3.1); leave 'prefix' out, or give one of "
            "your own such as fd00:64::/96"
        )
    if any(found.overlaps(special) for special in _NOT_FOR_HOSTS if special.version == 6):
        raise ValueError(f"'{found}' is not for hosts; leave 'prefix' out, or give such as fd00:64::/96")
    return found


def is_ula(found: IPv6Network) -> bool:
    """Whether a network is of the addresses that nobody else routes (RFC 4193)."""
    return found.subnet_of(ULA)
