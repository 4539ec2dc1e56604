"""The kinds: defaults, what follows from a document, and the way back to YAML."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netnsmgr.config import (
    App,
    Config,
    Device,
    NetworkInstance,
    Port,
    hostnames,
    mac_of,
    parse,
    parse_document,
)
from netnsmgr.config.common import Model
from netnsmgr.config.device import link_addresses
from netnsmgr.config.tree import fields
from netnsmgr.config.whole import KINDS

Make = Callable[..., dict[str, Any]]


def instance(document: dict[str, Any]) -> NetworkInstance:
    found = parse_document(document)
    assert isinstance(found, NetworkInstance)
    return found


def test_instance_defaults(network: Make) -> None:
    """An instance of a subnet alone has the first address, is air-gapped, has DNS and no DHCP server."""
    ni = instance(network())
    assert (ni.name, ni.subnet4, ni.subnet6) == ("ni1", IPv4Network("10.10.1.0/24"), None)
    assert (str(ni.gateway_in(ni.spec.subnets[0])), ni.air_gapped, ni.spec.dhcp, ni.domain) == (
        "10.10.1.1",
        True,
        None,
        "internal",
    )
    assert (ni.spec.dns.hosts, ni.spec.tcp_mss_clamp, ni.lease_seconds) == ({}, True, 3600)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"dhcp": {}}, "10.10.1.2-10.10.1.254"),
        ({"dhcp": {}, "gateways": ["10.10.1.254"]}, "10.10.1.1-10.10.1.253"),
        ({"dhcp": {}, "gateways": ["10.10.1.100"]}, "10.10.1.101-10.10.1.254"),
        ({"dhcp": {}, "gateways": ["10.10.1.200"]}, "10.10.1.1-10.10.1.199"),
        ({"dhcp": {}, "subnets": ["10.0.0.4/30"]}, "10.0.0.6-10.0.0.6"),
        ({"dhcp": {"range": "10.10.1.50-10.10.1.60"}}, "10.10.1.50-10.10.1.60"),
        ({"dhcp": {}, "subnets": ["fd00::/64"]}, "fd00::1000-fd00::1fff"),
        ({"dhcp": {}, "subnets": ["fd00::/64"], "gateways": ["fd00::1001"]}, "fd00::2000-fd00::2fff"),
        ({"dhcp": {}, "subnets": ["fd00::/124"]}, "fd00::2-fd00::e"),
        ({"dhcp": {"range6": "fd00::50-fd00::60"}, "subnets": ["fd00::/64"]}, "fd00::50-fd00::60"),
    ],
)
def test_dhcp_range(network: Make, spec: dict[str, Any], expected: str) -> None:
    """The DHCP range is the one written, otherwise the longer part of the subnet beside the gateway."""
    ni = instance(network(**spec))
    assert str(ni.dhcp_range(ni.spec.subnets[-1])) == expected


def test_lease_time_and_domain(network: Make) -> None:
    """Lease time comes in seconds, the domain as written."""
    ni = instance(network(dhcp={"leaseTime": "12h", "domain": "plant.example"}))
    assert (ni.lease_seconds, ni.domain) == (43200, "plant.example")


def test_ports() -> None:
    """Ports are matched by name or by label, each once, in the device's order."""
    ports = [
        Port(name="a", labels=("up", "x")),
        Port(name="b", interface="eth7"),
        Port(name="c", labels=("up",)),
    ]
    device = Device.model_validate({"metadata": {"name": "edge"}, "spec": {"ports": ports}})
    assert [port.name for port in device.match_ports(["up", "b", "a", "none"])] == ["a", "b", "c"]
    assert [port.ifname for port in device.match_ports(["a", "b"])] == ["a", "eth7"]
    assert device.match_ports([]) == []
    assert device.port("none") is None


def test_link_addresses(device: Make) -> None:
    """Each instance's link has a /31 of the pool to itself; a pool that is used up is an error."""
    found = parse_document(device())
    assert isinstance(found, Device)
    assert link_addresses(found.spec.link_pool, 0) == (
        IPv4Address("169.254.100.0"),
        IPv4Address("169.254.100.1"),
    )
    assert link_addresses(found.spec.link_pool, 511) == (
        IPv4Address("169.254.103.254"),
        IPv4Address("169.254.103.255"),
    )
    for number in (512, -1):
        with pytest.raises(IndexError):
            link_addresses(found.spec.link_pool, number)


@given(st.integers(0, 127), st.integers(0, 127))
def test_links_do_not_meet(one: int, other: int) -> None:
    """Two links share no address."""
    pool = IPv4Network("10.255.0.0/24")
    assert one == other or not set(link_addresses(pool, one)) & set(link_addresses(pool, other))


def test_mac() -> None:
    """A made MAC address is always the same, is locally administered, and differs by each of its names."""
    mac = mac_of("app1", "ni1", "eth0")
    assert mac == "02:16:3e:4c:52:db"
    assert (
        len(
            {mac, mac_of("app2", "ni1", "eth0"), mac_of("app1", "ni2", "eth0"), mac_of("app1", "ni1", "eth1")}
        )
        == 4
    )


def test_mac_for(app: Make) -> None:
    """A given MAC address goes before a made one."""
    found = parse_document(app("app1", {"mac": "02:00:00:00:00:01"}, {"name": "eth1"}))
    assert isinstance(found, App)
    assert [interface.mac_for("app1") for interface in found.spec.interfaces] == [
        "02:00:00:00:00:01",
        mac_of("app1", "ni1", "eth1"),
    ]


def test_hostnames(network: Make, app: Make) -> None:
    """An app's first interface in a network has its name, each further one the interface's name behind it."""
    config = parse(
        [
            network("ni1"),
            network("ni2"),
            app(
                "app1",
                {},
                {"name": "eth1"},
                {"name": "Eth_2.7", "network": "ni1"},
                {"name": "x", "network": "ni2"},
            ),
            app("app2"),
        ]
    )
    assert hostnames(config, "ni1") == {
        ("app1", "eth0"): "app1",
        ("app1", "eth1"): "app1-eth1",
        ("app1", "Eth_2.7"): "app1-eth-2-7",
        ("app2", "eth0"): "app2",
    }
    assert hostnames(config, "ni2") == {("app1", "x"): "app1"}
    assert hostnames(config, "ni3") == {}


def test_link_pool_without_device(device: Make) -> None:
    """While no Device is known, its default pool counts."""
    assert str(Config().link_pool) == "169.254.100.0/22"
    assert str(parse([device(linkPool="10.255.0.0/24")]).link_pool) == "10.255.0.0/24"


def test_frozen(network: Make) -> None:
    """A document's value does not change."""
    with pytest.raises(ValidationError):
        instance(network()).spec.mtu = 1500  # type: ignore[misc]


def test_round_trip(device: Make, network: Make, switch: Make, app: Make) -> None:
    """Written out as JSON and read again, each kind is the same."""
    documents = [
        device(
            {
                "name": "wan",
                "interface": "eth0",
                "labels": ["up"],
                "addresses": ["192.168.0.2/24"],
                "mtu": 1500,
            }
        ),
        network(ports=["wan"], dhcp={"range": "10.10.1.5-10.10.1.9"}, dns={"hosts": {"p": ["10.10.1.2"]}}),
        app("app1", {"mac": "02:00:00:00:00:01", "address": "10.10.1.20"}, attach={"tap": True}),
        device({"name": "eth0", "shared": True}, {"name": "v", "vlan": {"parent": "eth1", "id": 4094}}),
        switch(
            "sw1",
            "wan",
            vlans={"wan": {"trunk": [100, 200]}},
            stp={"bpduGuard": ["wan"], "priority": 4096},
            forward=["lldp", 7],
        ),
        app("app2", {"vlan": {"access": 100}, "etherTypes": ["profinet", 0x88A4]}),
    ]
    for document in documents:
        value = parse_document(document)
        again = value.model_dump(mode="json")
        assert parse_document(again) == value
        assert (
            again["spec"].items() >= {k: v for k, v in document["spec"].items() if isinstance(v, str)}.items()
        )


def models(model: type[Model]) -> set[type[Model]]:
    return {model}.union(
        *(models(field.model) for field in fields(model).values() if field.model is not None)
    )


def test_every_field_is_documented() -> None:
    """Every field of every kind says what it is, in a sentence."""
    for model in set().union(*map(models, KINDS.values())):
        for field in fields(model).values():
            assert re.search(r"\.$|`$", field.description), f"{model.__name__}.{field.name}"
