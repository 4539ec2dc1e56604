"""What pydantic finds wrong with one document, in words that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"vpn": {}}, "spec.vpn: is empty; write 'wireguard' or 'ipsec' below it, or leave 'vpn' out"),
        ({"flowLog": "on"}, "spec.flowLog: must be true or false, not 'on'"),
        ({"type": "swich"}, "spec.type: 'swich' must be 'local' or 'switch'; did you mean 'switch'?"),
        ({"type": ["x"]}, "spec.type: a list must be 'local' or 'switch'"),
        (
            {"zzz": 1},
            "spec.zzz: unknown field 'zzz'; known are: dhcp, dns, flowLog, forward, gateways, ipv6, limits, mtu, nat64, ports, stp, subnets … and 4 more",
        ),
        (
            {"tcp_mss_clamp": True},
            "spec.tcp_mss_clamp: unknown field 'tcp_mss_clamp'; did you mean 'tcpMssClamp'?",
        ),
        ({"dhcp": {"rnage": 1}}, "spec.dhcp.rnage: unknown field 'rnage'; did you mean 'range'?"),
        ({"dhcp": "x"}, "spec.dhcp: must be a mapping, not 'x', for example {range: 10.10.1.50-10.10.1.150}"),
        ({"ports": "eth0"}, "spec.ports: must be a list; write ['eth0']"),
        ({"ports": {"eth0": 1}}, "spec.ports: must be a list"),
        ({"ports": None}, "spec.ports: has no value; give one, or leave the line out, for example [eth0]"),
        ({"subnets": None}, "spec.subnets: has no value; give one, for example [10.10.1.0/24]"),
        (
            {"subnets": []},
            "spec.subnets: is empty; give a subnet such as 10.10.1.0/24, fd00:10:1::/64, or one of each",
        ),
        ({"subnets": [5]}, 'spec.subnets[0]: must be text; 5 is a number unless it is quoted: "5"'),
        (
            {"subnets": ["10.0.0.0/24"] * 2},
            "spec.subnets[1]: 10.0.0.0/24 is the second subnet of IPv4; an instance has at most one of each version",
        ),
        ({"mtu": 1279}, "spec.mtu: 1279 is too small; the least is 1280"),
        ({"mtu": 9217}, "spec.mtu: 9217 is too large; the most is 9216"),
        ({"mtu": True}, "spec.mtu: must be a whole number, not true"),
        ({"mtu": 1500.5}, "spec.mtu: must be a whole number, not 1500.5"),
        ({"tcpMssClamp": "off"}, "spec.tcpMssClamp: must be true or false, not 'off'"),
        (
            {"dns": {"hosts": {"a b": ["1.2.3.4"]}}},
            "spec.dns.hosts.a b: key 'a b' must be a host name: labels of letters, digits and '-', for example printer",
        ),
        (
            {"dns": {"hosts": {"a": ["x"]}}},
            "spec.dns.hosts.a[0]: 'x' is not an IP address such as 10.10.1.1",
        ),
        ({"dns": {"hosts": {"a": []}}}, "spec.dns.hosts.a: the list is empty; give at least 1"),
        (
            {"dns": {"hosts": ["a"]}},
            "spec.dns.hosts: must be a mapping, not a list, for example {printer: [10.10.1.9]}",
        ),
    ],
)
def test_fields(network: Make, faults: Faults, spec: dict[str, Any], expected: str) -> None:
    """A wrong field gives one problem that says what to write."""
    assert faults(network(**spec)) == [f"0 {expected}"]


@pytest.mark.parametrize(
    ("attach", "expected"),
    [
        ({}, "is empty; write exactly one of netns: NAME, pid: NUMBER, container: NAME, tap: true"),
        ({"netns": "a", "tap": True}, "netns and tap exclude each other; write exactly one of"),
    ],
)
def test_attach(app: Make, network: Make, faults: Faults, attach: dict[str, Any], expected: str) -> None:
    """An app is attached in exactly one way."""
    document = app()
    document["spec"]["attach"] = attach
    (fault,) = faults(network(), document)
    assert fault.startswith(f"1 spec.attach: {expected}")


@pytest.mark.parametrize(
    ("attach", "expected"),
    [
        ({"container": "c"}, "attach.container: 'c' must be a container's name or id: 2 to 200 of letters"),
        ({"container": "/app1"}, "attach.container: '/app1' must be a container's name or id"),
        ({"container": "-app1"}, "attach.container: '-app1' must be a container's name or id"),
        ({"container": "app1/../app2"}, "attach.container: 'app1/../app2' must be a container's name or id"),
        ({"container": 4711}, 'attach.container: must be text; 4711 is a number unless it is quoted: "4711"'),
        ({"pid": 1}, "attach.pid: 1 is too small"),
        ({"pid": True}, "attach.pid: must be a whole number, not true"),
        ({"tap": False}, "attach.tap: must be true; leave it out"),
        ({"tap": 1}, "attach.tap: must be true; leave it out"),
    ],
)
def test_attach_fields(
    app: Make, network: Make, faults: Faults, attach: dict[str, Any], expected: str
) -> None:
    """Each way of attaching takes only its own values."""
    (fault,) = faults(network(), app(attach=attach))
    assert fault.startswith(f"1 spec.{expected}")


def test_empty_spec(network: Make, faults: Faults) -> None:
    """A spec without a value, or none at all, is said to be missing."""
    document = network()
    assert faults({**document, "spec": None}) == ["0 spec: has no value; give one"]
    del document["spec"]
    assert faults(document) == ["0 spec: required field 'spec' is missing"]


def test_envelope(network: Make, faults: Faults) -> None:
    """apiVersion and kind are required, and metadata has a name."""
    document = network()
    assert faults({}) == [
        "0 apiVersion: required field 'apiVersion' is missing; write apiVersion: netnsmgr/v1alpha1",
        "0 kind: required field 'kind' is missing; write one of Device, NetworkInstance, App",
    ]
    assert faults({**document, "metadata": {}}) == ["0 metadata.name: required field 'name' is missing"]
    assert faults({**document, "kind": 7})[0].startswith("0 kind: unknown kind '7'; known are: App, Device")
    assert faults({**document, "metadata": {"name": "ni1", "labels": {"a": 1}}}) == [
        '0 metadata.labels.a: must be text; put it in quotes: "1"'
    ]
