"""Tunnels of any shape: nothing that can be written makes the rules fail, and overlaps are those that arithmetic finds."""

from __future__ import annotations

import base64
from collections.abc import Callable
from ipaddress import ip_network
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

NETWORKS = st.sampled_from(
    [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.20.0.0/16",
        "10.20.7.0/24",
        "10.20.7.1/32",
        "10.10.1.0/24",
        "10.10.1.128/25",
        "169.254.100.0/22",
        "224.0.0.0/4",
        "::/0",
        "fd00:20::/48",
        "fd00:20:0:1::/64",
        "fd00:10:1::/64",
        "fe80::/10",
    ]
)
LISTS = st.lists(NETWORKS, max_size=4)
FILES = st.sampled_from([{"file": "/etc/a.psk"}, {"file": "/etc/b.psk"}])
NAMES = st.sampled_from(["a", "b", "bn0", "wg0"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make mappings that have any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


AUTH = some(
    id=st.sampled_from(["%any", "device7"]),
    psk=FILES,
    certificate=st.just("/etc/a.pem"),
    privateKey=FILES,
    ca=st.just("/etc/ca.pem"),
)
PROPOSALS = st.lists(
    st.lists(st.sampled_from(["aes256", "aes256gcm16", "sha256", "sha1", "prfsha1", "x25519", "null", "esn", "foo"]), min_size=1)
    .map("-".join),
    max_size=2,
)  # fmt: skip
CHILD = st.fixed_dictionaries(
    {"name": NAMES, "remote": st.lists(NETWORKS, min_size=1, max_size=3)},
    optional={"local": LISTS, "routes": LISTS, "proposals": PROPOSALS},
)
CONNECTION = st.fixed_dictionaries(
    {
        "name": NAMES,
        "remote": st.sampled_from(["198.51.100.1", "10.10.1.1", "vpn.example.com"]),
        "children": st.lists(CHILD, min_size=1, max_size=3),
    },
    optional={
        "localAuth": AUTH,
        "remoteAuth": AUTH,
        "proposals": PROPOSALS,
        "virtualIp": st.booleans(),
        "legacy": st.booleans(),
    },
)
PEER = st.fixed_dictionaries(
    {
        "name": NAMES,
        "publicKey": st.integers(0, 3).map(lambda n: base64.b64encode(n.to_bytes(32, "big")).decode()),
        "allowedIps": st.lists(NETWORKS, min_size=1, max_size=3),
    },
    optional={"endpoint": st.sampled_from(["203.0.113.1:51820", "hub:7"]), "presharedKey": FILES},
)
TUNNEL = st.fixed_dictionaries(
    {"name": NAMES, "peers": st.lists(PEER, max_size=3)},
    optional={
        "addresses": st.lists(st.sampled_from(["10.9.0.2/24", "10.9.0.3/24", "10.10.1.5/32", "fd00:9::2/64"]), max_size=2),
        "listenPort": st.sampled_from([51820, 51821]),
        "privateKey": FILES,
    },
)  # fmt: skip
VPN = some(
    wireguard=st.lists(TUNNEL, max_size=3),
    ipsec=st.lists(CONNECTION, max_size=3),
    rest=st.sampled_from(["block", "direct"]),
    dns=st.sampled_from(["tunnel", "direct"]),
)


@FIXTURES
@given(
    VPN,
    VPN,
    st.sampled_from([[], ["10.10.1.0/24"], ["fd00:10:1::/64"], ["10.10.1.0/24", "fd00:10:1::/64"]]),
    st.lists(st.sampled_from(["10.20.7.1", "9.9.9.9", "fd00:20::53"]), max_size=2),
    st.sampled_from(["nat66", "delegated"]),
)
def test_nothing_makes_the_rules_fail(
    network: Make,
    faults: Faults,
    one: dict[str, Any],
    other: dict[str, Any],
    subnets: list[str],
    servers: list[str],
    uplink: str,
) -> None:
    """Whatever is written, there are sentences, each at a place, and none is there twice."""
    spec = {"ports": ["eth0"], "subnets": subnets, "dns": {"servers": servers}, "ipv6": {"uplink": uplink}}
    found = faults(network("ni1", **spec, vpn=one), network("ni2", **spec, vpn=other))
    assert all(": " in each for each in found)
    assert len(found) == len(set(found))


@FIXTURES
@given(st.lists(st.lists(NETWORKS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_overlaps(network: Make, faults: Faults, allowed: list[list[str]]) -> None:
    """There is a fault where, and only where, two peers have an address in common."""
    peers = [
        {
            "name": f"p{n}",
            "publicKey": base64.b64encode(n.to_bytes(32, "big")).decode(),
            "endpoint": "hub:51820",
            "allowedIps": each,
        }
        for n, each in enumerate(allowed)
    ]
    found = faults(network(ports=["eth0"], vpn={"wireguard": {"tunnels": [{"name": "wg0", "peers": peers}]}}))
    meant = any(
        ip_network(a).overlaps(ip_network(b))
        for one, other in combinations(allowed, 2)
        for a in one
        for b in other
        if ip_network(a).version == ip_network(b).version
    )
    assert any("belongs to one peer" in each for each in found) == meant
