"""Rules of a NetworkInstance: its addresses among each other, its ports, its names.

That its subnet equals another instance's or a port's is no fault: keeping them apart is the point.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.config.whole import hostnames
from netnsmgr.errors import Problem

RESERVED = frozenset({"uplink"})
"""Names of agents that are not instances: the one in the device's own namespace."""


def instance_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with each instance."""
    device = scope.config.device
    words: set[str] = set()
    if device is not None:
        words = {word for port in device.spec.ports for word in (port.name, *port.labels)}
    for ni in scope.config.instances.values():
        if ni.name in RESERVED:
            yield scope.problem(
                _spot(ni, "metadata", "name"),
                f"the name '{ni.name}' is reserved for the device; choose another",
            )
        yield from _gateway(scope, ni)
        yield from _dhcp(scope, ni)
        yield from _names(scope, ni)
        for n, word in enumerate(ni.spec.ports):
            if device is not None and word not in words:
                yield scope.problem(
                    _spot(ni, "spec", "ports", n), scope.unknown("port or label", word, sorted(words))
                )


def _spot(ni: NetworkInstance, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, where)


def not_a_host(address: IPv4Address, subnet: IPv4Network) -> str:
    """Say why ``address`` cannot be a host's in ``subnet``; empty if it can."""
    if address not in subnet:
        return f"is outside the subnet {subnet}; use {subnet[1]} to {subnet[-2]}"
    if address == subnet.network_address:
        return f"is the network address of {subnet}; use {subnet[1]} to {subnet[-2]}"
    if address == subnet.broadcast_address:
        return f"is the broadcast address of {subnet}; use {subnet[1]} to {subnet[-2]}"
    return ""


def _gateway(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    if fault := not_a_host(ni.gateway, ni.subnet):
        yield scope.problem(_spot(ni, "spec", "gateways", 0), f"gateway {ni.gateway} {fault}")


def _dhcp(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    written = ni.spec.dhcp.range if ni.spec.dhcp is not None else None
    if written is None:
        return
    spot = _spot(ni, "spec", "dhcp", "range")
    faults = [(end, not_a_host(end, ni.subnet)) for end in dict.fromkeys(written)]
    for end, fault in faults:
        if fault:
            yield scope.problem(spot, f"{end} {fault}")
    if ni.gateway in written:
        at_gateways = _spot(ni, "spec", "gateways", 0) if ni.spec.gateways else spot
        yield scope.problem(
            at_gateways,
            f"gateway {ni.gateway} is inside the DHCP range {written}; move one of them",
        )


def _names(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    """Check that each name in the instance's DNS stands for one thing."""
    unique = Unique(scope)
    for (app, interface), name in hostnames(scope.config, ni.name).items():
        number = next(n for n, i in enumerate(scope.config.apps[app].spec.interfaces) if i.name == interface)
        where = ("metadata", "name") if name == app else ("spec", "interfaces", number, "name")
        spot = Spot("App", app, where)
        if len(name) > 63:
            yield scope.problem(
                spot, f"host name '{name}' in {ni.name} is longer than 63; shorten the app's name"
            )
        if clash := unique.claim(name, spot):
            at, other = clash
            yield scope.problem(
                at,
                f"host name '{name}' in network '{ni.name}' is also that of app '{other.name}'; "
                "rename the app or its interface",
            )
    for host in ni.spec.dns.hosts:
        short = host.lower().removesuffix(f".{ni.domain.lower()}")
        if clash := unique.claim(short, _spot(ni, "spec", "dns", "hosts", host)):
            at, other = clash
            yield scope.problem(
                at,
                f"host name '{host}' in network '{ni.name}' is also that of {other.kind} '{other.name}'; rename one"
                if other.kind != at.kind
                else f"host name '{host}' is listed twice in different spelling; keep one",
            )
