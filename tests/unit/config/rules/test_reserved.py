"""Addresses that are somebody else's, or nobody's: refused where they are written, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
SIX = "fd00:10:1::/64"
NOT_FOR_HOSTS = "is not for hosts (loopback, link-local, multicast); use such as"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (
            "::/0",
            "'::/0' is the default route, which apps are told anyway; leave it out, or give such as fd00:20::/48",
        ),
        *(
            (
                each,
                (
                    f"'{each}' is not routed (loopback, link-local, multicast, IPv4 written as IPv6); leave it out, or give "
                    "such as fd00:20::/48"
                ),
            )
            for each in ("ff00::/8", "ff05::/64", "fe80::/64", "fe80::/10", "::1/128", "::ffff:0:0/96")
        ),
        *((each, "") for each in ("2000::/3", "64:ff9b::/96", "fd00:20::/48", "8000::/1")),
    ],
)
def test_routes(network: Make, faults: Faults, routes: str, expected: str) -> None:
    """What is told anyway, and what no router passes on."""
    said = faults(network(subnets=[SIX], ipv6={"routes": ["fd00:30::/48", routes]}))
    assert said == ([f"0 spec.ipv6.routes[1]: {expected}"] if expected else [])


@pytest.mark.parametrize("prefix", ["ff05::/64", "fe80::/64", "::/64", "64:ff9b::/64"])
def test_an_outer_prefix_is_for_hosts(network: Make, faults: Faults, prefix: str) -> None:
    """Applications have its addresses outside."""
    npt = {"uplink": "npt", "prefix": prefix}
    assert faults(network(ports=["eth0"], subnets=[SIX], ipv6=npt)) == [
        f"0 spec.ipv6.prefix: '{prefix}' {NOT_FOR_HOSTS} 2001:db8:5::/64"
    ]


@pytest.mark.parametrize(
    ("field", "pool", "expected"),
    [
        *(
            ("linkPool6", pool, f"{NOT_FOR_HOSTS} fd6e:6d00::/112")
            for pool in ("ff05::/112", "fe80::/112", "::/112")
        ),
        *(
            (
                "linkPool",
                pool,
                "is not for hosts (loopback, multicast, reserved); use such as 169.254.100.0/22",
            )
            for pool in ("127.0.0.0/24", "224.0.0.0/24", "0.0.0.0/24", "240.0.0.0/24")
        ),
    ],
)
def test_a_pool_is_for_hosts(device: Make, faults: Faults, field: str, pool: str, expected: str) -> None:
    """Both ends of a link are hosts."""
    assert faults(device(**{field: pool})) == [f"0 spec.{field}: '{pool}' {expected}"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            "fe80::1",
            (
                "is link-local, and instances are on another link than the server; give an address of the server that "
                "they reach, such as 2001:db8::53"
            ),
        ),
        ("::ffff:9.9.9.9", "is an IPv4 address written as IPv6; write 9.9.9.9"),
        ("::1", "is no server's address (loopback, multicast); give such as 2001:db8::53"),
        ("ff02::fb", "is no server's address (loopback, multicast); give such as 2001:db8::53"),
    ],
)
def test_dns_servers(device: Make, network: Make, faults: Faults, server: str, expected: str) -> None:
    """Of a port and of an instance; 2001:db8::53 and 64:ff9b::9.9.9.9 can be asked."""
    can = ["2001:db8::53", "64:ff9b::9.9.9.9", "9.9.9.9"]
    (said,) = faults(device({"name": "eth0", "dns": [*can, server]}))
    assert said.startswith("0 spec.ports[0].dns[3]: '")
    assert said.endswith(f"' {expected}")
    (said,) = faults(network(ports=["eth0"], dns={"servers": [*can, server]}))
    assert said.startswith("0 spec.dns.servers[3]: '")
    assert said.endswith(f"' {expected}")


@pytest.mark.parametrize(
    ("written", "better"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1/128", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_ipv4_written_as_ipv6(network: Make, app: Make, faults: Faults, written: str, better: str) -> None:
    """A rule of an access list with such a prefix would match nothing."""
    rule = {"id": 1, "match": {"ip": written}}
    (said,) = faults(network(), app("app1", {"acl": [rule]}))
    assert said == (
        f"1 spec.interfaces[0].acl[0].match.ip: '{written}' is IPv4 written as IPv6, which no packet carries; "
        f"write {better}"
    )
