"""Rules of subnets that are not translated, against the networks of their ports: routed ones, and those by proxy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Network

from netnsmgr.config.device import Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.errors import Problem

LONGEST = 126
"""The longest subnet that an instance may have."""
TRIED = 64
"""How many parts of a network are looked at to name a free one."""


def onlink6_rules(scope: Scope) -> Iterator[Problem]:
    """Yield subnets that nobody outside would send to the device, or that the device would take from its own link."""
    device = scope.config.device
    if device is None:
        return
    for ni in scope.config.instances.values():
        subnet, uplink = ni.subnet6, ni.spec.ipv6.uplink
        if subnet is None or uplink not in {"routed", "ndpProxy"}:
            continue
        ports = device.match_ports(ni.spec.ports)
        if whole := next((port for port in ports if subnet in port.networks), None):
            what = _whole(scope, ni, subnet, whole)
        elif uplink == "ndpProxy" and _outside(subnet, ports):
            what = _elsewhere(scope, ni, ports)
        else:
            continue
        number = ni.spec.subnets.index(subnet)
        yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", "subnets", number)), what)


def _outside(subnet: IPv6Network, ports: Sequence[Port]) -> bool:
    """Whether no port can have ``subnet`` on its link; what a port learns or is found with is not known here."""
    known = [_networks(port) for port in ports]
    return all(known) and bool(known) and not any(subnet.subnet_of(net) for nets in known for net in nets)


def _networks(port: Port) -> list[IPv6Network]:
    return [network for network in port.networks if isinstance(network, IPv6Network)]


def _whole(scope: Scope, ni: NetworkInstance, subnet: IPv6Network, port: Port) -> str:
    what = f"{subnet} is the network of port '{port.name}' itself"
    part = _part(scope, ni, subnet, port)
    if ni.spec.ipv6.uplink == "routed":
        # Of its own link nobody looks for a router.
        instead = "'uplink: ndpProxy' with a part of it" + (f", such as {part}" if part else "")
        return f"{what}, so that nobody routes it to the device; use another subnet, or {instead}"
    return f"{what}, where others are, too; use a smaller part" + (_such_as(part) if part else "")


def _elsewhere(scope: Scope, ni: NetworkInstance, ports: Sequence[Port]) -> str:
    networks = list(dict.fromkeys(network for port in ports for network in _networks(port)))
    part = next(
        (part for port in ports for net in _networks(port) if (part := _part(scope, ni, net, port))), None
    )
    return (
        "with 'uplink: ndpProxy' the subnet has to be part of the network of a port "
        f"({', '.join(map(str, networks))}); use 'uplink: routed', or a part of that"
        + (_such_as(part) if part else "")
    )


def _such_as(part: IPv6Network) -> str:
    return f", such as {part} with 'dhcp: {{}}' and 'addressing: stateful'"


def _part(scope: Scope, ni: NetworkInstance, network: IPv6Network, port: Port) -> IPv6Network | None:
    """Return a part of a port's network in which nobody is known to be; None if there is none among the first."""
    if network.prefixlen >= LONGEST:
        return None
    length = min(max(96, network.prefixlen + 4), LONGEST)
    taken = [
        other.subnet6
        for other in scope.config.instances.values()
        if other is not ni and other.subnet6 is not None
    ]
    for n in range(1, min(1 << (length - network.prefixlen), TRIED)):
        part = IPv6Network((int(network[0]) + (n << (128 - length)), length))
        hosts = (*(address.ip for address in port.addresses), *port.gateways)
        if not any(host in part for host in hosts) and not any(part.overlaps(other) for other in taken):
            return part
    return None
