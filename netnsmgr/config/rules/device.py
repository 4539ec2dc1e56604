"""Rules of the Device: its ports among each other, and the pool for links against everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from netnsmgr.config.device import Device, Port
from netnsmgr.config.rules.scope import Scope, Spot, Unique, Where
from netnsmgr.config.values import link_name
from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import LINK_LOCAL, IPNetwork
from netnsmgr.errors import Problem

METADATA_SERVICE = tuple(map(ip_address, (METADATA, *METADATA6)))
FEW = 5
"""How many of those that use something are named in a sentence."""


def device_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with the Device."""
    yield from _link_pools(scope)
    if scope.config.device is None:
        yield from _deleted(scope)
        return
    device = scope.config.device
    yield from _unique(scope, device)
    for number, port in enumerate(device.spec.ports):
        yield from _port(scope, device, ("spec", "ports", number), port)
    yield from _management(scope, device)


def _spot(device: Device, *where: str | int) -> Spot:
    return Spot("Device", device.name, where)


def _deleted(scope: Scope) -> Iterator[Problem]:
    """Check that no instance that stays has ports of a Device that goes; what was never there is no fault."""
    if not scope.gone or scope.names["Device"]:
        return
    name = min(scope.gone)
    users: list[str] = []
    for ni in scope.config.instances.values():
        if not ni.spec.ports:
            continue
        if scope.is_new("NetworkInstance", ni.name):
            yield scope.problem(
                Spot("NetworkInstance", ni.name, ("spec", "ports", 0)),
                f"port '{ni.spec.ports[0]}' is of Device '{name}', which would be deleted; keep the Device, or leave "
                "'ports' out",
            )
        else:
            users.append(
                f"{'switch' if ni.is_switch else 'local network'} '{ni.name}' ({_few(ni.spec.ports)})"
            )
    if users:
        yield Problem(
            f"Device '{name}' cannot be deleted: its ports are used by {_few(users)}; delete these first, or in the "
            "same call (delete -f FILE)",
            (),
            -1,
        )


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:FEW]) + (f" and {len(words) - FEW} more" if len(words) > FEW else "")


def _unique(scope: Scope, device: Device) -> Iterator[Problem]:
    ports = device.spec.ports
    port_names = {port.name for port in ports}
    names, interfaces, addresses = Unique(scope), Unique(scope), Unique(scope)
    for number, port in enumerate(ports):
        here = ("spec", "ports", number)
        at_interface = _spot(device, *here, "interface" if port.interface else "name")
        if names.claim(port.name, _spot(device, *here, "name")):
            what = f"duplicate port name '{port.name}'; rename one"
            yield scope.problem(_spot(device, *here, "name"), what)
        elif clash := interfaces.claim(port.ifname, at_interface):
            what = f"interface '{port.ifname}' is already that of port '{_port_name(device, clash[1])}'; give another"
            yield scope.problem(at_interface, what)
        for n, label in enumerate(port.labels):
            if label != port.name and label in port_names:
                what = f"label '{label}' is the name of another port; choose another label"
                yield scope.problem(_spot(device, *here, "labels", n), what)
        for n, address in enumerate(port.addresses):
            if clash := addresses.claim(address.ip, _spot(device, *here, "addresses", n)):
                what = f"address {address.ip} is already that of port '{_port_name(device, clash[1])}'; give another"
                yield scope.problem(clash[0], what)


def _port_name(device: Device, spot: Spot) -> str:
    return device.spec.ports[int(spot.where[2])].name


def _port(scope: Scope, device: Device, here: Where, port: Port) -> Iterator[Problem]:
    if port.interface is None:
        try:
            link_name(port.name)
        except ValueError as fault:
            yield scope.problem(
                _spot(device, *here, "name"), f"{fault}; or give the interface's name in 'interface'"
            )
    for field, asked, version in (("dhcp", port.dhcp, 4), ("slaac", port.slaac, 6), ("dhcp6", port.dhcp6, 6)):
        if asked and any(address.version == version for address in port.addresses):
            yield scope.problem(
                _spot(device, *here, "addresses"),
                f"static addresses of IPv{version} and '{field}: true' exclude each other; keep one",
            )
    own = {address.ip for address in port.addresses}
    for n, gateway in enumerate(port.gateways):
        networks = [network for network in port.networks if network.version == gateway.version]
        # A /32 says nothing about who is on the link, so its gateway may be anywhere; a link-local one is on the link.
        if (
            not networks
            or gateway in LINK_LOCAL
            or any(network.prefixlen == network.max_prefixlen for network in networks)
        ):
            continue
        spot = _spot(device, *here, "gateways", n)
        if not any(gateway in network for network in networks):
            nets = ", ".join(map(str, networks))
            yield scope.problem(
                spot, f"gateway {gateway} is outside the port's subnet {nets}; give one inside it"
            )
        elif gateway in own:
            yield scope.problem(spot, f"gateway {gateway} is the port's own address; give the router's")


def _management(scope: Scope, device: Device) -> Iterator[Problem]:
    name = device.spec.management
    if name is None:
        return
    management = device.port(name)
    if management is None:
        what = scope.unknown("port", name, (port.name for port in device.spec.ports))
        yield scope.problem(_spot(device, "spec", "management"), what)
        return
    for number, port in enumerate(device.spec.ports):
        if port is management:
            continue
        for n, network in enumerate(port.networks):
            if shared := next((own for own in management.networks if own.overlaps(network)), None):
                relation = "equal to" if shared == network else "overlapping"
                yield scope.problem(
                    _spot(device, "spec", "ports", number, "addresses", n),
                    f"subnet {network} of port '{port.name}' is {relation} the device's management network {shared} "
                    f"(port '{name}'); use another subnet, or another management port",
                )


def _link_pools(scope: Scope) -> Iterator[Problem]:
    config = scope.config
    instances = list(config.instances.values())
    yield from _link_pool(scope, "linkPool", config.link_pool, len(instances))
    with_ipv6 = sum(instance.has_ipv6 for instance in instances)
    yield from _link_pool(scope, "linkPool6", config.link_pool6, with_ipv6)


def _link_pool(scope: Scope, field: str, pool: IPNetwork, instances: int) -> Iterator[Problem]:
    device = scope.config.device
    if device is not None:
        spot = _spot(device, "spec", field)
        for service in METADATA_SERVICE:
            if service in pool:
                what = f"{field} {pool} holds {service}, the metadata service; use another range"
                yield scope.problem(spot, what)
        if (needed := 2 * instances) > pool.num_addresses:
            wide = pool.max_prefixlen - (needed - 1).bit_length()
            yield scope.problem(
                spot,
                f"{field} {pool} is too small for {instances} instances with two addresses each; "
                f"use at least a /{wide}",
            )
        for number, port in enumerate(device.spec.ports):
            for n, network in enumerate(port.networks):
                if network.overlaps(pool):
                    yield scope.problem(
                        _spot(device, "spec", "ports", number, "addresses", n),
                        f"subnet {network} overlaps {field} {pool}; set spec.{field} to a range that nobody uses",
                    )
    yield from _pool_and_instances(scope, device, field, pool)


def _pool_and_instances(
    scope: Scope, device: Device | None, field: str, pool: IPNetwork
) -> Iterator[Problem]:
    """Report one fault of the pool once, not at each instance, where the pool is what has just been written."""
    hit = {
        ni.name: (number, subnet)
        for ni in scope.config.instances.values()
        for number, subnet in enumerate(ni.spec.subnets)
        if subnet.overlaps(pool)
    }
    at_device: list[str] = []
    if device is not None and scope.is_new("Device", device.name):
        written = ("link_pool" if pool.version == 4 else "link_pool6") in device.spec.model_fields_set
        at_device = [name for name in hit if written or not scope.is_new("NetworkInstance", name)]
        if at_device:
            what = ", ".join(f"{name} ({hit[name][1]})" for name in at_device[:3])
            yield scope.problem(
                _spot(device, "spec", field),
                f"{field} {pool} overlaps the subnet of {what}{' …' * (len(at_device) > 3)}; "
                "use a range that nobody uses",
            )
    for name in sorted(hit.keys() - set(at_device)):
        number, subnet = hit[name]
        yield scope.problem(
            Spot("NetworkInstance", name, ("spec", "subnets", number)),
            f"subnet {subnet} overlaps the device's {field} {pool}; use another, or set the Device's {field}",
        )
