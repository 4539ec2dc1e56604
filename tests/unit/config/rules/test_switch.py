"""Whose a port of the device is once a switch uses it, and what meets in the switch's namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

SHARE = "write 'shared: true' at the port, in the Device, or give the switch another port"
AWAY = "and switch 'sw1' takes it away from the device; " + SHARE


def test_what_is_right(device: Make, switch: Make, network: Make, app: Make, faults: Faults) -> None:
    """A switch without ports, with a moved one, with a shared one beside others, and with several by a label."""
    ports = (
        {"name": "eth0", "addresses": ["192.168.0.2/24"], "gateways": ["192.168.0.1"], "shared": True},
        {"name": "eth3", "interface": "enp3s0"},
        {"name": "eth4", "labels": ["field"]},
        {"name": "eth5", "labels": ["field"]},
        {"name": "eth6"},
        {"name": "plant", "interface": "eth6.100", "vlan": {"parent": "eth6", "id": 100}, "mtu": 1500},
    )
    assert (
        faults(
            device(*ports, management="eth0"),
            switch("sw0"),
            switch("sw1", "eth3", mtu=9000, dns={"servers": ["9.9.9.9"]}, flowLog=True),
            switch(
                "sw2",
                "field",
                vlans={
                    "field": {"trunk": [100]},
                },
                stp={"bpduGuard": ["eth4"], "priority": 4096},
            ),
            switch("sw3", "eth0", forward=["lldp", "eapol", 8]),
            switch("sw4", "plant"),
            network("ni1", ports=["eth0"]),
            network("ni2", ports=["eth6"]),
            app(
                "app1",
                {
                    "network": "sw1",
                    "etherTypes": ["profinet", 0x88A4],
                    "acl": [{"id": 1, "match": {"host": "x.y"}}],
                },
            ),
            app("app2", {"network": "sw2", "vlan": {"access": 100}}, {"name": "eth1", "network": "sw2"}),
        )
        == []
    )


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((["eth3"], ["eth3"]), "port 'eth3' is already"),
        ((["eth3"], ["eth4", "field"]), "port 'eth3' (label 'field') is already"),
    ],
)
def test_in_two_switches(device: Make, switch: Make, faults: Faults, ports: Any, expected: str) -> None:
    """A port is of one switch, however it is named, and even if it is shared."""
    known = device({"name": "eth3", "labels": ["field"], "dhcp": True, "shared": True}, {"name": "eth4"})
    one, other = switch("sw1", *ports[0]), switch("sw2", *ports[1])
    n = len(ports[1]) - 1
    what = f"{expected} that of switch 'sw1', and a port is of one switch only; "
    what += "give this one another port, or attach its apps to 'sw1'"
    assert faults(known, one, other) == [f"2 spec.ports[{n}]: {what}"]
    renamed = "'sw1' was applied before and is not in what is being applied: if this one takes its place, delete it, "
    renamed += "or apply with --prune"
    assert faults(other, before=(known, one)) == [f"0 spec.ports[{n}]: {what}. {renamed}"]
    # The one that is being written is at fault.
    found = faults(one, before=(known, other))
    assert [each[:40] for each in found] == ["0 spec.ports[0]: port 'eth3' is already "]


@pytest.mark.parametrize(
    ("port", "spec", "what"),
    [
        ({"addresses": ["192.168.3.2/24"]}, {}, "is used by the device itself ('addresses')"),
        ({"dhcp": True}, {}, "is used by the device itself ('dhcp')"),
        ({"slaac": True}, {}, "is used by the device itself ('slaac')"),
        ({"dhcp6": True}, {}, "is used by the device itself ('dhcp6')"),
        ({"gateways": ["192.168.3.1"]}, {}, "is used by the device itself ('gateways')"),
        ({}, {"management": "eth3"}, "is the device's management port"),
    ],
)
def test_the_devices_own(device: Make, switch: Make, faults: Faults, port: Any, spec: Any, what: str) -> None:
    """What the device itself uses has to be shared."""
    known = device({"name": "eth3", **port}, **spec)
    assert faults(known, switch("sw1", "eth3")) == [f"1 spec.ports[0]: port 'eth3' {what}, {AWAY}"]
    # With the switch applied before, the Device is at fault.
    assert faults(known, before=(switch("sw1", "eth3"),)) == [f"0 spec.ports[0]: port 'eth3' {what}, {AWAY}"]


def test_of_a_local_network(device: Make, switch: Make, network: Make, faults: Faults) -> None:
    """What a local network leaves by has to be shared, by name or by label; its only port above all."""
    known = device({"name": "eth3", "labels": ["up"]}, {"name": "eth4", "labels": ["up"]})
    mine = switch("sw1", "eth3")
    assert faults(known, mine, network(ports=["eth3"])) == [
        f"1 spec.ports[0]: port 'eth3' is also that of local network 'ni1', which has no other port, {AWAY}"
    ]
    assert faults(known, mine, network(ports=["up"])) == [
        f"1 spec.ports[0]: port 'eth3' is also that of local network 'ni1', {AWAY}"
    ]
    assert faults(network("ni2", ports=["eth4", "up"]), before=(known, mine)) == [
        f"0 spec.ports[1]: port 'eth3' is also that of local network 'ni2', {AWAY}"
    ]
    found = faults(
        known, mine, network(ports=["up"]), network("ni2", ports=["up"]), network("ni3", ports=["eth4"])
    )
    assert found == [f"1 spec.ports[0]: port 'eth3' is also that of local network 'ni1' and 1 more, {AWAY}"]
    found = faults(known, mine, network(ports=["up"]), network("ni2", ports=["eth3"]))
    assert found == [
        (
            "1 spec.ports[0]: port 'eth3' is also that of 2 local networks, 'ni2' among them, which has no other port, "
            f"{AWAY}"
        )
    ]


def test_of_a_port_map(device: Make, switch: Make, network: Make, app: Make, faults: Faults) -> None:
    """A port map at a port that is not the device's any more leads nowhere."""
    known = device({"name": "eth0", "labels": ["up"]}, {"name": "eth3", "labels": ["up", "field"]})
    others = (known, switch("sw1", "eth3"), network(ports=["eth0"]))

    def at(adapter: str) -> dict[str, Any]:
        match = {"protocol": "tcp", "lport": 8080, "adapter": adapter}
        return app("app1", {"acl": [{"id": 1, "match": match, "action": {"portmap": 80}}]})

    what = (
        "port 'eth3' is that of switch 'sw1', so that the device has no address there; name another adapter, or "
        + SHARE
    )
    for adapter in ("eth3", "field"):
        assert faults(*others, at(adapter)) == [f"3 spec.interfaces[0].acl[0].match.adapter: {what}"]
    for adapter in ("eth0", "up"):
        assert faults(*others, at(adapter)) == []


def test_shared_without_addresses(device: Make, faults: Faults) -> None:
    """Addresses that others gave a port cannot be moved to a bridge."""
    assert faults(device({"name": "eth0", "shared": True})) == [
        (
            "0 spec.ports[0].shared: a shared port needs addresses that netnsmgr gives it, because they move to a bridge; "
            "add 'addresses', 'dhcp: true', 'slaac: true' or 'dhcp6: true'"
        )
    ]


@pytest.mark.parametrize("name", ["br-eth0", "sw-eth0"])
def test_links_of_a_shared_port(device: Make, faults: Faults, name: str) -> None:
    """A shared port has a bridge, and a link to a switch, whose names nobody else may have."""
    shared = {"name": "eth0", "dhcp": True, "shared": True}
    what = f"interface '{name}' has the name of a link that is made because port 'eth0' is shared"
    assert faults(device(shared, {"name": name})) == [
        f"0 spec.ports[1].name: {what}; give another 'interface'"
    ]


def test_names_that_meet(device: Make, switch: Make, app: Make, faults: Faults) -> None:
    """In the switch's namespace a port has the name of its interface, beside the bridge and the apps' interfaces."""
    known = device({"name": "a", "interface": "bn0"}, {"name": "b", "interface": "app1.eth0"})
    sw, user = switch("sw1", "a", "b"), app("app1", {"network": "sw1"})
    assert faults(known, sw, user) == [
        (
            "1 spec.ports[0]: interface 'bn0' of port 'a' has the name of a link of the switch's own; rename the interface, "
            "and give its name in the Device"
        ),
        (
            "1 spec.ports[1]: interface 'app1.eth0' of port 'b' has the name that the switch gives to the interface of app "
            "'app1'; rename one of them"
        ),
    ]
    assert faults(user, before=(known, switch("sw1", "b"))) == [
        (
            "0 metadata.name: interface 'app1.eth0' of port 'b' has the name that the switch gives to the interface of app "
            "'app1'; rename one of them"
        )
    ]


def test_mtu(device: Make, switch: Make, faults: Faults) -> None:
    """What a port is too small for is not the switch's MTU; a VLAN port without one has its parent's."""
    known = device(
        {"name": "eth3", "mtu": 1500},
        {"name": "eth4", "mtu": 1400},
        {"name": "plant", "vlan": {"parent": "eth4", "id": 5}},
        {"name": "eth5"},
    )
    assert faults(known, switch("sw1", "eth3", "eth5", mtu=1500)) == []
    assert faults(known, switch("sw1", "eth3", mtu=9000)) == [
        (
            "1 spec.mtu: mtu 9000 is larger than that of port 'eth3' (1500), which would drop what is larger; "
            "lower it, or raise the mtu of the port"
        )
    ]
    assert [each[:76] for each in faults(known, switch("sw1", "plant", mtu=1500))] == [
        "1 spec.mtu: mtu 1500 is larger than that of port 'plant' (1400), which would"
    ]


def test_without_a_device(switch: Make, network: Make, faults: Faults) -> None:
    """While no Device is known, nothing is known of ports."""
    assert (
        faults(
            switch("sw1", "eth3", vlans={"eth3": {"access": 5}}),
            switch("sw2", "eth3"),
            network(ports=["eth3"]),
        )
        == []
    )


def test_unknown_port(device: Make, switch: Make, faults: Faults) -> None:
    """A switch names ports that there are, as others do."""
    assert faults(device(), switch("sw1", "eht0")) == [
        "1 spec.ports[0]: unknown port or label 'eht0'; did you mean 'eth0'? Otherwise list 'eht0' in the Device's 'ports'"
    ]
    # Another number is no slip of the pen.
    assert faults(device(), switch("sw1", "eth3")) == [
        (
            "1 spec.ports[0]: unknown port or label 'eth3'; known are: eth0; use one of them, or list 'eth3' in the "
            "Device's 'ports'"
        )
    ]


def test_a_port_twice(device: Make, switch: Make, network: Make, faults: Faults) -> None:
    """The same word twice is a slip; a port by its name and by a label of its others is not."""
    known = device({"name": "eth3", "labels": ["field"]}, {"name": "eth4", "labels": ["field"]})
    assert faults(known, switch("sw1", "eth3", "eth3")) == [
        "1 spec.ports[1]: port 'eth3' is there twice; keep one"
    ]
    assert faults(known, switch("sw1", "eth3", "field")) == []
    assert faults(known, network(ports=["eth3", "eth3"])) == []


def test_where_it_is_said(lines: Callable[[str], list[str]]) -> None:
    """A user reads file, line and column."""
    text = """\
apiVersion: netnsmgr/v1alpha1
kind: Device
metadata: {name: edge}
spec:
  ports:
  - {name: eth3, dhcp: true}
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: sw1}
spec:
  type: switch
  ports: [eth3]
  vlans:
    eth3: {access: 4095}
"""
    assert lines(text) == ["f.yaml:15:20: spec.vlans.eth3.access: 4095 is reserved; write 1 to 4094"]
    assert lines(text.replace("4095", "100")) == [
        f"f.yaml:13:11: spec.ports[0]: port 'eth3' is used by the device itself ('dhcp'), {AWAY}"
    ]
