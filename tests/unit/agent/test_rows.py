"""What agents tell of IPv6 in the rows of instances and of the device."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest

from netnsmgr.agent import instance
from netnsmgr.agent.port_rows import port_row
from netnsmgr.config.device import Port
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Delegated
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope, PortFacts

LINK4, LINK6 = ["169.254.100.0", "169.254.100.1"], ["fd6e:6d00::", "fd6e:6d00::1"]


def scope(**spec: Any) -> InstanceScope:
    document = {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "NetworkInstance",
        "metadata": {"name": "ni1"},
        "spec": {"type": "local", "ports": ["eth0"], **spec},
    }
    six = any(":" in subnet for subnet in spec["subnets"])
    row = {
        "instance": document,
        "apps": [],
        "number": 0,
        "links": [LINK4, LINK6] if six else [LINK4],
        "hostnames": [],
    }
    return instance_scope(row, LinkFacts(), run_dir="/run/n", state_dir="/state", netns_inode=1, leases=())


def test_ipv6_in_force_is_told() -> None:
    """Both links, who advertises, and the modes that hold where nothing is written."""
    both = scope(subnets=["10.10.1.0/24", "fd00:10:1::/64"], dhcp={})
    assert instance._link(both) == {
        "outer": LINK4[0],
        "inner": LINK4[1],
        "outer6": LINK6[0],
        "inner6": LINK6[1],
    }
    assert instance._ipv6(both.instance) == {"ipv6": {"addressing": "stateless", "uplink": "nat66"}}
    assert instance._backends(both)["ra"] == "radvd"


def test_the_prefix_of_nat64_is_told() -> None:
    alone = scope(subnets=["fd00:10:1::/64"], nat64={})
    assert instance._ipv6(alone.instance)["nat64"] == "fd6e:6d64::/96"
    assert {"nat64", "dns64", "ra"} <= set(instance._backends(alone))


def test_air_gapped_has_no_way_out() -> None:
    gapped = scope(subnets=["fd00:10:1::/64"], ports=[])
    assert instance._ipv6(gapped.instance) == {"ipv6": {"addressing": "slaac"}}


def test_ipv4_alone_is_as_it_was() -> None:
    four = scope(subnets=["10.10.1.0/24"])
    assert instance._link(four) == {"outer": LINK4[0], "inner": LINK4[1]}
    assert instance._ipv6(four.instance) == {}
    assert set(instance._backends(four)) == {"dhcp", "dns", "metadata"}


@pytest.mark.parametrize(
    ("delegated", "told"),
    [
        (None, {}),
        ((), {"delegated": []}),
        ((Delegated(IPv6Network("2001:db8:0:10::/60"), 100, 200),), {"delegated": ["2001:db8:0:10::/60"]}),
    ],
)
def test_what_is_delegated_to_a_port(
    delegated: tuple[Delegated, ...] | None, told: dict[str, list[str]]
) -> None:
    """Nothing where nobody has answered; without times, which every renewal changes."""
    row = port_row(Port(name="eth0"), PortFacts("eth0", "eth0", delegated=delegated))
    assert {name: row[name] for name in row if name == "delegated"} == told
