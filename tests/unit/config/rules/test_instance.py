"""What an instance must be to itself, to the ports and to other names; each case is what `faults` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"gateways": ["10.10.2.1"]},
            "gateways[0]: gateway 10.10.2.1 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.0"]},
            "gateways[0]: gateway 10.10.1.0 is the network address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.255"]},
            "gateways[0]: gateway 10.10.1.255 is the broadcast address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.9"], "dhcp": {"range": "10.10.1.5-10.10.1.9"}},
            "gateways[0]: gateway 10.10.1.9 is inside the DHCP range 10.10.1.5-10.10.1.9; move one of them",
        ),
        (
            {"dhcp": {"range": "10.10.1.1-10.10.1.9"}},
            "dhcp.range: gateway 10.10.1.1 is inside the DHCP range 10.10.1.1-10.10.1.9; move one of them",
        ),
        (
            {"dhcp": {"range": "10.10.1.5-10.10.2.9"}},
            "dhcp.range: 10.10.2.9 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"dhcp": {"range": "10.10.2.5-10.10.2.5"}},
            "dhcp.range: 10.10.2.5 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"dhcp": {"range": "10.10.1.2-10.10.1.255"}},
            "dhcp.range: 10.10.1.255 is the broadcast address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
    ],
)
def test_addresses_of_an_instance(network: Make, faults: Faults, spec: dict[str, Any], expected: str) -> None:
    """Gateway and DHCP range are hosts of the subnet, and the gateway is not for lease."""
    assert faults(network(**spec)) == [f"0 spec.{expected}"]


def test_ports_of_an_instance(device: Make, network: Make, faults: Faults) -> None:
    """An instance names ports or labels that the Device has; without a Device nothing is known about them."""
    known = device({"name": "eth0", "labels": ["uplink"]}, {"name": "eth1"})
    assert faults(known, network(ports=["eth1", "uplink"])) == []
    assert faults(network(ports=["eth7"])) == []
    assert faults(known, network(ports=["eth0", "eht1", "zzz"])) == [
        "1 spec.ports[1]: unknown port or label 'eht1'; did you mean 'eth1'? Otherwise list 'eht1' in the Device's 'ports'",
        (
            "1 spec.ports[2]: unknown port or label 'zzz'; known are: eth0, eth1, uplink; use one of them, or list 'zzz' "
            "in the Device's 'ports'"
        ),
    ]
    assert faults(device(), before=(known, network(ports=["eth1"]))) == [
        (
            "-1 spec.ports[0]: NetworkInstance 'ni1', applied before: unknown port or label 'eth1'; known are: eth0; "
            "use one of them, or list 'eth1' in the Device's 'ports'"
        )
    ]


def test_reserved_name(network: Make, faults: Faults) -> None:
    """No instance takes the name of the device's own agent."""
    assert faults(network("uplink")) == [
        "0 metadata.name: the name 'uplink' is reserved for the device; choose another"
    ]


def test_host_names(network: Make, app: Make, faults: Faults) -> None:
    """In a network's DNS each name stands for one thing: a static entry, or one interface of one app."""
    nets = network(dns={"hosts": {"printer": ["10.10.1.9"], "App1": ["10.10.1.8"]}})
    what = "host name 'App1' in network 'ni1' is also that of "
    assert faults(nets, app()) == [f"0 spec.dns.hosts.App1: {what}App 'app1'; rename one"]
    assert faults(app(), before=(nets,)) == [f"0 metadata.name: {what}NetworkInstance 'ni1'; rename one"]
    below = network(dns={"hosts": {"app1.internal": ["10.10.1.8"], "app1.example": ["10.10.1.8"]}})
    assert [fault.split(":")[0] for fault in faults(below, app())] == ["0 spec.dns.hosts.app1.internal"]
    assert faults(network(dns={"hosts": {"a": ["10.0.0.1"], "A": ["10.0.0.2"]}})) == [
        "0 spec.dns.hosts.A: host name 'A' is listed twice in different spelling; keep one"
    ]
