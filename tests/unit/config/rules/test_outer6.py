"""Prefixes by which the outside knows applications: refused where two instances behind one port have the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
SIX = "fd00:10:1::/64"
ROUTED = {"ipv6": {"uplink": "routed"}, "subnets": [SIX]}


def test_two_behind_one_port(device: Make, network: Make, faults: Faults) -> None:
    """Said once, at the later one, with what can be done; by labels, too."""
    ports = {"name": "eth0", "labels": ["wan"]}, {"name": "eth1", "labels": ["wan"]}
    two = network("ni1", ports=["eth0"], **ROUTED), network("ni2", ports=["wan"], **ROUTED)
    assert faults(device(*ports), *two) == [
        (
            "2 spec.subnets[0]: fd00:10:1::/64 is equal to fd00:10:1::/64 of NetworkInstance 'ni1', and both are reached "
            "from outside by port 'eth0'; use another prefix, another port, or 'ipv6: {uplink: nat66}'"
        )
    ]
    npt = {"ipv6": {"uplink": "npt", "prefix": "fd00:10::/60"}, "subnets": ["fd00:20::/60"], "dhcp": {}}
    npt["ipv6"]["addressing"] = "stateful"  # type: ignore[index]
    narrow = network("ni3", ports=["eth0"], subnets=["fd00:10:0:5::/64"], ipv6={"uplink": "routed"})
    (said,) = faults(device(*ports), network("ni1", ports=["eth1", "eth0"], **npt), narrow)
    assert said.startswith("2 spec.subnets[0]: fd00:10:0:5::/64 is overlapping fd00:10::/60 of")
    # Of one that was applied before, the new one is at fault.
    (said,) = faults(two[0], before=(device(*ports), two[1]))
    assert said.startswith(
        "0 spec.subnets[0]: fd00:10:1::/64 is equal to fd00:10:1::/64 of NetworkInstance 'ni2'"
    )


def test_each_behind_its_own(device: Make, network: Make, faults: Faults) -> None:
    """Of two ports each may lead to the same prefix; and translated ones are nobody's affair."""
    ports = {"name": "eth0"}, {"name": "eth1"}
    apart = network("ni1", ports=["eth0"], **ROUTED), network("ni2", ports=["eth1"], **ROUTED)
    assert faults(device(*ports), *apart) == []
    hidden = network("ni2", ports=["eth0"], subnets=[SIX])
    assert faults(device(*ports), apart[0], hidden) == []


def test_a_delegated_prefix_is_as_long_as_the_subnet(device: Make, network: Make, faults: Faults) -> None:
    """NPT with what is delegated needs a /64."""
    wide = network(
        ports=["eth0"],
        subnets=["fd00:20::/60"],
        dhcp={},
        ipv6={"uplink": "npt", "addressing": "stateful"},
    )
    assert faults(device(), wide) == [
        (
            "1 spec.ipv6.uplink: without 'prefix' an instance gets a /64 by delegation, and the subnet fd00:20::/60 has "
            "another length; use a /64, or write 'prefix'"
        )
    ]
