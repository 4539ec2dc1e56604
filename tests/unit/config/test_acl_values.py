"""Readers of single values of access rules: what is taken, as what, and what is said of the rest."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config import acl_values, rate
from netnsmgr.config.acl_values import PortRange
from netnsmgr.config.rate import Rate


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (80, PortRange(80, 80)),
        ("80", PortRange(80, 80)),
        ("80-90", PortRange(80, 90)),
        (" 80 - 80 ", PortRange(80, 80)),
        ("1-65535", PortRange(1, 65535)),
    ],
)
def test_ports(written: object, expected: PortRange) -> None:
    """A port is a range of one."""
    assert acl_values.port_range(written) == expected
    assert acl_values.port_range(str(expected)) == expected
    assert expected.first in expected
    assert expected.last + 1 not in expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, "port 0 must be from 1 to 65535"),
        (65536, "port 65536 must be from 1 to 65535"),
        (-1, "port -1 must be from 1 to 65535"),
        ("1-65536", "port 65536 must be from 1 to 65535"),
        ("90-80", "'90-80' is reversed; write 80-90"),
        ("http", "'http' must be a port such as 80, a range such as 80-90, or a list of such"),
        ("80-", "'80-' must be a port such as 80, a range such as 80-90, or a list of such"),
        ("80:90", "'80:90' must be a port such as 80"),
        ("٨٠", "'٨٠' must be a port such as 80"),
        (True, "true must be a port such as 80"),
        ([80], "a list must be a port such as 80"),
        (None, "has no value; write for example 80, 80-90, or leave the line out"),
    ],
)
def test_no_ports(written: object, expected: str) -> None:
    """What is no port says what one looks like."""
    with pytest.raises(ValueError) as fault:
        acl_values.port_range(written)
    assert str(fault.value).startswith(expected)


def test_single_port() -> None:
    """An application's port of a port map is one."""
    assert acl_values.port("8080") == 8080
    with pytest.raises(ValueError, match=r"'80-90' must be a single port, such as 80$"):
        acl_values.port("80-90")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        ("10.0.0.1", IPv4Network("10.0.0.1/32")),
        ("0.0.0.0/0", IPv4Network("0.0.0.0/0")),
        ("2001:DB8::/32", IPv6Network("2001:db8::/32")),
        ("::1", IPv6Network("::1/128")),
    ],
)
def test_prefix(written: str, expected: object) -> None:
    """Prefixes and addresses of both families."""
    assert acl_values.prefix(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "10.1.2.3/8",
            "'10.1.2.3/8' has host bits set; write 10.0.0.0/8 for the whole network, 10.1.2.3 for the one address",
        ),
        ("fe80::1/64", "'fe80::1/64' has host bits set; write fe80::/64 for the whole network, fe80::1 for"),
        ("10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0' is no prefix such as 10.0.0.0/8"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no prefix such as"),
        ("10.0.0.0/", "'10.0.0.0/' is no prefix such as"),
        ("10.0.0", "'10.0.0' is no prefix such as"),
        (
            "example.com",
            (
                "'example.com' is no prefix such as 10.0.0.0/8 or 2001:db8::/32, and no address such as 10.0.0.1; "
                "names go into host"
            ),
        ),
        (
            "fd00::1-fd00::5",
            "'fd00::1-fd00::5' is a range, which ip does not take; write prefixes: [fd00::1, fd00::2/127, fd00::4/127]",
        ),
        (
            "10.0.0.1-10.0.0.254",
            "'10.0.0.1-10.0.0.254' is a range, which ip does not take; write prefixes, such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        ("10.0.0.9-10.0.0.1", "'10.0.0.9-10.0.0.1' is no prefix such as"),
        ("[fd00::1]:80", "'[fd00::1]:80' has a port; write ip: fd00::1 and fport: 80"),
        ("10.0.0.1:80", "'10.0.0.1:80' has a port; write ip: 10.0.0.1 and fport: 80"),
        ("[fd00::1]", "'[fd00::1]' is written without brackets in ip; write fd00::1"),
        (10, 'must be text; 10 is a number unless it is quoted: "10"'),
    ],
)
def test_no_prefix(written: object, expected: str) -> None:
    """A prefix with host bits is told apart from what is none."""
    with pytest.raises(ValueError) as fault:
        acl_values.prefix(written)
    assert str(fault.value).startswith(expected)


@pytest.mark.parametrize(
    ("written", "expected"), [("Example.COM.", "example.com"), ("a", "a"), ("_sip._tcp.x", "_sip._tcp.x")]
)
def test_domain(written: str, expected: str) -> None:
    """A domain comes in lower case and without the root's dot."""
    assert acl_values.domain(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("*.x.com", "'*.x.com' has a wildcard; write x.com: everything below a name is included"),
        ("a*.x.com", "'a*.x.com' has a wildcard; write the domain itself: everything below a name is"),
        ("https://x.com/", "'https://x.com/' must be a domain name alone, such as example.com"),
        ("10.0.0.1", "'10.0.0.1' is an address, not a name; write it in ip"),
        ("::1", "'::1' is an address, not a name; write it in ip"),
        ("Müller.de", "'Müller.de' must be written as DNS carries it: xn--mller-kva.de"),
        ("ä..de", "'ä..de' must be written as DNS carries it"),
        ("a..b", "'a..b' must be a domain name: labels of letters, digits and '-'"),
        ("", "'' must be a domain name"),
        (None, "has no value; write for example example.com"),
    ],
)
def test_no_domain(written: object, expected: str) -> None:
    """What is no domain says what to write instead."""
    with pytest.raises(ValueError) as fault:
        acl_values.domain(written)
    assert str(fault.value).startswith(expected)


@pytest.mark.parametrize("word", ["neighbour-solicitation", "Neighbor-Advert"])
@pytest.mark.parametrize("protocol", [None, 1, 58])
def test_neighbour_discovery_needs_no_rule(word: str, protocol: int | None) -> None:
    """Who looks for its name has not to look any further."""
    with pytest.raises(ValueError) as fault:
        acl_values.icmp_type(word, protocol)
    assert str(fault.value) == f"'{word}' needs no rule: neighbour discovery is always allowed; leave it out"


def test_protocol_and_icmp() -> None:
    """Protocols and ICMP types go by name or number; a name of both ICMPs means what the protocol says."""
    assert [acl_values.protocol(each) for each in ("tcp", "UDP", 47, "47", 0, 255)] == [6, 17, 47, 47, 0, 255]
    assert [acl_values.icmp_type("echo-request", each) for each in (None, 1, 58)] == [8, 8, 128]
    assert [acl_values.icmp_type(each, 58) for each in (0, "255", "nd-redirect")] == [0, 255, 137]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: acl_values.protocol("tpc"), "unknown protocol 'tpc'; did you mean 'tcp'?"),
        (
            lambda: acl_values.protocol("zzz"),
            "unknown protocol 'zzz'; known are: icmp, igmp, ipip, tcp, udp,",
        ),
        (lambda: acl_values.protocol(256), "protocol 256 must be from 0 to 255"),
        (lambda: acl_values.protocol(True), "must be text; true is a boolean"),
        (lambda: acl_values.icmp_type(256, None), "ICMP type 256 must be from 0 to 255"),
        (lambda: acl_values.icmp_type("ping", 1), "unknown ICMP type 'ping'; known are: echo-reply, dest"),
        (lambda: acl_values.icmp_type("echo-requst", 58), "unknown ICMPv6 type 'echo-requst'; did you mean"),
        (lambda: acl_values.icmp_type("packet-too-big", 1), "'packet-too-big' is a type of ICMPv6; add pro"),
        (lambda: acl_values.icmp_type("source-quench", 58), "'source-quench' is a type of ICMP, not of ICM"),
    ],
)
def test_no_protocol(call: object, expected: str) -> None:
    """Unknown names are met with near ones, or with all."""
    with pytest.raises(ValueError) as fault:
        call()  # type: ignore[operator]
    assert str(fault.value).startswith(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5/second", Rate(5, "packets", "second")),
        (" 100 / minute", Rate(100, "packets", "minute")),
        ("100 kbytes/second", Rate(102400, "bytes", "second")),
        ("1mbytes/hour", Rate(1048576, "bytes", "hour")),
    ],
)
def test_rate(written: str, expected: Rate) -> None:
    """Rates in packets and in bytes; kbytes are 1024 bytes."""
    assert rate.rate(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0/second", "'0/second' lets nothing through; use action: drop for that"),
        (
            "5/day",
            "'5/day' must be a number of packets, such as 5/second, 100/minute, 10/hour, or bytes, such as",
        ),
        ("5 packets/second", "'5 packets/second' must be a number of packets, such as 5/second"),
        ("1.5/second", "'1.5/second' must be a number of packets"),
        ("1 gbytes/second", "'1 gbytes/second' must be a number of packets"),
        (5, "5 needs a unit of time; write 5/second, /minute or /hour"),
        (None, "has no value; write for example 5/second"),
    ],
)
def test_no_rate(written: object, expected: str) -> None:
    """What is no rate says what one looks like."""
    with pytest.raises(ValueError) as fault:
        rate.rate(written)
    assert str(fault.value).startswith(expected)


@given(
    st.integers(1, 10**15),
    st.sampled_from(["packets", "bytes"]),
    st.sampled_from(["second", "minute", "hour"]),
)
def test_rate_is_read_as_written(amount: int, unit: rate.Unit, per: rate.Per) -> None:
    """A rate that was written out is read as the same."""
    assert rate.rate(str(Rate(amount, unit, per))) == Rate(amount, unit, per)


@pytest.mark.parametrize(
    ("written", "burst", "fits"),
    [
        ("4 mbytes/hour", 100, True),
        ("5124095 bytes/hour", 1, False),
        ("5124094 bytes/hour", 1, True),
        ("300 mbytes/minute", 1, False),
        ("17000 mbytes/second", 1, True),
        ("18000 mbytes/second", 1, False),
        ("5/second", 4294967295, True),
        ("1/hour", 5124095, True),
        ("1/hour", 5124096, False),
        ("1000000000/second", 5, True),
        ("1000000001/second", 5, False),
    ],
)
def test_what_the_kernel_counts(written: str, burst: int, fits: bool) -> None:
    """The kernel's own limits of a limit, as it accepted and refused them (6.18; all but the last)."""
    assert (rate.beyond_kernel(rate.rate(written), burst) == "") is fits
