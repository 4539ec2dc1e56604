"""What IPv6 must be in an instance, its applications and the device's ports; each case is what `faults` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
SIX = "fd00:10:1::/64"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"subnets": ["fd00:10:1::/80"]},
            (
                "subnets[0]: fd00:10:1::/80 is no /64, so that apps cannot make their own addresses (SLAAC); "
                "use a /64, or 'ipv6: {addressing: stateful}' with 'dhcp: {}'"
            ),
        ),
        (
            {"subnets": [SIX, "fd00:10:2::/64"]},
            "subnets[1]: fd00:10:2::/64 is the second subnet of IPv6; an instance has at most one of each version",
        ),
        (
            {"subnets": [SIX], "gateways": ["fd00:10:2::1"]},
            (
                "gateways[0]: gateway fd00:10:2::1 is outside the subnet fd00:10:1::/64; "
                "use fd00:10:1::1 to fd00:10:1:0:ffff:ffff:ffff:ffff"
            ),
        ),
        (
            {"subnets": [SIX], "gateways": ["10.10.1.1"]},
            (
                "gateways[0]: gateway 10.10.1.1 is IPv4, and the instance has no such subnet; leave it out, "
                "or add one to 'subnets'"
            ),
        ),
        (
            {"subnets": [SIX], "dhcp": {"range": "10.10.1.5-10.10.1.9"}},
            "dhcp.range: the instance has no subnet of IPv4; leave 'range' out",
        ),
        (
            {"subnets": [SIX], "dhcp": {"range6": "fd00:10:1::5-fd00:10:1::9"}},
            (
                "dhcp.range6: only 'ipv6.addressing: stateful' gives addresses, and here it is 'stateless'; set that, "
                "or leave it out"
            ),
        ),
        (
            {"subnets": [SIX], "ipv6": {"addressing": "stateful"}},
            "ipv6.addressing: 'stateful' needs a DHCP server; add 'dhcp: {}'",
        ),
        (
            {
                "subnets": ["fd00:10::/48"],
                "gateways": ["fd00:10:0:5::1"],
                "dhcp": {},
                "ipv6": {"addressing": "stateful"},
            },
            (
                "subnets[0]: DHCPv6 gives addresses of fd00:10:0:5::/64 alone, where the gateway is; "
                "fd00:10::1000-fd00:10::1fff is elsewhere: move 'gateways' or 'dhcp.range6'"
            ),
        ),
        (
            {"subnets": [SIX], "ports": ["eth0"], "ipv6": {"uplink": "delegated"}},
            (
                "subnets[0]: with 'uplink: delegated' the network behind the port gives the prefix; "
                "leave fd00:10:1::/64 out of 'subnets'"
            ),
        ),
        (
            {"subnets": [], "ipv6": {"uplink": "delegated"}},
            "ipv6.uplink: 'delegated' needs a port whose network gives the prefix; add 'ports', or write a subnet",
        ),
        (
            {"ports": ["eth0"], "subnets": [SIX], "ipv6": {"uplink": "npt", "prefix": "2001:db8::/56"}},
            "ipv6.prefix: prefix 2001:db8::/56 must be as long as the subnet fd00:10:1::/64: /64",
        ),
        (
            {"subnets": [SIX], "ipv6": {"prefix": "2001:db8::/64"}},
            "ipv6.prefix: only 'uplink: npt' has a prefix outside; set that, or leave 'prefix' out",
        ),
        (
            {"subnets": [SIX], "dhcp": {"range6": "::5-::9"}, "ipv6": {"addressing": "stateful"}},
            "dhcp.range6: ::5 is outside the subnet fd00:10:1::/64; use fd00:10:1::1 to fd00:10:1:0:ffff:ffff:ffff:ffff",
        ),
        (
            {"subnets": [SIX], "ipv6": {"uplink": "ndpproxy"}},
            (
                "ipv6.uplink: 'ndpproxy' must be 'nat66', 'npt', 'routed', 'ndpProxy' or 'delegated'; "
                "did you mean 'ndpProxy'?"
            ),
        ),
        (
            {"subnets": [SIX], "ipv6": {"uplink": "bgp"}},
            "ipv6.uplink: 'bgp' must be 'nat66', 'npt', 'routed', 'ndpProxy' or 'delegated'",
        ),
        *(
            (
                {"subnets": [SIX], "ipv6": {"uplink": uplink}},
                f"ipv6.uplink: '{uplink}' needs a port to the outside; add 'ports', or leave 'uplink' out",
            )
            for uplink in ("routed", "npt", "ndpProxy")
        ),
        (
            {"ipv6": {"addressing": "slaac"}},
            "ipv6: the instance has no subnet of IPv6; add one to 'subnets', such as fd00:10:1::/64",
        ),
        (
            {"ports": ["eth0"], "subnets": ["10.10.1.0/24", SIX], "nat64": {}},
            "nat64: NAT64 is for instances without IPv4, and this one has 10.10.1.0/24; remove one of them",
        ),
        (
            {"ports": ["eth0"], "subnets": [SIX], "nat64": {"prefix": "fd00:10:1::/96"}},
            "nat64.prefix: prefix fd00:10:1::/96 overlaps the subnet fd00:10:1::/64; give another in 'nat64.prefix'",
        ),
        (
            {"subnets": [SIX], "nat64": {}},
            "nat64: NAT64 needs a port to the outside; add 'ports', or remove 'nat64'",
        ),
    ],
)
def test_an_instance_is_refused(network: Make, faults: Faults, spec: dict[str, Any], expected: str) -> None:
    """What cannot work together is said where it is written, with what to write instead."""
    assert faults(network(**spec)) == [f"0 spec.{expected}"]


@pytest.mark.parametrize(
    "spec",
    [
        {"subnets": ["10.10.1.0/24", SIX], "dhcp": {}},
        {"subnets": [SIX, "10.10.1.0/24"], "gateways": ["fd00:10:1::9", "10.10.1.9"]},
        {
            "subnets": ["fd00:10:1::/112"],
            "dhcp": {"range6": "fd00:10:1::5-fd00:10:1::9"},
            "ipv6": {"addressing": "stateful"},
        },
        {"subnets": [], "ports": ["eth0"], "ipv6": {"uplink": "delegated"}},
        {"subnets": ["10.10.1.0/24"], "ports": ["eth0"], "ipv6": {"uplink": "delegated"}},
        {"subnets": [SIX], "ports": ["eth0"], "nat64": {}},
        {"subnets": [SIX], "ports": ["eth0"], "ipv6": {"uplink": "npt"}},
    ],
)
def test_an_instance_is_taken(network: Make, faults: Faults, spec: dict[str, Any]) -> None:
    """IPv4, IPv6 or both, in either order."""
    assert faults(network(**spec)) == []


def test_subnets_are_left_out_only_where_they_are_delegated(network: Make, faults: Faults) -> None:
    """There is no subnet to write then; otherwise it is missing, and that is said once."""

    def without(**spec: Any) -> dict[str, Any]:
        document = network(ports=["eth0"], **spec)
        del document["spec"]["subnets"]
        return document

    assert faults(without(ipv6={"uplink": "delegated"})) == []
    missing = (
        "0 spec.subnets: required field 'subnets' is missing; "
        "for example subnets: [10.10.1.0/24] or [10.10.1.0/24, fd00:10:1::/64]"
    )
    assert faults(without()) == [missing]
    assert faults(without(ipv6={"addressing": "slaac"})) == [missing]


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        (
            {"address6": "10.10.1.9"},
            "'10.10.1.9' is IPv4, and this is for IPv6; write for example fd00:10:1::1",
        ),
        ({"address6": "fd00:10:1::1"}, "address fd00:10:1::1 is the gateway of network 'ni1'; give another"),
        (
            {"address6": "fd00:10:2::5"},
            (
                "address fd00:10:2::5 is outside the subnet fd00:10:1::/64; "
                "use fd00:10:1::1 to fd00:10:1:0:ffff:ffff:ffff:ffff (network 'ni1')"
            ),
        ),
    ],
)
def test_a_fixed_address_fits(
    network: Make, faults: Faults, interface: dict[str, Any], expected: str
) -> None:
    """An application's IPv6 address is one of its network's, and nobody else's."""
    app = {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "App",
        "metadata": {"name": "app1"},
        "spec": {
            "attach": {"netns": "app1"},
            "interfaces": [{"name": "eth0", "network": "ni1", **interface}],
        },
    }
    assert faults(network(subnets=[SIX]), app) == [f"1 spec.interfaces[0].address6: {expected}"]


def test_a_port_takes_both_versions(device: Make, faults: Faults) -> None:
    """Addresses and gateways of both versions mix, a router's may be link-local; what excludes each other is said."""
    port = {
        "name": "eth0",
        "addresses": ["192.168.0.2/24", "2001:db8::2/64"],
        "gateways": ["192.168.0.1", "fe80::1"],
    }
    assert faults(device(port)) == []
    assert faults(device(port | {"dhcp6": True})) == [
        "0 spec.ports[0].addresses: static addresses of IPv6 and 'dhcp6: true' exclude each other; keep one"
    ]
    assert faults(device(port | {"gateways": ["2001:db8:1::1"]})) == [
        (
            "0 spec.ports[0].gateways[0]: gateway 2001:db8:1::1 is outside the port's subnet 2001:db8::/64; "
            "give one inside it"
        )
    ]


def test_the_pool_of_links(device: Make, network: Make, faults: Faults) -> None:
    """The links' IPv6 addresses are nobody else's, and enough for the instances that need them."""
    assert faults(device(linkPool6="fd00:10:1::/112"), network(subnets=[SIX])) == [
        (
            "0 spec.linkPool6: linkPool6 fd00:10:1::/112 overlaps the subnet of ni1 (fd00:10:1::/64); "
            "use a range that nobody uses"
        )
    ]
    small = device(linkPool6="fd00:9::/128")
    assert faults(small, network()) == []
    assert faults(small, network(subnets=[SIX])) == [
        (
            "0 spec.linkPool6: linkPool6 fd00:9::/128 is too small for 1 instances with two addresses each; "
            "use at least a /127"
        )
    ]
