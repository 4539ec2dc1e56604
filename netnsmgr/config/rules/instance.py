"""Rules of a NetworkInstance: its addresses among each other, its ports, its names.

That its subnet equals another instance's or a port's is no fault: keeping them apart is the point.
"""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.ipv6 import ipv6_rules
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.config.whole import hostnames
from netnsmgr.core.ip import IPAddress, IPNetwork
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
        if not ni.is_switch:
            yield from _subnets(scope, ni)
            yield from _gateways(scope, ni)
            yield from _dhcp(scope, ni)
            yield from ipv6_rules(scope, ni)
        yield from _names(scope, ni)
        for n, word in enumerate(ni.spec.ports):
            if ni.is_switch and word in ni.spec.ports[:n]:
                yield scope.problem(_spot(ni, "spec", "ports", n), f"port '{word}' is there twice; keep one")
            elif device is not None and word not in words:
                yield scope.problem(_spot(ni, "spec", "ports", n), scope.unknown_port(word, sorted(words)))


def _spot(ni: NetworkInstance, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, where)


def not_a_host(address: IPAddress, subnet: IPNetwork) -> str:
    """Say why ``address`` cannot be a host's in ``subnet``; empty if it can."""
    last = subnet[-2] if subnet.version == 4 else subnet[-1]
    if address not in subnet:
        return f"is outside the subnet {subnet}; use {subnet[1]} to {last}"
    if address == subnet.network_address:
        # In IPv6 it is the anycast address of the subnet's routers (RFC 4291, 2.6.1).
        return f"is the network address of {subnet}; use {subnet[1]} to {last}"
    if subnet.version == 4 and address == subnet.broadcast_address:
        return f"is the broadcast address of {subnet}; use {subnet[1]} to {last}"
    return ""


def _subnets(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    seen: set[int] = set()
    for n, subnet in enumerate(ni.spec.subnets):
        if subnet.version in seen:
            what = f"{subnet} is the second subnet of IPv{subnet.version}; an instance has at most one of each version"
            yield scope.problem(_spot(ni, "spec", "subnets", n), what)
        seen.add(subnet.version)
    if not ni.spec.subnets and not ni.delegated:
        what = "is empty; give a subnet such as 10.10.1.0/24, fd00:10:1::/64, or one of each"
        if "subnets" not in ni.spec.model_fields_set:
            what = "required field 'subnets' is missing; for example subnets: [10.10.1.0/24] or [10.10.1.0/24, fd00:10:1::/64]"
        yield scope.problem(_spot(ni, "spec", "subnets"), what)


def _gateways(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    subnets = {subnet.version: subnet for subnet in reversed(ni.spec.subnets)}
    seen: set[int] = set()
    for n, gateway in enumerate(ni.spec.gateways):
        spot = _spot(ni, "spec", "gateways", n)
        subnet = subnets.get(gateway.version)
        if gateway.version in seen:
            yield scope.problem(spot, f"{gateway} is the second gateway of IPv{gateway.version}; keep one")
        elif subnet is None:
            what = f"gateway {gateway} is IPv{gateway.version}, and the instance has no such subnet"
            yield scope.problem(spot, f"{what}; leave it out, or add one to 'subnets'")
        elif fault := not_a_host(gateway, subnet):
            yield scope.problem(spot, f"gateway {gateway} {fault}")
        seen.add(gateway.version)


def _dhcp(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    if ni.spec.dhcp is None:
        return
    for field, written, subnet in (
        ("range", ni.spec.dhcp.range, ni.subnet4),
        ("range6", ni.spec.dhcp.range6, ni.subnet6),
    ):
        if written is None:
            continue
        spot = _spot(ni, "spec", "dhcp", field)
        if subnet is None:
            version = 4 if field == "range" else 6
            yield scope.problem(spot, f"the instance has no subnet of IPv{version}; leave '{field}' out")
            continue
        faults = [(end, not_a_host(end, subnet)) for end in dict.fromkeys(written)]
        for end, fault in faults:
            if fault:
                yield scope.problem(spot, f"{end} {fault}")
                break
        if (gateway := ni.gateway_in(subnet)) in written:
            number = next((n for n, each in enumerate(ni.spec.gateways) if each == gateway), None)
            at_gateways = spot if number is None else _spot(ni, "spec", "gateways", number)
            yield scope.problem(
                at_gateways,
                f"gateway {gateway} is inside the DHCP range {written}; move one of them",
            )


def _names(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    """Check that each name in the instance's DNS stands for one thing."""
    unique = Unique(scope)
    # A switch has no DNS that would know its apps.
    named = {} if ni.is_switch else hostnames(scope.config, ni.name)
    for (app, interface), name in named.items():
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
