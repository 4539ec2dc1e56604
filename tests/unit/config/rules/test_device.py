"""What ports and the pool for links must be to each other and to instances; each case is what `faults` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


def wan(name: str = "eth0", *addresses: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **({"addresses": list(addresses)} if addresses else {}), **more}


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([wan(), wan()], "ports[1].name: duplicate port name 'eth0'; rename one"),
        (
            [wan("a", interface="eth0"), wan("b", interface="eth0")],
            "ports[1].interface: interface 'eth0' is already that of port 'a'; give another",
        ),
        (
            [wan("a", interface="eth0"), wan("eth0")],
            "ports[1].name: interface 'eth0' is already that of port 'a'; give another",
        ),
        (
            [wan("a", labels=["x", "b"]), wan("b")],
            "ports[0].labels[1]: label 'b' is the name of another port; choose another label",
        ),
        (
            [wan("a", "10.0.0.1/24"), wan("b", "10.0.0.1/8")],
            "ports[1].addresses[0]: address 10.0.0.1 is already that of port 'a'; give another",
        ),
        (
            [wan("the-port-of-the-north")],
            (
                "ports[0].name: 'the-port-of-the-north' is 21 bytes long; the kernel takes interface names of at most 15; "
                "or give the interface's name in 'interface'"
            ),
        ),
        (
            [wan("a", "10.0.0.1/24", dhcp=True)],
            "ports[0].addresses: static addresses of IPv4 and 'dhcp: true' exclude each other; keep one",
        ),
        (
            [wan("a", "10.0.0.2/24", gateways=["10.0.1.1"])],
            "ports[0].gateways[0]: gateway 10.0.1.1 is outside the port's subnet 10.0.0.0/24; give one inside it",
        ),
        (
            [wan("a", "10.0.0.2/24", gateways=["10.0.0.2"])],
            "ports[0].gateways[0]: gateway 10.0.0.2 is the port's own address; give the router's",
        ),
        (
            [wan("a", "169.254.101.1/24")],
            (
                "ports[0].addresses[0]: subnet 169.254.101.0/24 overlaps linkPool 169.254.100.0/22; "
                "set spec.linkPool to a range that nobody uses"
            ),
        ),
    ],
)
def test_ports(device: Make, faults: Faults, ports: list[dict[str, Any]], expected: str) -> None:
    """Ports that contradict each other or themselves are refused."""
    assert faults(device(*ports)) == [f"0 spec.{expected}"]


def test_ports_that_are_fine(device: Make, faults: Faults) -> None:
    """Two ports in one subnet, a gateway anywhere behind a /32, and a long logical name are no faults."""
    assert (
        faults(
            device(
                wan("a", "10.0.0.2/24", "10.0.5.2/24", gateways=["10.0.5.1"], labels=["a"]),
                wan("b", "10.0.0.3/24", gateways=["10.0.0.1"]),
                wan("c", "10.9.9.9/32", gateways=["10.0.0.1"]),
                wan("d", "10.8.8.0/31", gateways=["10.8.8.1"]),
                wan("the-port-of-the-north", interface="eth9", dhcp=True),
            )
        )
        == []
    )


def test_management(device: Make, faults: Faults) -> None:
    """The management port exists, and no other port is in its network, be it equal or overlapping."""
    ports = [
        wan("m", "10.0.0.2/24"),
        wan("a", "10.0.0.3/24"),
        wan("b", "10.1.0.1/24", "10.9.0.1/8"),
        wan("c", dhcp=True),
    ]
    where = "0 spec.ports[{}].addresses[{}]: subnet {} of port '{}' is {} the device's management network "
    assert faults(device(*ports, management="m")) == [
        where.format(1, 0, "10.0.0.0/24", "a", "equal to") + "10.0.0.0/24 (port 'm'); "
        "use another subnet, or another management port",
        where.format(2, 1, "10.0.0.0/8", "b", "overlapping") + "10.0.0.0/24 (port 'm'); "
        "use another subnet, or another management port",
    ]
    assert faults(device(*ports)) == []
    assert faults(device(wan("mgmt0"), management="mgmt")) == [
        "0 spec.management: unknown port 'mgmt'; did you mean 'mgmt0'?"
    ]


def test_link_pool(device: Make, network: Make, faults: Faults) -> None:
    """The pool for links has room for all instances and leaves the metadata service alone."""
    assert faults(device(linkPool="169.254.0.0/16")) == [
        "0 spec.linkPool: linkPool 169.254.0.0/16 holds 169.254.169.254, the metadata service; use another range"
    ]
    five = [network(f"n{n}") for n in range(5)]
    assert faults(device(linkPool="10.255.0.0/29"), *five[:4]) == []
    assert faults(device(linkPool="10.255.0.0/29"), *five) == [
        "0 spec.linkPool: linkPool 10.255.0.0/29 is too small for 5 instances with two addresses each; use at least a /28"
    ]


def test_link_pool_overlap(device: Make, network: Make, faults: Faults) -> None:
    """Where the pool and instances overlap, the one that was just written is at fault, and a pool only once."""
    pool, nets = device(linkPool="10.10.0.0/16"), [network(f"n{n}") for n in range(5)]
    once = (
        "0 spec.linkPool: linkPool 10.10.0.0/16 overlaps the subnet of n0 (10.10.1.0/24), n1 (10.10.1.0/24), "
        "n2 (10.10.1.0/24) …; use a range that nobody uses"
    )
    assert faults(pool, *nets) == [once]
    assert faults(pool, before=tuple(nets)) == [once]
    instance = "spec.subnets[0]: subnet {} overlaps the device's linkPool {}; use another, or set the Device's linkPool"
    assert faults(nets[0], before=(pool,)) == ["0 " + instance.format("10.10.1.0/24", "10.10.0.0/16")]
    local = network(subnets=["169.254.100.0/24"])
    assert faults(local) == ["0 " + instance.format("169.254.100.0/24", "169.254.100.0/22")]
    assert faults(device(), local) == ["1 " + instance.format("169.254.100.0/24", "169.254.100.0/22")]


def test_deleted_under_its_users(device: Make, switch: Make, network: Make, faults: Faults) -> None:
    """A Device goes only with, or after, the instances that use its ports; what uses none is not in the way."""
    plant, cell = switch("plant", "eth3", "sensors"), switch("cell")
    others = network("ni1", ports=["eth0"]), network("ni2")
    assert faults(before=(plant, cell, *others), gone=("edge",)) == [
        (
            "-1 Device 'edge' cannot be deleted: its ports are used by switch 'plant' (eth3, sensors), local network "
            "'ni1' (eth0); delete these first, or in the same call (delete -f FILE)"
        )
    ]
    assert faults(before=(cell, others[1]), gone=("edge",)) == []
    assert faults(before=(plant,)) == []  # there was none
    assert faults(device({"name": "eth3"}, {"name": "sensors"}), before=(plant,), gone=("old",)) == []
    many = tuple(switch(f"s{n}", "eth3") for n in range(7))
    (found,) = faults(before=many, gone=("edge",))
    assert "switch 's4' (eth3) and 2 more; delete" in found


def test_pruned_under_what_is_applied(switch: Make, faults: Faults) -> None:
    """Of a file without the Device, applied with --prune, the place is in the file."""
    assert faults(switch("plant", "eth3"), gone=("edge",)) == [
        (
            "0 spec.ports[0]: port 'eth3' is of Device 'edge', which would be deleted; keep the Device, or leave "
            "'ports' out"
        )
    ]
