"""Rules of prefixes by which the outside knows applications: no two instances may have the same ones behind one port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network
from typing import NamedTuple

from netnsmgr.config.instance import SLAAC_LENGTH, NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.errors import Problem


class Outer(NamedTuple):
    """A prefix that is routed to an instance, and where it is written."""

    prefix: IPv6Network
    spot: Spot


def outer6_rules(scope: Scope) -> Iterator[Problem]:
    """Yield instances without address translation whose prefixes meet at a port, and NPT that cannot work."""
    outers = {name: outer for name, ni in scope.config.instances.items() if (outer := _outer(ni)) is not None}
    found: set[tuple[str, str]] = set()
    for port, names in _behind(scope, outers).items():
        here = [(outers[name].prefix, name) for name in names]
        holder: tuple[IPv6Network, str] | None = None
        # In this order whatever lies in a prefix comes right after it.
        for prefix, name in sorted(here, key=lambda each: (each[0], each[1])):
            if holder is None or not prefix.subnet_of(holder[0]):
                holder = prefix, name
            elif (holder[1], name) not in found:
                found.add((holder[1], name))
                yield _met(scope, port, outers, holder[1], name)
    for name, ni in scope.config.instances.items():
        subnet = ni.subnet6
        if ni.wants_prefix and subnet is not None and subnet.prefixlen != SLAAC_LENGTH:
            what = (
                f"without 'prefix' an instance gets a /{SLAAC_LENGTH} by delegation, and the subnet {subnet} has another "
                f"length; use a /{SLAAC_LENGTH}, or write 'prefix'"
            )
            yield scope.problem(Spot("NetworkInstance", name, ("spec", "ipv6", "uplink")), what)


def _behind(scope: Scope, names: Iterable[str]) -> dict[str, list[str]]:
    """Return, for each port, the instances that leave by it."""
    found: dict[str, list[str]] = {}
    device = scope.config.device
    if device is not None:
        for name in names:
            for port in device.match_ports(scope.config.instances[name].spec.ports):
                found.setdefault(port.name, []).append(name)
    return found


def _outer(ni: NetworkInstance) -> Outer | None:
    ipv6, subnet = ni.spec.ipv6, ni.subnet6
    if ipv6.uplink == "npt" and ipv6.prefix is not None:
        return Outer(ipv6.prefix, Spot("NetworkInstance", ni.name, ("spec", "ipv6", "prefix")))
    if ipv6.uplink in {"routed", "ndpProxy"} and subnet is not None:
        number = ni.spec.subnets.index(subnet)
        return Outer(subnet, Spot("NetworkInstance", ni.name, ("spec", "subnets", number)))
    return None


def _met(scope: Scope, port: str, outers: dict[str, Outer], first: str, second: str) -> Problem:
    if scope.is_new("NetworkInstance", first) and not scope.is_new("NetworkInstance", second):
        first, second = second, first
    mine, other = outers[second], outers[first]
    how = "equal to" if mine.prefix == other.prefix else "overlapping"
    return scope.problem(
        mine.spot,
        f"{mine.prefix} is {how} {other.prefix} of NetworkInstance '{first}', and both are reached from outside by port "
        f"'{port}'; use another prefix, another port, or 'ipv6: {{uplink: nat66}}'",
    )
