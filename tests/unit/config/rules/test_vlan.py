"""Ports that are VLANs of others, and VLANs on the links of a switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

TRUNK = (
    "trunk without access: no link of switch 'sw1' has an access VLAN, and without one it carries all tags as they are; "
    "leave 'trunk' out, or give a port or an app's interface 'access: NUMBER'"
)


def of(parent: str, number: int = 100) -> dict[str, Any]:
    return {"vlan": {"parent": parent, "id": number}}


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (of("eth9"), "vlan.parent: unknown port 'eth9'; did you mean 'eth0'?"),
        (
            of("v"),
            "vlan.parent: port 'v' cannot be a VLAN of itself; name the port that carries the tagged frames",
        ),
        (
            of("w"),
            (
                "vlan.parent: port 'w' is itself a VLAN of 'eth0', and there are no VLANs in VLANs; "
                "name the port that carries the tagged frames"
            ),
        ),
        (
            of("s"),
            (
                "vlan.parent: port 's' is shared, so that its frames belong to a bridge; leave 'shared' out there, "
                "as the switch can have a VLAN of it instead"
            ),
        ),
        (of("eth0", 7), "vlan.id: VLAN 7 of port 'eth0' is already port 'w'; give another id"),
        (
            of("eth0") | {"mtu": 1500},
            (
                "mtu: mtu 1500 is larger than that of its parent 'eth0' (1400), which carries it; "
                "lower it, or raise the parent's"
            ),
        ),
        (
            of("eth0") | {"interface": "nm-ni1"},
            "interface: names that begin with 'nm-' are those of links to instances; give another 'interface'",
        ),
        (
            of("eth0") | {"interface": "eth0"},
            "interface: interface 'eth0' is already that of port 'eth0'; give another",
        ),
        (
            of("eth0", 0),
            "vlan.id: a tag of 0 is no VLAN, only a priority; write 1 to 4094, or leave 'vlan' out",
        ),
        (of("eth0", 4095), "vlan.id: 4095 is reserved; write 1 to 4094"),
    ],
)
def test_vlan_ports(device: Make, faults: Faults, port: dict[str, Any], expected: str) -> None:
    """A VLAN port has a parent that can carry it, a number of its own there, and a name of its own."""
    known = device(
        {"name": "eth0", "mtu": 1400},
        {"name": "w", **of("eth0", 7)},
        {"name": "s", "shared": True, "dhcp": True},
        {"name": "v", **port},
    )
    assert faults(known) == [f"0 spec.ports[3].{expected}"]


def test_no_parent_at_all(device: Make, faults: Faults) -> None:
    """Where no port could be meant, one is missing."""
    assert faults(device({"name": "plant", **of("eth0")})) == [
        "0 spec.ports[0].vlan.parent: unknown port 'eth0'; add the port that carries the tagged frames"
    ]


def test_a_loop(device: Make, faults: Faults) -> None:
    """Two that are VLANs of each other are both told."""
    found = faults(device({"name": "a", **of("b")}, {"name": "b", **of("a")}))
    assert [each.split(",")[0] for each in found] == [
        "0 spec.ports[0].vlan.parent: port 'b' is itself a VLAN of 'a'",
        "0 spec.ports[1].vlan.parent: port 'a' is itself a VLAN of 'b'",
    ]


def test_a_long_name(device: Make, faults: Faults) -> None:
    """The kernel's limit counts for a link that is made, too."""
    found = faults(device({"name": "eth0"}, {"name": "the-plants-vlan-100", **of("eth0")}))
    assert found == [
        (
            "0 spec.ports[1].name: 'the-plants-vlan-100' is 19 bytes long; the kernel takes interface names of at most 15; "
            "or give the interface's name in 'interface'"
        )
    ]


def test_a_parent_is_no_switchs(device: Make, switch: Make, faults: Faults) -> None:
    """The frames of a VLAN port come by its parent, in the device's own namespace."""
    known = device({"name": "eth0"}, {"name": "plant", **of("eth0")})
    assert faults(known, switch("sw1", "eth0")) == [
        (
            "1 spec.ports[0]: port 'eth0' carries the VLAN port 'plant', so that no switch can have it; "
            "give the switch a VLAN port as well, or remove 'plant'"
        )
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"vlans": {"eth5": {"access": 5}}},
            "spec.vlans.eth5: 'eth5' is a port, or a label of one, but of none of ",
        ),
        (
            {"vlans": {"eht3": {"access": 5}}},
            "spec.vlans.eht3: unknown port or label 'eht3'; did you mean 'eth3'?",
        ),
        (
            {"stp": {"bpduGuard": ["eth4", "eth5"]}},
            "spec.stp.bpduGuard[1]: 'eth5' is a port, or a label of one, but",
        ),
        (
            {"stp": {"bpduGuard": ["fild"]}},
            "spec.stp.bpduGuard[0]: unknown port or label 'fild'; did you mean 'field'?",
        ),
        (
            {"vlans": {"field": {"access": 5}, "eth4": {"access": 6}}},
            "spec.vlans.eth4: port 'eth4' has its VLANs by 'field' already; keep one of the two",
        ),
    ],
)
def test_ports_of_a_switch(device: Make, switch: Make, faults: Faults, spec: Any, expected: str) -> None:
    """VLANs and the guard are of ports that the switch has, each once."""
    known = device(
        {"name": "eth3", "labels": ["field"]}, {"name": "eth4", "labels": ["field"]}, {"name": "eth5"}
    )
    (found,) = faults(known, switch("sw1", "eth3", "field", **spec))
    assert found.startswith(f"1 {expected}")


def test_ports_of_a_switch_without(device: Make, switch: Make, faults: Faults) -> None:
    """A switch without ports has none to speak of."""
    assert faults(device(), switch("sw1", vlans={"eth0": {"access": 5}})) == [
        "1 spec.vlans.eth0: switch 'sw1' has no ports; add 'eth0' to 'ports', or leave this out"
    ]


def test_guard_without_spanning_tree(device: Make, switch: Make, faults: Faults) -> None:
    """With one port no spanning tree runs, and nothing would be guarded; two by one label are several."""
    known = device({"name": "eth3", "labels": ["field"]}, {"name": "eth4", "labels": ["field"]})
    what = "no spanning tree runs in a switch with one port, so that the guard would do nothing; leave 'bpduGuard' "
    what += "out, or give the switch a second port"
    guard = {"bpduGuard": ["eth3"]}
    assert faults(known, switch("sw1", "eth3", stp=guard)) == [f"1 spec.stp.bpduGuard[0]: {what}"]
    assert faults(known, switch("sw1", "field", stp=guard)) == []
    assert faults(known, switch("sw1", stp=guard)) == [
        "1 spec.stp.bpduGuard[0]: switch 'sw1' has no ports; add 'eth3' to 'ports', or leave this out"
    ]


def test_trunk_without_access(device: Make, switch: Make, app: Make, faults: Faults) -> None:
    """Where nobody is in a VLAN, there is none to carry; one access anywhere in the network is enough."""
    trunk = {"trunk": [100, 200]}
    sw = switch("sw1", "eth0", vlans={"eth0": trunk})
    user = app("app1", {"network": "sw1", "vlan": trunk})
    assert faults(device(), sw, user) == [
        f"1 spec.vlans.eth0.trunk: {TRUNK}",
        f"2 spec.interfaces[0].vlan.trunk: {TRUNK}",
    ]
    assert faults(device(), sw, user, app("app2", {"network": "sw1", "vlan": {"access": 300}})) == []
    assert faults(device(), sw, app("app1", {"network": "sw1", "vlan": {"access": 1}})) == []
    # The access goes, and what stays was applied before.
    assert faults(app("app2", {"network": "sw1"}), before=(device(), sw)) == [
        f"-1 spec.vlans.eth0.trunk: NetworkInstance 'sw1', applied before: {TRUNK}"
    ]


@pytest.mark.parametrize(
    ("vlan", "expected"),
    [
        ({}, ": is empty; write exactly one of access: NUMBER, trunk: [NUMBER, …]"),
        (5, ": must be a mapping, not 5, for example {access: 100}"),
        (
            {"access": 5, "trunk": [6]},
            ": access and trunk exclude each other; write exactly one of access: NUMBER, trunk: [NUMBER, …]",
        ),
        ({"access": "5"}, ".access: '5' is no VLAN; write a number from 1 to 4094"),
        ({"access": True}, ".access: true is no VLAN; write a number from 1 to 4094"),
        (
            {"access": 0},
            ".access: a tag of 0 is no VLAN, only a priority; write 1 to 4094, or leave 'vlan' out",
        ),
        ({"access": 4095}, ".access: 4095 is reserved; write 1 to 4094"),
        ({"access": 5000}, ".access: there is no VLAN 5000; write 1 to 4094"),
        ({"trunk": 5}, ".trunk: must be a list; write [5]"),
        ({"trunk": []}, ".trunk: the list is empty; give at least 1, for example [100, 200]"),
        ({"trunk": [7, "10-20"]}, ".trunk[1]: '10-20' is no VLAN; write a number from 1 to 4094"),
        (
            {"trunk": [7, 1]},
            ".trunk: VLAN 1 is that of frames without tag, which every trunk carries; leave it out",
        ),
        ({"trunk": [7, 8, 7]}, ".trunk: VLAN 7 is there twice; keep one"),
        ({"acces": 5}, ".acces: unknown field 'acces'; did you mean 'access'?"),
    ],
)
def test_fields(switch: Make, app: Make, faults: Faults, vlan: Any, expected: str) -> None:
    """A wrong VLAN is told alike at an app's interface and at a port."""
    documents = switch("sw1"), app("app1", {"network": "sw1", "vlan": vlan})
    assert faults(*documents) == [f"1 spec.interfaces[0].vlan{expected}"]
    of_the_port = expected.removesuffix(", for example {access: 100}")
    assert faults(switch("sw1", "eth0", vlans={"eth0": vlan})) == [f"0 spec.vlans.eth0{of_the_port}"]
