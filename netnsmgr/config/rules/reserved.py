"""Rules of IPv6 prefixes against what an instance or the device needs itself: links, metadata, NAT64, ports' addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.config.device import Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.core.agreed import METADATA6, TRANSLATOR6
from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.errors import Problem

_TRANSLATOR = IPv6Network(TRANSLATOR6)
_SERVICES = tuple(address for address in map(IPv6Address, METADATA6) if address not in LINK_LOCAL)


def reserved_rules(scope: Scope) -> Iterator[Problem]:
    """Yield subnets and prefixes of instances that would hide what the instance or the device has there."""
    yield from _pool(scope)
    device = scope.config.device
    for ni in scope.config.instances.values():
        translated = ni.spec.nat64 is not None or ni.spec.ipv6.prefix is not None
        # Only then, as each instance looks through all ports.
        ports = device.match_ports(ni.spec.ports) if device is not None and translated else ()
        yield from _subnet(scope, ni)
        yield from _nat64(scope, ni, ports)
        yield from _outer(scope, ni, ports)


def _spot(ni: NetworkInstance, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, where)


def _pool(scope: Scope) -> Iterator[Problem]:
    device, pool = scope.config.device, scope.config.link_pool6
    if device is None or not pool.overlaps(_TRANSLATOR):
        return
    if (name := next((ni.name for ni in scope.config.instances.values() if ni.spec.nat64), None)) is not None:
        yield scope.problem(
            Spot("Device", device.name, ("spec", "linkPool6")),
            f"linkPool6 {pool} overlaps {_TRANSLATOR}, which is the translator's own in networks with NAT64 "
            f"('{name}'); use another range",
        )


def _subnet(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    subnet = ni.subnet6
    if subnet is None:
        return
    spot = _spot(ni, "spec", "subnets", ni.spec.subnets.index(subnet))
    for service in _SERVICES:
        if service in subnet:
            yield scope.problem(spot, f"subnet {subnet} holds {service}, the metadata service; use another")
    if ni.spec.nat64 is not None and subnet.overlaps(_TRANSLATOR):
        what = f"subnet {subnet} overlaps {_TRANSLATOR}, which is the NAT64 translator's own; use another"
        yield scope.problem(spot, what)


def _nat64(scope: Scope, ni: NetworkInstance, ports: Sequence[Port]) -> Iterator[Problem]:
    prefix = ni.nat64_prefix
    if ni.spec.nat64 is None or prefix is None:
        return
    if (held := _held(scope, prefix, ports)) is not None:
        where = ("nat64",) if ni.spec.nat64.prefix is None else ("nat64", "prefix")
        what = (
            f"prefix {prefix} stands for IPv4 addresses, and overlaps {held}; give another in 'nat64.prefix'"
        )
        yield scope.problem(_spot(ni, "spec", *where), what)


def _held(scope: Scope, prefix: IPv6Network, ports: Sequence[Port]) -> str | None:
    """Say what hosts of IPv6 are where a prefix of NAT64 is; None if nobody is known to be there."""
    if prefix.overlaps(pool := scope.config.link_pool6):
        return f"the device's linkPool6 {pool}"
    if prefix.overlaps(_TRANSLATOR):
        return f"{_TRANSLATOR}, which is the translator's own"
    for service in _SERVICES:
        if service in prefix:
            return f"{service}, the metadata service"
    for port in ports:
        for network in port.networks:
            if network.overlaps(prefix):
                return f"{network}, the network of port '{port.name}'"
    return None


def _outer(scope: Scope, ni: NetworkInstance, ports: Sequence[Port]) -> Iterator[Problem]:
    """Check the prefix of NPT: whatever comes for one of its addresses goes to an app."""
    prefix = ni.spec.ipv6.prefix
    if prefix is None or ni.spec.ipv6.uplink != "npt":
        return
    spot = _spot(ni, "spec", "ipv6", "prefix")
    if prefix.overlaps(pool := scope.config.link_pool6):
        what = f"prefix {prefix} overlaps the device's linkPool6 {pool}; use another, or set the Device's linkPool6"
        yield scope.problem(spot, what)
    for port in ports:
        if (why := _taken(prefix, port)) is not None:
            what = f"prefix {prefix} {why}; use one that the site routes to the device, or leave 'prefix' out to get one"
            yield scope.problem(spot, f"{what} by delegation")
            return


def _taken(prefix: IPv6Network, port: Port) -> str | None:
    """Say what is at a port that would be taken for apps; None if nothing is."""
    if prefix in port.networks:
        return f"is the network of port '{port.name}' itself"
    for address in port.addresses:
        if address.ip in prefix:
            return f"holds {address.ip}, the address of port '{port.name}' itself"
    for gateway in port.gateways:
        if gateway in prefix:
            return f"holds {gateway}, the gateway of port '{port.name}'"
    return None
