"""The device's half of WireGuard tunnels: which interfaces, which rules, for which backends and ports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item, state
from netnsmgr.core.linkname import birth_name
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.features.uplink import intent
from netnsmgr.features.vpn import tunnel
from netnsmgr.items.process import Process
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.tunnel import Tunnel
from tests.unit.features.test_portmap import HEAD, device, linked

PEER = {
    "name": "hub",
    "publicKey": "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
    "allowedIps": ["10.20.0.0/24"],
}


def with_tunnels(
    *tunnels: dict[str, Any], six: bool = False, ports: tuple[str, ...] = ("eth0",)
) -> LinkedInstance:
    bare = linked(3, six=six, ports=ports)
    spec = {
        "subnets": ["10.0.3.0/24"],
        "ports": list(ports),
        "vpn": {"wireguard": {"tunnels": list(tunnels)}},
    }
    document = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "ni3"}, "spec": spec}
    return replace(bare, instance=NetworkInstance.model_validate(document))


def scope(instance: LinkedInstance, backend: str, *, six: bool = False) -> UplinkScope:
    return replace(device(instance, six=six), wireguard=backend)


def made(instance: LinkedInstance, backend: str, *, six: bool = False) -> list[Item]:
    return tunnel.items(scope(instance, backend, six=six), instance)


WG0 = {"name": "wg0", "peers": [PEER]}
WG1 = {"name": "wg1", "peers": [PEER | {"allowedIps": ["10.21.0.0/24"]}]}


def test_by_the_kernel_nothing_of_wireguard_go_runs() -> None:
    """Two tunnels are two interfaces and one rule; by wireguard-go also two processes, each known by its vector."""
    found = made(with_tunnels(WG0, WG1), "kernel")
    assert [type(item) for item in found] == [Rule, Tunnel, Tunnel]
    found = made(with_tunnels(WG0, WG1), "wireguard-go")
    processes = [item for item in found if isinstance(item, Process)]
    assert [item.name for item in processes] == ["nmw-ni3.wg0", "nmw-ni3.wg1"]
    assert all(item.argv[1:] == ("-f", item.name) for item in processes)
    assert all(f"/etc/{item.name}." in item.argv[0] for item in processes)


def test_its_packets_take_the_ports_of_the_instance() -> None:
    """The rule leads what the device itself sends with the instance's mark into the instance's table."""
    instance = with_tunnels(WG0)
    assert [item.key() for item in made(instance, "kernel") if isinstance(item, Rule)] == [
        "49 from all fwmark 0x4e570003 lookup 803"
    ]
    (rule,) = (item for item in made(instance, "kernel") if isinstance(item, Rule))
    (link,) = (item for item in made(instance, "kernel") if isinstance(item, Tunnel))
    assert link.follows() == {rule.ref}


def test_who_is_called_answers_where_he_was_called() -> None:
    """With a listening port the rule comes after those of the ports' own addresses."""
    (rule,) = (i for i in made(with_tunnels(WG0 | {"listenPort": 51820}), "kernel") if isinstance(i, Rule))
    assert rule.priority == 61


def test_ipv6_carries_tunnels_of_an_instance_without_it() -> None:
    """Where a port has IPv6 there are a rule and routes for it; an instance with IPv6 has the routes already."""
    found = made(with_tunnels(WG0), "kernel", six=True)
    assert [item.version for item in found if isinstance(item, Rule)] == [4, 6]
    routes = [item.key() for item in found if isinstance(item, Route)]
    assert any("::/0" in key for key in routes)
    assert any("2001:db8::/64" in key for key in routes)
    assert not any(isinstance(item, Route) for item in made(with_tunnels(WG0), "kernel"))
    both = with_tunnels(WG0, six=True)
    # Each item once, and the same from whoever wants it.
    state(item for group in intent(scope(both, "kernel", six=True)).values() for item in group)
    assert not any(isinstance(item, Route) for item in made(both, "kernel", six=True))


def test_without_tunnels_there_is_nothing() -> None:
    """Neither without `vpn`, nor where nothing can encrypt."""
    assert made(linked(3), "kernel") == []
    assert made(with_tunnels(WG0), "") == []


def test_names_of_birth() -> None:
    """They fit into the kernel's 15 bytes, and differ where instance or tunnel does."""
    names = {
        birth_name(instance, tunnel)
        for instance in ("ni1", "a-long-name", "a-long-name2")
        for tunnel in ("wg0", "wg1")
    }
    assert len(names) == 6
    assert all(name.startswith("nmw-") and len(name) <= 15 for name in names)
