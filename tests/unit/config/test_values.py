"""Single values: what is taken, what is refused, and that the refusal says what to write."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config import addresses, values
from netnsmgr.config.addresses import AddressRange


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (addresses.address4, "10.10.1.1", IPv4Address("10.10.1.1")),
        (addresses.network, "169.254.100.0/22", IPv4Network("169.254.100.0/22")),
        (addresses.subnet, "10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        (addresses.subnet, "10.0.0.4/30", IPv4Network("10.0.0.4/30")),
        (addresses.host_address, "192.168.0.2/24", IPv4Interface("192.168.0.2/24")),
        (addresses.host_address, "192.168.0.2/31", IPv4Interface("192.168.0.2/31")),
        (addresses.host_address, "192.168.0.2/32", IPv4Interface("192.168.0.2/32")),
        (values.mac_address, "02-16-3E-00-00-0A", "02:16:3e:00:00:0a"),
        (values.mac_address, "02:16:30:00:00:01", "02:16:30:00:00:01"),
        (values.link_name, "enp0s31f6", "enp0s31f6"),
        (values.link_name, "eth0.100", "eth0.100"),
        (values.link_name, "x" * 15, "x" * 15),
        (values.dns_label, "a" * 63, "a" * 63),
        (values.host_name, "Printer.plant.example", "Printer.plant.example"),
        (values.netns_name, "cni-1.2_3", "cni-1.2_3"),
        (values.lease_time, "2m", "2m"),
        (values.lease_time, "365d", "365d"),
    ],
)
def test_taken(read: Callable[[object], Any], written: str, value: object) -> None:
    """What people rightly write is taken, and the value itself is taken too."""
    assert read(written) == value
    assert read(value) == value


@pytest.mark.parametrize(
    ("read", "written", "reason"),
    [
        (addresses.address4, "10.10.1", "'10.10.1' is not an IPv4 address such as 10.10.1.1"),
        (addresses.address4, "10.10.1.1/24", "must be an address without a prefix length"),
        (addresses.address4, "fe80::1", "is IPv6, and this is for IPv4; write for example 10.10.1.1"),
        (addresses.address6, "10.0.0.1", "is IPv4, and this is for IPv6; write for example fd00:10:1::1"),
        (
            addresses.address,
            "fe80::1%eth0",
            "'fe80::1%eth0' must be an address without a zone; leave out %eth0: the port says which link",
        ),
        (addresses.subnet, "fd00:10:g::/64", "'fd00:10:g::' is not an IP address such as fd00:10:1::1"),
        (
            addresses.network6,
            "10.0.0.0/8",
            "'10.0.0.0' is IPv4, and this is for IPv6; write for example fd00:10:1::/64",
        ),
        (
            addresses.subnet,
            "::ffff:10.0.0.0/120",
            "is not for hosts (loopback, link-local, multicast, IPv4-mapped)",
        ),
        (addresses.address, "10.0.0", "'10.0.0' is not an IP address such as 10.10.1.1"),
        (addresses.subnet, "fd00::/127", "has no room for a gateway and an app; use /48 to /126"),
        (addresses.subnet, "fd00::/32", "is too large; use /48 to /126"),
        (addresses.subnet, "fe80::/64", "is not for hosts (loopback, link-local, multicast, IPv4-mapped)"),
        (addresses.host_address, "fd00::2", "needs a prefix length, for example fd00::2/64"),
        (
            addresses.host_address,
            "fe80::2/64",
            "is not for a port (loopback, link-local, multicast, IPv4-mapped)",
        ),
        (
            addresses.host_address,
            "fd00::/64",
            "is the network itself; give the port's own address, such as fd00::1/64",
        ),
        (addresses.network6, "fd00::1/64", "has host bits set; the network of that address is fd00::/64"),
        (addresses.range6, "fd00::9-fd00::2", "is reversed; write fd00::2-fd00::9"),
        (addresses.nat64_prefix, "fd00::/64", "must be a /96"),
        (addresses.nat64_prefix, "64:ff9b::/96", "may not stand for private IPv4 addresses"),
        (values.duid, "00030001aab", "must be a DHCP unique identifier in hexadecimal"),
        (values.duid, "xyz", "must be a DHCP unique identifier in hexadecimal"),
        (
            addresses.address4,
            167772161,
            'must be text; 167772161 is a number unless it is quoted: "167772161"',
        ),
        (addresses.address4, True, 'must be text; true is a boolean unless it is quoted: "true"'),
        (addresses.address4, None, "has no value; write for example 10.10.1.1"),
        (addresses.address4, ["10.10.1.1"], "must be text such as 10.10.1.1, not a list"),
        (addresses.network, "10.10.1.5/24", "has host bits set; the network of that address is 10.10.1.0/24"),
        (addresses.network, "10.10.1.0", "needs a prefix length, for example 10.10.1.0/24"),
        (addresses.network, "10.10.1.0/33", "needs a prefix length from 0 to 32"),
        (addresses.network, "10.10.1.0/255.255.255.0", "needs a prefix length from 0 to 32"),
        (
            addresses.subnet,
            "10.10.1.0/31",
            "'10.10.1.0/31' has no room for a gateway and an app; use /8 to /30",
        ),
        (addresses.subnet, "10.10.1.0/32", "has no room for a gateway and an app"),
        (addresses.subnet, "0.0.0.0/0", "is too large; use /8 to /30"),
        (addresses.subnet, "127.0.0.0/8", "is not for hosts"),
        (addresses.subnet, "239.1.0.0/16", "is not for hosts"),
        (addresses.subnet, "255.255.255.0/24", "is not for hosts"),
        (
            addresses.host_address,
            "192.168.0.0/24",
            "is the network itself; give the port's own address, such as 192.168.0.1/24",
        ),
        (addresses.host_address, "192.168.0.255/24", "is the broadcast address of its network"),
        (addresses.range4, "10.0.0.9", "must be two addresses joined by '-'"),
        (addresses.range4, "10.0.0.9-10.0.0.2", "is reversed; write 10.0.0.2-10.0.0.9"),
        (addresses.range4, "10.0.0.9-x", "'x' is not an IPv4 address"),
        (values.mac_address, "01:00:5e:00:00:01", "has the multicast bit set; make the first byte even"),
        (values.mac_address, "00:00:00:00:00:00", "is no address of a station"),
        (values.mac_address, "02:16:3e:00:00", "is not a MAC address such as"),
        (values.mac_address, "02:16-3e:00:00:01", "is not a MAC address such as"),
        (values.mac_address, 21630000001, "must be text"),
        (values.link_name, "x" * 16, "is 16 bytes long; the kernel takes interface names of at most 15"),
        (values.link_name, "", "must be an interface name"),
        (values.link_name, "eth/0", "must be an interface name"),
        (values.link_name, "eth 0", "must be an interface name"),
        (values.link_name, "eth0:1", "must be an interface name"),
        (values.link_name, "eth%d", "must be an interface name"),
        (values.link_name, "eth0;reboot", "must be an interface name"),
        (values.link_name, "eth|0", "must be an interface name"),
        (values.link_name, "eth0\n", "must be an interface name"),
        (values.link_name, "lo", "is taken by the kernel"),
        (values.link_name, "..", "is taken by the kernel"),
        (values.dns_label, "Ni1", "must be a DNS label"),
        (values.dns_label, "-a", "must be a DNS label"),
        (values.dns_label, "a" * 64, "must be a DNS label"),
        (values.dns_label, "a\n", "must be a DNS label"),
        (values.host_name, "a b", "must be a host name"),
        (values.host_name, "a..b", "must be a host name"),
        (values.host_name, ".".join(["abcdefg"] * 40), "must be a host name"),
        (values.netns_name, "..", "must be the name of a file in /run/netns"),
        (values.netns_name, "a/b", "must be the name of a file in /run/netns"),
        (values.lease_time, 3600, "'3600' needs a unit (s, m, h or d), for example 1h"),
        (values.lease_time, "1w", "must be a whole number and a unit"),
        (values.lease_time, "90s", "must be at least 2m"),
        (values.lease_time, "366d", "at most 365d"),
        (values.lease_time, True, "must be text"),
    ],
)
def test_refused(read: Callable[[object], Any], written: object, reason: str) -> None:
    """What would go wrong later is refused at once, with what to write instead."""
    with pytest.raises(ValueError) as refusal:
        read(written)
    assert reason in str(refusal.value)


def test_a_duid_is_taken_without_colons() -> None:
    """As DHCP servers and clients log it."""
    assert values.duid("0003000102163E000001") == "00:03:00:01:02:16:3e:00:00:01"


def test_seconds() -> None:
    """Durations are seconds, minutes, hours or days."""
    assert [values.seconds(each) for each in ("120s", "2m", "1h", "1d")] == [120, 120, 3600, 86400]


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_range_round_trip(one: IPv4Address, other: IPv4Address) -> None:
    """A range reads back as it was written and holds both its ends."""
    span = AddressRange(min(one, other), max(one, other))
    assert addresses.range4(str(span)) == span
    assert one in span
    assert other in span
    assert "10.0.0.1" not in span
