"""A VPN in an instance: where it can be, what it leads, and how names are asked for."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

PEER = {"name": "hub", "publicKey": base64.b64encode(bytes(32)).decode(), "endpoint": "203.0.113.1:51820"}
TUNNEL = {"name": "wg0", "peers": [{**PEER, "allowedIps": ["10.20.0.0/24"]}]}
CONNECTION = {
    "name": "cloud1",
    "remote": "198.51.100.1",
    "localAuth": {"psk": {"file": "/etc/netnsmgr/secrets/ni4.psk"}},
    "children": [{"name": "net", "remote": ["10.20.0.0/24"]}],
}


def carrying(*networks: str, name: str = "wg0") -> dict[str, Any]:
    """Make a WireGuard tunnel to networks."""
    return {"name": name, "peers": [{**PEER, "allowedIps": list(networks)}]}


@pytest.fixture
def of(network: Make, faults: Faults) -> Callable[..., list[str]]:
    """Check an instance with a VPN; give the problems."""

    def run(vpn: Any, **spec: Any) -> list[str]:
        return [
            each.removeprefix("0 spec.")
            for each in faults(network(**{"ports": ["eth0"], "vpn": vpn, **spec}))
        ]

    return run


@pytest.mark.parametrize(
    ("vpn", "expected"),
    [
        (
            None,
            "has no value; write 'wireguard' or 'ipsec' below it, or leave the line out, which means no VPN",
        ),
        ({}, "is empty; write 'wireguard' or 'ipsec' below it, or leave 'vpn' out"),
        (
            {"wireguard": None, "ipsec": None},
            "is empty; write 'wireguard' or 'ipsec' below it, or leave 'vpn' out",
        ),
        ({"rest": "direct"}, "is empty; write 'wireguard' or 'ipsec' below it, or leave 'vpn' out"),
    ],
)
def test_empty(of: Callable[..., list[str]], vpn: Any, expected: str) -> None:
    """Whoever began to protect something is not left in clear."""
    assert of(vpn) == [f"vpn: {expected}"]


@pytest.mark.parametrize(
    ("vpn", "expected"),
    [
        (
            {"ipsec": [CONNECTION]},
            "ipsec: the list belongs below 'connections'; write ipsec: {connections: […]}",
        ),
        (
            {"wireguard": [TUNNEL]},
            "wireguard: the list belongs below 'tunnels'; write wireguard: {tunnels: […]}",
        ),
        ({"ipsec": {}}, "ipsec.connections: required field 'connections' is missing"),
        (
            {"wireguard": {"tunnels": []}},
            "wireguard.tunnels: the list is empty; give at least 1, for example [{name: wg0}]",
        ),
        (
            {"wireguard": "wg0"},
            "wireguard: must be a mapping, not 'wg0', for example {tunnels: [{name: wg0}]}",
        ),
    ],
)
def test_nesting(of: Callable[..., list[str]], vpn: Any, expected: str) -> None:
    """Tunnels stand in a list below the kind, so that what holds for all of them has its place beside it."""
    assert of(vpn) == [f"vpn.{expected}"]


def test_where(of: Callable[..., list[str]], device: Make, switch: Make, faults: Faults) -> None:
    """A VPN is one of a local instance with ports and ordinary translation."""
    vpn = {"wireguard": {"tunnels": [TUNNEL]}}
    assert of(vpn) == []
    assert of(vpn, ports=[]) == ["vpn: tunnels need a port to the outside; add 'ports', or leave 'vpn' out"]
    assert of({**vpn, "ipsec": {"connections": [CONNECTION]}}) == [
        (
            "vpn.ipsec: 'wireguard' and 'ipsec' exclude each other; keep one, and make a second instance for the other"
        )
    ]
    assert faults(device(), switch("sw1", "eth0", vpn=vpn)) == [
        (
            "1 spec.vpn: a switch has no 'vpn': its apps use the router of the segment that its ports extend; "
            "leave it out, or write type: local"
        )
    ]
    six = {"wireguard": {"tunnels": [carrying("::/0")]}}
    assert of(six, subnets=["fd00:10:1::/64"]) == []
    assert of(six, subnets=["fd00:10:1::/64"], nat64={}) == [
        (
            "nat64: 'nat64' and 'vpn' exclude each other; give the instance a subnet of IPv4, or leave one of them out"
        )
    ]


@pytest.mark.parametrize("uplink", ["routed", "npt", "delegated", "ndpProxy"])
def test_ways_of_ipv6(of: Callable[..., list[str]], uplink: str) -> None:
    """IPv6 that is known outside by other addresses than the ports' is not for tunnels."""
    subnets = ["10.10.1.0/24"] if uplink == "delegated" else ["10.10.1.0/24", "fd00:10:1::/64"]
    assert of({"wireguard": {"tunnels": [TUNNEL]}}, subnets=subnets, ipv6={"uplink": uplink}) == [
        (
            f"ipv6.uplink: '{uplink}' and 'vpn' exclude each other: what leaves by a tunnel is known outside by no "
            "address of a port; leave 'uplink' out"
        )
    ]


@pytest.mark.parametrize(
    ("led", "expected"),
    [
        (
            "10.10.1.0/24",
            "is the instance's own subnet, which is not behind a tunnel; change the subnet, or leave it out",
        ),
        (
            "10.10.1.128/25",
            "is part of 10.10.1.0/24, the instance's own subnet, which is not behind a tunnel; change the subnet, or leave it out",
        ),
        (
            "169.254.100.0/22",
            "is the device's linkPool, which is not behind a tunnel; set the Device's linkPool, or leave it out",
        ),
        (
            "169.254.101.4/31",
            (
                "is part of 169.254.100.0/22, the device's linkPool, which is not behind a tunnel; "
                "set the Device's linkPool, or leave it out"
            ),
        ),
        (
            "127.0.0.0/8",
            "is part of 127.0.0.0/8, which no packet goes to by way of a router (loopback, link-local, multicast); leave it out",
        ),
        (
            "224.0.0.5/32",
            "is part of 224.0.0.0/4, which no packet goes to by way of a router (loopback, link-local, multicast); leave it out",
        ),
        (
            "169.254.7.0/30",
            "is part of 169.254.0.0/16, which no packet goes to by way of a router (loopback, link-local, multicast); leave it out",
        ),
        ("169.254.169.254/32", "is the metadata service, which every instance has itself; leave it out"),
    ],
)
def test_led(of: Callable[..., list[str]], led: str, expected: str) -> None:
    """What is the instance's own, or the device's, is not behind a tunnel."""
    assert of({"wireguard": {"tunnels": [carrying(led)]}}) == [
        f"vpn.wireguard.tunnels[0].peers[0].allowedIps[0]: {led} {expected}"
    ]
    child = {"name": "net", "remote": ["0.0.0.0/0"], "routes": [led]}
    assert of({"ipsec": {"connections": [{**CONNECTION, "children": [child]}]}}) == [
        f"vpn.ipsec.connections[0].children[0].routes[0]: {led} {expected}"
    ]


def test_wider_is_right(of: Callable[..., list[str]]) -> None:
    """What is wider than the instance's own is right: the instance's goes first."""
    assert of({"wireguard": {"tunnels": [carrying("0.0.0.0/0", "::/0")]}}) == []
    assert of({"wireguard": {"tunnels": [carrying("10.0.0.0/8", "168.0.0.0/6")]}}) == []


def test_two_tunnels(of: Callable[..., list[str]]) -> None:
    """A destination is behind one tunnel; a narrower one goes first."""
    assert of({"wireguard": {"tunnels": [TUNNEL, carrying("10.20.0.0/24", name="wg1")]}}) == [
        (
            "vpn.wireguard.tunnels[1].peers[0].allowedIps[0]: 10.20.0.0/24 is led into tunnel 'wg0' already, and a packet goes "
            "into one tunnel; make them apart, or use an instance for each"
        )
    ]
    assert of({"wireguard": {"tunnels": [TUNNEL, carrying("0.0.0.0/0", name="wg1")]}}) == []


def test_two_instances(network: Make, faults: Faults) -> None:
    """Instances with one and the same VPN are what namespaces are for."""
    vpn = {"ipsec": {"connections": [CONNECTION]}}
    assert faults(network(ports=["eth0"], vpn=vpn), network("ni2", ports=["eth0"], vpn=vpn)) == []


def test_dns(of: Callable[..., list[str]]) -> None:
    """Each server is asked through a tunnel, or none is."""
    inside, outside = {"servers": ["10.20.0.53"]}, {"servers": ["9.9.9.9"]}
    vpn = {"wireguard": {"tunnels": [TUNNEL]}}
    assert of(vpn, dns=inside) == []
    assert of(vpn, dns=outside) == [
        (
            "dns.servers[0]: DNS server 9.9.9.9 is in no network of the tunnels, and with 'vpn.dns: tunnel' it is asked "
            "through one; name a server behind a tunnel, add it to 'allowedIps', or write 'vpn.dns: direct' to ask in clear"
        )
    ]
    assert of({"wireguard": {"tunnels": [carrying("0.0.0.0/0")]}}, dns=outside) == []
    assert of({**vpn, "dns": "direct"}, dns=outside) == []
    assert of({"wireguard": {"tunnels": [carrying("0.0.0.0/0")]}, "dns": "direct"}, dns=outside) == []
    assert of({**vpn, "dns": "direct"}, dns=inside) == [
        (
            "dns.servers[0]: DNS server 10.20.0.53 is behind tunnel 'wg0' (10.20.0.0/24), and with 'vpn.dns: direct' it "
            "would be asked in clear; write 'vpn.dns: tunnel', or leave it out"
        )
    ]


def test_dns_by_ipsec(of: Callable[..., list[str]]) -> None:
    """A server is asked from the gateway's address, which a child has to carry."""
    inside = {"servers": ["10.20.0.53"]}
    assert of({"ipsec": {"connections": [CONNECTION]}}, dns=inside) == []
    half = {
        **CONNECTION,
        "children": [{"name": "net", "local": ["10.10.1.128/25"], "remote": ["10.20.0.0/24"]}],
    }
    assert of({"ipsec": {"connections": [half]}}, dns=inside) == [
        (
            "dns.servers[0]: DNS server 10.20.0.53 is asked from the gateway 10.10.1.1, which is in no 'local' of the "
            "children that lead there; add it"
        )
    ]
    assert of({"ipsec": {"connections": [half]}}, dns=inside, gateways=["10.10.1.254"]) == []
    assert of({"ipsec": {"connections": [{**CONNECTION, "virtualIp": True}]}}, dns=inside) == []


def test_words(of: Callable[..., list[str]]) -> None:
    """A word that is none says what was meant."""
    assert of({"wireguard": {"tunnels": [TUNNEL]}, "rest": "drop"}) == [
        "vpn.rest: 'drop' must be 'block' or 'direct'"
    ]
    assert of({"wiregard": [TUNNEL]}) == ["vpn.wiregard: unknown field 'wiregard'; did you mean 'wireguard'?"]


def test_names_in_rules(network: Make, app: Make, faults: Faults) -> None:
    """A name in a rule is one that the instance may come to know: by tunnels, where it has a server to ask."""
    named = app("app1", {"acl": [{"id": 1, "match": {"host": "example.com"}}]})
    found = faults(network(ports=["eth0"], vpn={"wireguard": {"tunnels": [TUNNEL]}}), named)
    assert [each.partition(", so that")[0] for each in found] == [
        (
            "1 spec.interfaces[0].acl[0].match.host: no address of 'example.com' can become known: network 'ni1' asks names "
            "only by its tunnels and has no dns.servers"
        )
    ]
    for more, dns in (({"dns": "direct"}, {}), ({}, {"servers": ["10.20.0.53"]})):
        assert (
            faults(network(ports=["eth0"], vpn={"wireguard": {"tunnels": [TUNNEL]}, **more}, dns=dns), named)
            == []
        )
    virtual = {"ipsec": {"connections": [{**CONNECTION, "virtualIp": True}]}}
    assert faults(network(ports=["eth0"], vpn=virtual), named) == [], "the other end may tell servers"
