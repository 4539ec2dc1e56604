"""Single values as people write them: each reader takes text, gives a plain value, and refuses helpfully.

A reader takes text only (YAML's numbers and booleans never turn into an address or a name) or the value
itself, and raises ValueError with a sentence that says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NamedTuple


def text(value: object, example: str) -> str:
    """Return ``value`` if it is text, otherwise raise ValueError with what to write."""
    match value:
        case str():
            return value
        case None:
            raise ValueError(f"has no value; write for example {example}")
        case bool() | int() | float():
            written = str(value).lower() if isinstance(value, bool) else str(value)
            raise ValueError(f'must be text; {written} is a {_kind(value)} unless it is quoted: "{written}"')
        case _:
            raise ValueError(f"must be text such as {example}, not a {_kind(value)}")


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", dict: "mapping", list: "list"}
    return kinds.get(type(value), type(value).__name__)


def address(value: object) -> IPv4Address:
    """Read one IPv4 address."""
    if isinstance(value, IPv4Address) and not isinstance(value, IPv4Interface):
        return value
    written = text(value, "10.10.1.1")
    try:
        return IPv4Address(written)
    except ValueError:
        if ":" in written:
            raise ValueError(_no_ipv6(written, "10.10.1.1")) from None
        if "/" in written:
            raise ValueError(f"'{written}' must be an address without a prefix length") from None
        raise ValueError(f"'{written}' is not an IPv4 address such as 10.10.1.1") from None


def _no_ipv6(written: str, example: str) -> str:
    return f"'{written}' is no IPv4: IPv6 is not supported by this version; write for example {example}"


def network(value: object) -> IPv4Network:
    """Read a network written as address/prefix length, with no host bits set."""
    if isinstance(value, IPv4Network):
        return value
    found = interface_address(value, "10.10.1.0/24").network
    if str(found.network_address) != str(value).split("/")[0]:
        raise ValueError(f"'{value}' has host bits set; the network of that address is {found}")
    return found


def subnet(value: object) -> IPv4Network:
    """Read a network that apps can live in: /8 to /30, unicast."""
    found = network(value)
    if found.prefixlen > 30:
        raise ValueError(f"'{found}' has no room for a gateway and an app; use /8 to /30")
    if found.prefixlen < 8:
        raise ValueError(f"'{found}' is too large; use /8 to /30")
    if any(found.overlaps(special) for special in _NOT_FOR_HOSTS):
        raise ValueError(
            f"'{found}' is not for hosts (loopback, multicast, reserved); use such as 10.10.1.0/24"
        )
    return found


_NOT_FOR_HOSTS = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")))


def interface_address(value: object, example: str = "192.168.0.2/24") -> IPv4Interface:
    """Read an address with the prefix length of its network."""
    if isinstance(value, IPv4Interface):
        return value
    written = text(value, example)
    host, slash, prefix = written.partition("/")
    if ":" in host:
        raise ValueError(_no_ipv6(written, example))
    if not slash:
        address(written)
        raise ValueError(f"'{written}' needs a prefix length, for example {written}/24")
    if not re.fullmatch(r"[0-9]{1,2}", prefix) or int(prefix) > 32:
        raise ValueError(f"'{written}' needs a prefix length from 0 to 32, for example {example}")
    return IPv4Interface(f"{address(host)}/{prefix}")


def host_address(value: object) -> IPv4Interface:
    """Read a port's own address: with a prefix length and with a host part."""
    found = interface_address(value)
    net = found.network
    if net.prefixlen < 31 and found.ip == net.network_address:
        raise ValueError(
            f"'{found}' is the network itself; give the port's own address, such as {net[1]}/{net.prefixlen}"
        )
    if net.prefixlen < 31 and found.ip == net.broadcast_address:
        raise ValueError(f"'{found}' is the broadcast address of its network; give the port's own address")
    return found


class AddressRange(NamedTuple):
    """Consecutive IPv4 addresses, both ends included; written ``first-last``."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, item: object) -> bool:
        return isinstance(item, IPv4Address) and self.first <= item <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def address_range(value: object) -> AddressRange:
    """Read ``first-last``."""
    if isinstance(value, AddressRange):
        return value
    example = "10.10.1.50-10.10.1.150"
    first, dash, last = text(value, example).partition("-")
    if not dash:
        raise ValueError(f"'{value}' must be two addresses joined by '-', for example {example}")
    found = AddressRange(address(first.strip()), address(last.strip()))
    if found.first > found.last:
        raise ValueError(f"'{value}' is reversed; write {found.last}-{found.first}")
    return found


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}")


def mac_address(value: object) -> str:
    """Read a unicast Ethernet address; give it in lower case with colons."""
    written = text(value, "02:16:3e:00:00:01")
    found = written.lower()
    if not _MAC.fullmatch(found):
        raise ValueError(f"'{written}' is not a MAC address such as 02:16:3e:00:00:01")
    found = found.replace("-", ":")
    if int(found[:2], 16) & 1:
        raise ValueError(f"'{written}' has the multicast bit set; make the first byte even, for example 02")
    if found == "00:00:00:00:00:00":
        raise ValueError(f"'{written}' is no address of a station; use for example 02:16:3e:00:00:01")
    return found


def _matches(pattern: str, example: str, rule: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        written = text(value, example)
        if not compiled.fullmatch(written):
            raise ValueError(f"'{written}' {rule}, for example {example}")
        return written

    return read


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"

dns_label = _matches(
    _LABEL, "ni1", "must be a DNS label: at most 63 of a-z, 0-9 and '-', neither first nor last '-'"
)
host_name = _matches(
    rf"(?=.{{1,253}}$){_HOST_LABEL}(\.{_HOST_LABEL})*",
    "printer",
    "must be a host name: labels of letters, digits and '-'",
)
simple_name = _matches(
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
    "eth0",
    "must be at most 63 of letters, digits, '.', '_' and '-'",
)
netns_name = _matches(
    r"(?!\.{1,2}$)[A-Za-z0-9_.@+-]{1,255}", "app1", "must be the name of a file in /run/netns"
)


def link_name(value: object) -> str:
    """Read the name of a network interface by the kernel's rules (``dev_valid_name``) and ours."""
    written = text(value, "eth0")
    if len(written.encode()) > 15:
        raise ValueError(
            f"'{written}' is {len(written.encode())} bytes long; the kernel takes interface names of at most 15"
        )
    # The kernel takes nearly anything, but '%' makes it number the name, ':' marks an old-style alias, and others mean
    # something to shells or part our aliases.  The sysctl tree owns "all" and "default".
    if not re.fullmatch(r"[A-Za-z0-9_.@+-]+", written):
        raise ValueError(
            f"'{written}' must be an interface name of letters, digits and any of . _ - + @, for example eth0"
        )
    if written in {".", "..", "lo", "all", "default"}:
        raise ValueError(
            f"'{written}' is taken by the kernel; choose another interface name, for example eth0"
        )
    return written


_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as ``1h`` that `lease_time` has accepted."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def lease_time(value: object) -> str:
    """Read a duration between the DHCP server's minimum of two minutes and a year."""
    written = str(value) if type(value) is int else text(value, "1h")
    if written.isdecimal():
        raise ValueError(f"'{written}' needs a unit (s, m, h or d), for example 1h")
    if not _DURATION.fullmatch(written):
        raise ValueError(f"'{written}' must be a whole number and a unit (s, m, h or d), for example 1h")
    if not 120 <= seconds(written) <= 365 * 86400:
        raise ValueError(
            f"'{written}' must be at least 2m, the shortest lease that the DHCP server gives, and at most 365d"
        )
    return written
