"""Rules of VLANs: ports of the device that are VLANs of others, and what the links of a switch carry."""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.config.device import Device, Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.messages import listed
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.config.rules.switch import Words
from netnsmgr.errors import Problem

LINKS = "nm-"
"""How the names of links to instances begin (``features/scope``)."""


def vlan_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with VLAN ports, and with the VLANs of switches."""
    device = scope.config.device
    if device is not None:
        words = Words(device)
        yield from _ports(scope, device, words)
        for ni in scope.config.instances.values():
            if ni.is_switch:
                yield from _named(scope, ni, words)
    yield from _trunks(scope)


def _ports(scope: Scope, device: Device, words: Words) -> Iterator[Problem]:
    names = {port.name: port for port in device.spec.ports}
    plain = sorted(name for name, each in names.items() if each.vlan is None)
    parents: dict[str, Port] = {}
    unique = Unique(scope)
    for number, port in enumerate(device.spec.ports):
        if port.vlan is None:
            continue
        here = ("spec", "ports", number, "vlan")
        at_parent = Spot("Device", device.name, (*here, "parent"))
        if port.ifname.startswith(LINKS):
            what = f"names that begin with '{LINKS}' are those of links to instances"
            field = "interface" if port.interface else "name"
            yield scope.problem(
                Spot("Device", device.name, (*here[:-1], field)), f"{what}; give another 'interface'"
            )
        parent = names.get(port.vlan.parent)
        if parent is None:
            what = f"unknown port '{port.vlan.parent}'; add the port that carries the tagged frames"
            if plain:
                what = scope.unknown("port", port.vlan.parent, plain)
            yield scope.problem(at_parent, what)
            continue
        if fault := _not_a_parent(port, parent):
            yield scope.problem(at_parent, fault)
            continue
        parents.setdefault(parent.name, port)
        at_id = Spot("Device", device.name, (*here, "id"))
        if clash := unique.claim((parent.name, port.vlan.id), at_id):
            other = device.spec.ports[int(clash[1].where[2])].name
            what = f"VLAN {port.vlan.id} of port '{parent.name}' is already port '{other}'; give another id"
            yield scope.problem(at_id, what)
        if port.mtu is not None and parent.mtu is not None and port.mtu > parent.mtu:
            what = f"mtu {port.mtu} is larger than that of its parent '{parent.name}' ({parent.mtu}), which carries it"
            at_mtu = Spot("Device", device.name, ("spec", "ports", number, "mtu"))
            yield scope.problem(at_mtu, f"{what}; lower it, or raise the parent's")
    yield from _parents(scope, words, parents)


def _not_a_parent(port: Port, parent: Port) -> str:
    """Say why a port cannot have this parent; empty if it can."""
    if parent is port:
        return f"port '{port.name}' cannot be a VLAN of itself; name the port that carries the tagged frames"
    if parent.vlan is not None:
        what = f"port '{parent.name}' is itself a VLAN of '{parent.vlan.parent}', and there are no VLANs in VLANs"
        return f"{what}; name the port that carries the tagged frames"
    if parent.shared:
        what = f"port '{parent.name}' is shared, so that its frames belong to a bridge"
        return f"{what}; leave 'shared' out there, as the switch can have a VLAN of it instead"
    return ""


def _parents(scope: Scope, words: Words, parents: dict[str, Port]) -> Iterator[Problem]:
    """Check that no switch has a port of which another port is a VLAN."""
    for ni in scope.config.instances.values():
        if not ni.is_switch:
            continue
        for port, word in words.uses(ni).values():
            if (vlan := parents.get(port.name)) is not None:
                what = (
                    f"port '{port.name}' carries the VLAN port '{vlan.name}', so that no switch can have it"
                )
                yield scope.problem(
                    Spot("NetworkInstance", ni.name, ("spec", "ports", word)),
                    f"{what}; give the switch a VLAN port as well, or remove '{vlan.name}'",
                )


def _named(scope: Scope, ni: NetworkInstance, words: Words) -> Iterator[Problem]:
    """Check the ports to which a switch gives VLANs or the guard."""
    own = words.uses(ni)
    known = sorted({label for port, _ in own.values() for label in (port.name, *port.labels)})
    by: dict[str, str] = {}
    for word in ni.spec.vlans:
        spot = Spot("NetworkInstance", ni.name, ("spec", "vlans", word))
        ports = [port.name for port in words.named(word) if port.name in own]
        if not ports:
            yield scope.problem(spot, _no_such_port(scope, ni, word, words, known))
        for name in ports:
            if (first := by.setdefault(name, word)) != word:
                what = f"port '{name}' has its VLANs by '{first}' already; keep one of the two"
                yield scope.problem(spot, what)
                break
    for n, word in enumerate(ni.spec.stp.bpdu_guard):
        if not any(port.name in own for port in words.named(word)):
            yield scope.problem(
                Spot("NetworkInstance", ni.name, ("spec", "stp", "bpduGuard", n)),
                _no_such_port(scope, ni, word, words, known),
            )
        elif len(own) == 1:
            what = "no spanning tree runs in a switch with one port, so that the guard would do nothing"
            yield scope.problem(
                Spot("NetworkInstance", ni.name, ("spec", "stp", "bpduGuard", n)),
                f"{what}; leave 'bpduGuard' out, or give the switch a second port",
            )


def _no_such_port(scope: Scope, ni: NetworkInstance, word: str, words: Words, known: list[str]) -> str:
    if not known:
        return f"switch '{ni.name}' has no ports; add '{word}' to 'ports', or leave this out"
    if words.named(word):
        return f"'{word}' is a port, or a label of one, but of none of switch '{ni.name}'; its own are {listed(known)}"
    return scope.unknown("port or label", word, known)


def _trunks(scope: Scope) -> Iterator[Problem]:
    """Check that there is a VLAN at all where a link is to carry some."""
    bare: dict[str, str] = {}
    for ni in scope.config.instances.values():
        vlans = [*ni.spec.vlans.values(), *(each.vlan for _, each in scope.config.members.get(ni.name, ()))]
        if not ni.is_switch or any(vlan is not None and vlan.access is not None for vlan in vlans):
            continue
        bare[ni.name] = what = (
            f"trunk without access: no link of switch '{ni.name}' has an access VLAN, and without one it carries all "
            "tags as they are; leave 'trunk' out, or give a port or an app's interface 'access: NUMBER'"
        )
        for word, vlan in ni.spec.vlans.items():
            if vlan.trunk is not None:
                yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", "vlans", word, "trunk")), what)
    for app in scope.config.apps.values():
        for number, interface in enumerate(app.spec.interfaces):
            if interface.vlan is not None and interface.network in bare:
                spot = Spot("App", app.name, ("spec", "interfaces", number, "vlan", "trunk"))
                yield scope.problem(spot, bare[interface.network])
