"""Rules of switch instances: whose a port of the device is, and what meets in a switch's namespace.

A port that a switch uses leaves the device's root namespace, unless it is shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from netnsmgr.config.acl import Portmap
from netnsmgr.config.device import Device, Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.core.linkname import short_name
from netnsmgr.errors import Problem

OWN = frozenset({"bn0", "metadata", "to-metadata"})
"""Links of the switch itself in its namespace: the bridge (``features/bridge``), and the way to the metadata service."""
TO_SWITCHES = "sw-"
"""How the names of links between shared ports and switches begin (``features/shared_port``)."""
SHARE = "write 'shared: true' at the port, in the Device, or give the switch another port"


class Use(NamedTuple):
    """A port in an instance: which of the instance's words names it first."""

    port: Port
    word: int


class Words:
    """The device's ports by their names and labels: each word looked up once, however many instances there are."""

    def __init__(self, device: Device) -> None:
        self._found: dict[str, list[Port]] = {}
        for port in device.spec.ports:
            for word in dict.fromkeys((port.name, *port.labels)):
                self._found.setdefault(word, []).append(port)

    def named(self, word: str) -> list[Port]:
        """Return the ports of that name or label."""
        return self._found.get(word, [])

    def uses(self, ni: NetworkInstance) -> dict[str, Use]:
        """Return the instance's ports by name."""
        found: dict[str, Use] = {}
        for n, word in enumerate(ni.spec.ports):
            for port in self.named(word):
                found.setdefault(port.name, Use(port, n))
        return found


@dataclass
class _Taken:
    """A port that a switch uses."""

    switch: NetworkInstance
    use: Use

    @property
    def spot(self) -> Spot:
        return Spot("NetworkInstance", self.switch.name, ("spec", "ports", self.use.word))


def switch_rules(scope: Scope) -> Iterator[Problem]:
    """Yield ports that cannot be a switch's, and links of a switch's namespace that cannot be together."""
    device = scope.config.device
    if device is None:
        return
    words = Words(device)
    taken: dict[str, _Taken] = {}
    for ni in scope.config.instances.values():
        if ni.is_switch:
            uses = words.uses(ni)
            for use in uses.values():
                yield from _take(scope, taken, _Taken(ni, use))
            yield from _together(scope, ni, uses)
    yield from _shared(scope, device)
    alone = {name: each for name, each in taken.items() if not each.use.port.shared}
    # What is used by the device as well needs the same remedy: once said is enough.
    own = {name: used for name, each in alone.items() if (used := _use(device, each.use.port))}
    yield from _device(scope, device, alone, own)
    yield from _others(scope, words, {name: each for name, each in alone.items() if name not in own})
    yield from _port_maps(scope, words, alone)


def _called(taken: _Taken) -> str:
    """Return the port as the switch names it."""
    word = taken.switch.spec.ports[taken.use.word]
    name = taken.use.port.name
    return f"port '{name}'" if word == name else f"port '{name}' (label '{word}')"


def _newest(scope: Scope, *spots: Spot) -> Spot:
    """Return the first place that is being written now: of what was applied before nobody is at fault."""
    return next((spot for spot in spots if scope.is_new(spot.kind, spot.name)), spots[0])


def _take(scope: Scope, taken: dict[str, _Taken], mine: _Taken) -> Iterator[Problem]:
    first = taken.setdefault(mine.use.port.name, mine)
    if first is mine:
        return
    if scope.is_new("NetworkInstance", first.switch.name) and not scope.is_new(
        "NetworkInstance", mine.switch.name
    ):
        first, mine = mine, first
    what = (
        f"{_called(mine)} is already that of switch '{first.switch.name}', and a port is of one switch only"
    )
    what = f"{what}; give this one another port, or attach its apps to '{first.switch.name}'"
    if scope.is_new("NetworkInstance", mine.switch.name) > scope.is_new("NetworkInstance", first.switch.name):
        # As after renaming a switch in its file.
        what += f". '{first.switch.name}' was applied before and is not in what is being applied: "
        what += "if this one takes its place, delete it, or apply with --prune"
    yield scope.problem(mine.spot, what)


def _device(scope: Scope, device: Device, alone: dict[str, _Taken], own: dict[str, str]) -> Iterator[Problem]:
    """Check that the device itself uses no port that a switch has for itself."""
    for number, port in enumerate(device.spec.ports):
        if port.name in own:
            mine = alone[port.name]
            spot = _newest(scope, mine.spot, Spot("Device", device.name, ("spec", "ports", number)))
            what = f"{_called(mine)} {own[port.name]}, and switch '{mine.switch.name}' takes it away from the device"
            yield scope.problem(spot, f"{what}; {SHARE}")


def _shared(scope: Scope, device: Device) -> Iterator[Problem]:
    """Check ports that are shared, and the names of the links that are made for them."""
    made = {
        name: port
        for port in device.spec.ports
        if port.shared
        for name in (port.l3, short_name(TO_SWITCHES, port.ifname))
    }
    for number, port in enumerate(device.spec.ports):
        here = ("spec", "ports", number)
        if port.shared and not (port.addresses or port.dhcp or port.slaac or port.dhcp6):
            what = "a shared port needs addresses that netnsmgr gives it, because they move to a bridge; add 'addresses'"
            yield scope.problem(
                Spot("Device", device.name, (*here, "shared")),
                f"{what}, 'dhcp: true', 'slaac: true' or 'dhcp6: true'",
            )
        if (other := made.get(port.ifname)) is not None:
            what = f"interface '{port.ifname}' has the name of a link that is made because port '{other.name}' is shared"
            field = "interface" if port.interface else "name"
            yield scope.problem(
                Spot("Device", device.name, (*here, field)), f"{what}; give another 'interface'"
            )


def _use(device: Device, port: Port) -> str:
    """Say what the device itself does with a port, as far as it is written; empty if nothing."""
    if device.spec.management == port.name:
        return "is the device's management port"
    for field, written in (
        ("addresses", port.addresses),
        ("dhcp", port.dhcp),
        ("slaac", port.slaac),
        ("dhcp6", port.dhcp6),
        ("gateways", port.gateways),
    ):
        if written:
            return f"is used by the device itself ('{field}')"
    return ""


def _others(scope: Scope, words: Words, alone: dict[str, _Taken]) -> Iterator[Problem]:
    """Check that no local instance leaves by a port that a switch has for itself; each port is said once."""
    found: dict[str, list[tuple[NetworkInstance, int, bool]]] = {}
    for ni in scope.config.instances.values():
        if not ni.is_switch:
            uses = words.uses(ni)
            for name in uses.keys() & alone.keys():
                found.setdefault(name, []).append((ni, uses[name].word, len(uses) == 1))
    for name in sorted(found):
        mine, users = alone[name], found[name]
        ni, word, only = next((each for each in users if each[2]), users[0])
        spot = _newest(scope, mine.spot, Spot("NetworkInstance", ni.name, ("spec", "ports", word)))
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        way = ", which has no other port" if only else ""
        what = f"{_called(mine)} is also that of local network '{ni.name}'{more}{way}"
        if only and more:
            what = f"{_called(mine)} is also that of {len(users)} local networks, '{ni.name}' among them{way}"
        yield scope.problem(
            spot, f"{what}, and switch '{mine.switch.name}' takes it away from the device; {SHARE}"
        )


def _port_maps(scope: Scope, words: Words, alone: dict[str, _Taken]) -> Iterator[Problem]:
    """Check that no port map is at a port that is not the device's any more."""
    for app in scope.config.apps.values():
        for number, interface in enumerate(app.spec.interfaces):
            for n, rule in enumerate(interface.acl or ()):
                if not isinstance(rule.action, Portmap) or (adapter := rule.match.adapter) is None:
                    continue
                ports = words.named(adapter)
                if ports and all(port.name in alone for port in ports):
                    mine = alone[ports[0].name]
                    at = Spot("App", app.name, ("spec", "interfaces", number, "acl", n, "match", "adapter"))
                    what = f"port '{ports[0].name}' is that of switch '{mine.switch.name}', so that the device has no address there"
                    yield scope.problem(
                        _newest(scope, at, mine.spot), f"{what}; name another adapter, or {SHARE}"
                    )


def _together(scope: Scope, ni: NetworkInstance, uses: dict[str, Use]) -> Iterator[Problem]:
    """Check the names and sizes of what meets in a switch's namespace."""
    spec = ni.spec
    vifs = {f"{app.name}.{interface.name}": app for app, interface in scope.config.members.get(ni.name, ())}
    for port, word in uses.values():
        spot = Spot("NetworkInstance", ni.name, ("spec", "ports", word))
        if port.ifname in OWN:
            what = (
                f"interface '{port.ifname}' of port '{port.name}' has the name of a link of the switch's own"
            )
            yield scope.problem(spot, f"{what}; rename the interface, and give its name in the Device")
        elif (app := vifs.get(port.ifname)) is not None:
            what = f"interface '{port.ifname}' of port '{port.name}' has the name that the switch gives to the interface"
            at = _newest(scope, spot, Spot("App", app.name, ("metadata", "name")))
            yield scope.problem(at, f"{what} of app '{app.name}'; rename one of them")
    if spec.mtu is None:
        return
    device = scope.config.device
    for port, _ in uses.values():
        parent = device.port(port.vlan.parent) if device is not None and port.vlan is not None else None
        carries = port.mtu or (parent.mtu if parent is not None else None)
        if carries is not None and carries < spec.mtu:
            what = f"mtu {spec.mtu} is larger than that of port '{port.name}' ({carries}), which would drop what is larger"
            yield scope.problem(
                Spot("NetworkInstance", ni.name, ("spec", "mtu")),
                f"{what}; lower it, or raise the mtu of the port",
            )
            return
