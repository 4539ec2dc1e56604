"""Single values of access rules as people write them: readers like those of `values`."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, summarize_address_range
from typing import NamedTuple

from netnsmgr.config.messages import suggest
from netnsmgr.config.values import host_name, text
from netnsmgr.core.ip import MAPPED
from netnsmgr.core.protocols import ICMPV6, PROTOCOLS

Prefix = IPv4Network | IPv6Network

ICMP_TYPES = {
    "echo-reply": 0,
    "destination-unreachable": 3,
    "source-quench": 4,
    "redirect": 5,
    "echo-request": 8,
    "router-advertisement": 9,
    "router-solicitation": 10,
    "time-exceeded": 11,
    "parameter-problem": 12,
    "timestamp-request": 13,
    "timestamp-reply": 14,
    "info-request": 15,
    "info-reply": 16,
    "address-mask-request": 17,
    "address-mask-reply": 18,
}
"""ICMP types by the names that nft gives them (RFC 792, 950, 1256)."""

ICMPV6_TYPES = {
    "destination-unreachable": 1,
    "packet-too-big": 2,
    "time-exceeded": 3,
    "parameter-problem": 4,
    "echo-request": 128,
    "echo-reply": 129,
    "mld-listener-query": 130,
    "mld-listener-report": 131,
    "mld-listener-done": 132,
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136,
    "nd-redirect": 137,
    "router-renumbering": 138,
    "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142,
    "mld2-listener-report": 143,
}
"""ICMPv6 types by the names that nft gives them (RFC 4443, 2710, 4861, 2894, 3122, 3810)."""


def _numbered(value: object, example: str) -> int | str:
    """Return a number, also one in quotes, or else the text in lower case."""
    if type(value) is int:
        return value
    written = text(value, example)
    return int(written) if re.fullmatch(r"[0-9]{1,9}", written) else written.lower()


def protocol(value: object) -> int:
    """Read a protocol by name or number."""
    found = _numbered(value, "tcp")
    if isinstance(found, str):
        if found not in PROTOCOLS:
            raise ValueError(f"unknown protocol '{value}'{_near(found, tuple(PROTOCOLS))}")
        return PROTOCOLS[found]
    if not 0 <= found <= 255:
        raise ValueError(f"protocol {found} must be from 0 to 255")
    return found


def icmp_type(value: object, protocol: int | None) -> int:
    """Read an ICMP type by name or number; a name means what it does in ``protocol``, ICMP or ICMPv6."""
    known, name = (ICMPV6_TYPES, "ICMPv6") if protocol == ICMPV6 else (ICMP_TYPES, "ICMP")
    found = _numbered(value, "echo-request")
    if isinstance(found, str):
        if found in known:
            return known[found]
        if found in ICMPV6_TYPES and protocol != ICMPV6:
            raise ValueError(f"'{value}' is a type of ICMPv6; add protocol: icmpv6 to the match")
        if found in ICMP_TYPES:
            raise ValueError(f"'{value}' is a type of ICMP, not of ICMPv6; leave protocol: icmpv6 out")
        if "neighbo" in found:
            raise ValueError(f"'{value}' needs no rule: neighbour discovery is always allowed; leave it out")
        raise ValueError(f"unknown {name} type '{value}'{_near(found, tuple(known))}")
    if not 0 <= found <= 255:
        raise ValueError(f"{name} type {found} must be from 0 to 255")
    return found


@lru_cache(maxsize=64)  # a list of 20,000 rules may have the same slip in each
def _near(word: str, known: tuple[str, ...]) -> str:
    near = suggest(word, known)
    return near if "did you mean" in near else f"; known are: {', '.join(known)}; others by number, 0 to 255"


class PortRange(NamedTuple):
    """Consecutive ports, both ends included; written ``80`` or ``80-90``."""

    first: int
    last: int

    def __contains__(self, item: object) -> bool:
        return isinstance(item, int) and self.first <= item <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


_PORTS = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


def port_range(value: object) -> PortRange:
    """Read one port, or ``first-last``."""
    if isinstance(value, PortRange):
        return value
    if type(value) is int:
        return PortRange(_port(value), value)
    match = _PORTS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_not_a_port(value))
    found = PortRange(_port(int(match[1])), _port(int(match[2] or match[1])))
    if found.first > found.last:
        raise ValueError(f"'{value}' is reversed; write {found.last}-{found.first}")
    return found


def _port(number: int) -> int:
    if not 1 <= number <= 65535:
        raise ValueError(f"port {number} must be from 1 to 65535")
    return number


def _not_a_port(value: object) -> str:
    if value is None:
        return "has no value; write for example 80, 80-90, or leave the line out"
    shown = {list: "a list", dict: "a mapping", bool: str(value).lower()}.get(type(value), f"'{value}'")
    return f"{shown} must be a port such as 80, a range such as 80-90, or a list of such"


def port(value: object) -> int:
    """Read one port of an application."""
    found = port_range(value)
    if found.first != found.last:
        raise ValueError(f"'{value}' must be a single port, such as {found.first}")
    return found.first


def prefix(value: object) -> Prefix:
    """Read an IPv4 or IPv6 prefix with no host bits set, or a single address."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    written = text(value, "10.0.0.0/8")
    host, slash, length = written.partition("/")
    kind = IPv6Network if ":" in host else IPv4Network
    found = whole = None
    try:
        if not slash or re.fullmatch(r"[0-9]{1,3}", length):  # no netmask
            found = kind(written)
    except ValueError:
        whole = _around(kind, written)
    _not_mapped(written, found or whole)
    if found is not None:
        return found
    if whole is not None:
        raise ValueError(
            f"'{written}' has host bits set; write {whole} for the whole network, {host} for the one address"
        )
    raise ValueError(
        _with_port(written)
        or _a_range(written)
        or f"'{written}' is no prefix such as 10.0.0.0/8 or 2001:db8::/32, and no address such as 10.0.0.1"
        + ("; names go into host" if re.search(r"[g-zG-Z]", host) else "")
    )


def _not_mapped(written: str, found: Prefix | None) -> None:
    if isinstance(found, IPv6Network) and found.subnet_of(MAPPED):
        first = found.network_address.ipv4_mapped
        better = f"{first}" if found.prefixlen == 128 else f"{first}/{found.prefixlen - MAPPED.prefixlen}"
        raise ValueError(f"'{written}' is IPv4 written as IPv6, which no packet carries; write {better}")


_WITH_PORT = re.compile(r"(?:\[([^]]*)\]|([0-9.]+))(?::([0-9]{1,5}))?")
FEW = 5
"""How many prefixes are written out in place of a range."""


def _with_port(written: str) -> str:
    match = _WITH_PORT.fullmatch(written)
    host = (match[1] or match[2]) if match is not None else ""
    try:
        ip_address(host)
    except ValueError:
        return ""
    port = match[3] if match is not None else None
    if port is None:
        return f"'{written}' is written without brackets in ip; write {host}"
    return f"'{written}' has a port; write ip: {host} and fport: {port}"


def _a_range(written: str) -> str:
    first, _, last = written.partition("-")
    try:
        ends = ip_address(first.strip()), ip_address(last.strip())
        found = [str(each) for each in summarize_address_range(*ends)]
    except (ValueError, TypeError):
        return ""
    short = [each.removesuffix("/32" if ends[0].version == 4 else "/128") for each in found]
    better = f": [{', '.join(short)}]" if len(short) <= FEW else ", such as 10.0.0.0/8 or 2001:db8::/32"
    return f"'{written}' is a range, which ip does not take; write prefixes{better}"


def _around(kind: type[Prefix], written: str) -> Prefix | None:
    try:
        return kind(written, strict=False)
    except ValueError:
        return None


def domain(value: object) -> str:
    """Read a domain name; give it in lower case and without the dot of the root."""
    written = text(value, "example.com")
    found = written.lower().removesuffix(".")
    if "*" in found:
        bare = found.removeprefix("*.")
        better = f"write {bare}" if "*" not in bare and bare else "write the domain itself"
        raise ValueError(f"'{written}' has a wildcard; {better}: everything below a name is included")
    if "://" in found or "/" in found:
        raise ValueError(f"'{written}' must be a domain name alone, such as example.com")
    try:
        ip_address(found)
    except ValueError:
        pass
    else:
        raise ValueError(f"'{written}' is an address, not a name; write it in ip")
    if not found.isascii():
        raise ValueError(f"'{written}' must be written as DNS carries it{_punycode(found)}")
    try:
        return host_name(found)
    except ValueError:
        raise ValueError(
            f"'{written}' must be a domain name: labels of letters, digits and '-', for example example.com"
        ) from None


def _punycode(name: str) -> str:
    try:
        return f": {name.encode('idna').decode()}"
    except UnicodeError:
        return ""
