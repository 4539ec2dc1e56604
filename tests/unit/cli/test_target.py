"""What ``netnsmgr why`` can be asked about, and what it says to what it cannot read."""

from __future__ import annotations

import click
import pytest

from netnsmgr.cli.target import ports, sender, target


@pytest.mark.parametrize(
    ("text", "host", "protocol", "port"),
    [
        ("github.com:443", "github.com", 6, 443),
        ("github.com:443/tcp", "github.com", 6, 443),
        ("github.com:https", "github.com", 6, 443),
        ("app2:53/UDP", "app2", 17, 53),
        ("10.10.1.51:80/sctp", "10.10.1.51", 132, 80),
        ("1.2.3.4/icmp", "1.2.3.4", 1, 8 << 8),
        ("example.com/gre", "example.com", 47, 0),
        ("[2001:db8::1]:443", "2001:db8::1", 6, 443),
        ("[2001:db8::1]/icmp", "2001:db8::1", 58, 128 << 8),
    ],
)
def test_targets(text: str, host: str, protocol: int, port: int) -> None:
    found = target(text)
    assert (found.host, found.protocol, found.port) == (host, protocol, port)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("github.com", "names no port; write it like"),
        ("10.0.0.1", "write it like 10.0.0.1:443"),
        ("fe80::1", r"write it like \[fe80::1\]:443"),
        (
            "2001:db8:ffff::80:443",
            r"names no port; write it like \[2001:db8:ffff::80\]:443, or \[2001:db8:ffff::80:443\]:443 if",
        ),
        ("2001:db8::ff", r"write it like \[2001:db8::ff\]:443$"),
        ("github.com:0", "'0' is no port"),
        ("github.com:99999", "'99999' is no port"),
        ("github.com:80/tpc", "unknown protocol 'tpc'; did you mean"),
        ("1.2.3.4:8/icmp", "ICMP has no ports"),
        ("1.2.3.4:8/gre", "gre has no ports"),
        ("http://github.com", "is no target; write it like github.com:443"),
        ("1.2.3:80", "'1.2.3' is no IPv4 address"),
        ("-x:80", "neither a name nor an address"),
        ("[github.com]:80", "is no IPv6 address"),
        ("", "is no target"),
    ],
)
def test_no_targets(text: str, said: str) -> None:
    """The error shows how to write it."""
    with pytest.raises(click.UsageError, match=said):
        target(text)


def test_senders_and_ports() -> None:
    assert sender("192.168.0.9") == ("192.168.0.9", None)
    assert sender("192.168.0.9:5000") == ("192.168.0.9", 5000)
    assert sender("device") == ("device", None)
    assert [ports(text) for text in ("80", "53/udp", "http", "icmp")] == [
        (6, 80),
        (17, 53),
        (6, 80),
        (1, 2048),
    ]
    for text in ("1.2.3.4/tcp", "a:b:c"):
        with pytest.raises(click.UsageError, match="no sender"):
            sender(text)
    for text in ("0", "tpc", "80/icmp", "tcp"):
        with pytest.raises(click.UsageError):
            ports(text)
