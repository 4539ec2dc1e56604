"""Subnets that are not translated, against the networks of their ports: refused where nothing could come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
PORT = {"name": "eth0", "addresses": ["192.168.0.2/24", "2001:db8::2/64"], "gateways": ["2001:db8::1"]}
LINK = "2001:db8::/64"
SIX = "fd00:10:1::/64"
STATEFUL = "with 'dhcp: {}' and 'addressing: stateful'"


def instance(network: Make, subnet: str, uplink: str, name: str = "ni1", **spec: Any) -> dict[str, Any]:
    """One that is taken for its own sake."""
    how = {"uplink": uplink, "addressing": "stateful"}
    return network(name, **{"ports": ["eth0"], "subnets": [subnet], "dhcp": {}, "ipv6": how, **spec})


def test_proxied_elsewhere(device: Make, network: Make, faults: Faults) -> None:
    """The device would answer for no address of it: nobody asks on the port's link."""
    assert faults(device(PORT), instance(network, SIX, "ndpProxy")) == [
        (
            "1 spec.subnets[0]: with 'uplink: ndpProxy' the subnet has to be part of the network of a port "
            f"(2001:db8::/64); use 'uplink: routed', or a part of that, such as 2001:db8::1:0:0/96 {STATEFUL}"
        )
    ]


def test_the_whole_link(device: Make, network: Make, faults: Faults) -> None:
    """Where the device's neighbours are, applications are not; what is proposed instead is taken."""
    itself = "1 spec.subnets[0]: 2001:db8::/64 is the network of port 'eth0' itself"
    assert faults(device(PORT), instance(network, LINK, "ndpProxy")) == [
        f"{itself}, where others are, too; use a smaller part, such as 2001:db8::1:0:0/96 {STATEFUL}"
    ]
    assert faults(device(PORT), instance(network, LINK, "routed")) == [
        (
            f"{itself}, so that nobody routes it to the device; use another subnet, or 'uplink: ndpProxy' with a part of it, "
            "such as 2001:db8::1:0:0/96"
        )
    ]
    assert faults(device(PORT), instance(network, "2001:db8::1:0:0/96", "ndpProxy")) == []


@pytest.mark.parametrize(
    ("address", "gateway", "part"),
    [
        ("2001:db8::1:0:2/64", "2001:db8::2:0:1", "2001:db8::4:0:0/96"),
        ("2001:db8::2/112", "2001:db8::1", "2001:db8::1000/116"),
        ("2001:db8::2/125", "2001:db8::5", ""),
        ("2001:db8::6/125", "2001:db8::5", ""),
        ("2001:db8::2/125", "2001:db8::1", "2001:db8::4/126"),
    ],
)
def test_the_part_is_free(
    device: Make, network: Make, faults: Faults, address: str, gateway: str, part: str
) -> None:
    """Neither the port nor its router nor another instance is in what is proposed; where there is nothing, nothing is."""
    port = PORT | {"addresses": [address], "gateways": [gateway]}
    other = instance(network, "2001:db8::3:0:0/96", "nat66", "ni2")
    (said,) = faults(device(port), instance(network, SIX, "ndpProxy"), other)
    assert said.partition("a part of that")[2] == (f", such as {part} {STATEFUL}" if part else "")


@pytest.mark.parametrize(
    ("ports", "subnet", "uplink"),
    [
        ([PORT], LINK, "nat66"),
        ([PORT], SIX, "routed"),
        ([PORT], "2001:db8::1:0:0/96", "routed"),
        ([{"name": "eth0"}], SIX, "ndpProxy"),
        ([{"name": "eth0", "slaac": True}], SIX, "ndpProxy"),
        ([PORT, {"name": "eth1", "labels": ["wan"]}], SIX, "ndpProxy"),
        (
            [PORT, {"name": "eth1", "labels": ["wan"], "addresses": ["fd00:10:1::2/48"]}],
            SIX,
            "ndpProxy",
        ),
        ([{"name": "eth0", "addresses": ["192.168.0.2/24"], "dhcp6": True}], SIX, "ndpProxy"),
    ],
)
def test_taken(
    device: Make, network: Make, faults: Faults, ports: list[dict[str, Any]], subnet: str, uplink: str
) -> None:
    """Translated ones are nobody's affair; and what a port has is known only where its addresses are written."""
    words = ["eth0", "wan"][: len(ports)]
    assert faults(device(*ports), instance(network, subnet, uplink, ports=words)) == []
