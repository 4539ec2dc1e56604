"""IPv6 that is not hidden behind an address of the device: who may send what, and what may come in where."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import pytest

from netnsmgr.config.device import Device
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item
from netnsmgr.features import egress6
from netnsmgr.features.nets import Delegated, LinkEnds
from netnsmgr.features.rows import uplink_scope
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.items.ndp_proxy import NdpProxy
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule

LINKS = (
    LinkEnds(IPv4Address("169.254.100.0"), IPv4Address("169.254.100.1")),
    LinkEnds(IPv6Address("fd6e:6d00::"), IPv6Address("fd6e:6d00::1")),
)
OLD, NEW = "2001:db8:100::/64", "2001:db8:200::/64"


def linked(uplink: str, *delegated: str, ports: tuple[str, ...] = ("eth1",), **more: Any) -> LinkedInstance:
    ipv6 = {"uplink": uplink, **({"prefix": more["prefix"]} if "prefix" in more else {})}
    subnets = [] if uplink == "delegated" else [more.get("subnet", "fd00:1::/64")]
    document = {"metadata": {"name": "ni1"}, "spec": {"ports": list(ports), "subnets": subnets, "ipv6": ipv6}}
    parts = tuple(Delegated(IPv6Network(prefix)) for prefix in delegated)
    addresses = tuple(map(IPv6Address, more.get("addresses", ())))
    instance = NetworkInstance.model_validate(document)
    return LinkedInstance(instance, 0, LINKS, delegated=parts, addresses6=addresses)


def scope(instance: LinkedInstance, *delegated: str) -> UplinkScope:
    """Two ports in 2001:db8:0::/64 and :1::/64; to the second one these prefixes are delegated."""
    device = Device.model_validate(
        {"metadata": {"name": "d"}, "spec": {"ports": [{"name": "eth0"}, {"name": "eth1"}]}}
    )
    facts = [
        PortFacts(
            f"eth{n}",
            f"eth{n}",
            present=True,
            addresses=(IPv6Interface(f"2001:db8:{n}::2/64"),),
            delegated=tuple(Delegated(IPv6Network(each)) for each in delegated) if n else None,
        )
        for n in range(2)
    ]
    return uplink_scope(device, facts, [instance], "/run/n", 1)


def elements(made: UplinkScope, name: str) -> set[str]:
    (found,) = [item for item in egress6.items(made) if isinstance(item, NftSet) and item.name == name]
    return set(found.elements or ())


@pytest.mark.parametrize(
    ("instance", "prefixes"),
    [
        (linked("nat66"), []),
        (linked("npt", prefix=NEW), [NEW]),
        (linked("npt", NEW, OLD), [NEW, OLD]),
        (linked("npt"), []),
        (linked("routed"), ["fd00:1::/64"]),
        (linked("ndpProxy"), ["fd00:1::/64"]),
        (linked("delegated", NEW, OLD), [NEW, OLD]),
        (linked("delegated"), []),
        (linked("routed", ports=()), []),
    ],
)
def test_outer_prefixes(instance: LinkedInstance, prefixes: list[str]) -> None:
    """They may come in by the instance's own port, and its link may send from them and from its own address alone."""
    assert list(map(str, egress6.outer_prefixes(instance))) == prefixes
    made = scope(instance)
    assert elements(made, "inside6") == {f"eth1 . {prefix}" for prefix in prefixes}
    assert elements(made, "sources6") == {f"nm-ni1 . {one}" for one in ["fd6e:6d00::1", *prefixes]}


def test_ways_in_and_back() -> None:
    """Each port that the instance uses looks into its own table for what arrives, and for the answers."""
    made = scope(linked("delegated", NEW, OLD), "2001:db8:200::/56")
    items: list[Item] = [*egress6.items(made), *egress6.link_items(made, made.instances[0])]
    arrive = [item for item in items if isinstance(item, Rule) and item.iif]
    assert [(rule.iif, str(rule.dst), rule.table) for rule in arrive] == [
        ("eth1", NEW, 501),
        ("eth1", OLD, 501),
    ]
    assert [rule.mark for rule in items if isinstance(rule, Rule) and rule.mark] == [0x6E000001]
    routes = {(str(item.dst), item.table): item for item in items if isinstance(item, Route)}
    assert routes.keys() == {(NEW, 501), (OLD, 501), (OLD, 254), ("2001:db8:200::/56", 254)}
    assert routes["2001:db8:200::/56", 254].type == "unreachable"
    assert routes[OLD, 254].via == IPv6Address("fd6e:6d00::1")


def test_an_instance_leaves_by_the_port_that_gave_its_prefix() -> None:
    """Another provider would not forward it."""
    made = scope(linked("delegated", NEW, ports=("eth0", "eth1")), "2001:db8:200::/56")
    (instance,) = made.instances
    ports = made.ports_of(instance.instance)
    assert [port.name for port, _ in ports] == ["eth0", "eth1"]
    assert [port.name for port, _ in egress6.delegating_first(instance, ports)] == ["eth1", "eth0"]


@pytest.mark.parametrize(
    ("instance", "answered"),
    [
        (
            linked(
                "ndpProxy", subnet="2001:db8:1:0:8000::/80", addresses=("2001:db8:1:0:8000::5", "fe80::5")
            ),
            "2001:db8:1:0:8000::5",
        ),
        (linked("npt", prefix="2001:db8:1::/64", addresses=("fd00:1::7",)), "2001:db8:1::7"),
        (linked("npt", prefix=NEW, addresses=("fd00:1::7",)), None),
        (linked("routed", subnet="2001:db8:1:0:8000::/80", addresses=("2001:db8:1:0:8000::5",)), None),
    ],
)
def test_neighbours_of_a_port(instance: LinkedInstance, answered: str | None) -> None:
    """The device answers for applications that seem to be on the port's link; and finds them again by that."""
    made = scope(instance)
    proxies = [item for item in egress6.link_items(made, instance) if isinstance(item, NdpProxy)]
    assert [(each.link, str(each.address)) for each in proxies] == ([("eth1", answered)] if answered else [])
    for each in proxies:
        assert egress6.inner_address(instance, each.address) in instance.addresses6
