"""What a change does to traffic that the items do not tell: ports that come and go, VLANs, tunnels, in words.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.device import Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.whole import Config
from netnsmgr.core.ip import IPNetwork


class _Use(NamedTuple):
    """A port of the device in a configuration, and the switch that has it (empty: none)."""

    port: Port
    switch: str

    @property
    def moved(self) -> bool:
        return bool(self.switch) and not self.port.shared


def disturbed(old: Config, new: Config) -> dict[str, list[str]]:
    """Return what is interrupted in the device's root namespace ("uplink") and in switches, by agent."""
    found: dict[str, list[str]] = {}
    before, after = _uses(old), _uses(new)
    for name in sorted(before.keys() | after.keys()):
        for agent, what in _port(name, before.get(name), after.get(name)):
            found.setdefault(agent, []).append(what)
    for name, ni in new.instances.items():
        known = old.instances.get(name)
        if ni.is_switch and known is not None and known.is_switch and _vlans(old, name) != _vlans(new, name):
            found.setdefault(name, []).append("the VLANs: who reaches whom changes for what is connected")
        for what in _tunnels(known, ni) if known is not None else ():
            found.setdefault(name, []).append(what)
    return found


def _tunnels(old: NetworkInstance, new: NetworkInstance) -> Iterator[str]:
    """Yield what begins to leave in clear, and what no longer does."""
    before, after = old.spec.vpn, new.spec.vpn
    if before is None:
        if after is not None and not old.air_gapped:
            yield "a VPN comes: flows that leave in clear now end, unless it lets them"
        return
    if after is None:
        if not new.air_gapped:
            yield "the VPN goes: what was for its tunnels leaves in clear from now on"
        return
    if after.rest == "direct" and before.rest == "block":
        yield "what no tunnel carries leaves in clear from now on"
    elif after.rest == "direct":
        kept = set(after.networks)
        for network in before.networks:
            if network not in kept and not any(_within(network, each) for each in kept):
                yield f"what is for {network} leaves in clear from now on"
    if after.dns == "direct" and before.dns == "tunnel":
        yield "names are asked for in clear from now on"


def _within(network: IPNetwork, other: IPNetwork) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


def _vlans(config: Config, switch: str) -> tuple[object, ...]:
    """Return what tells VLANs apart on a switch: what is written for its ports, and the VLANs of its interfaces."""
    written = {
        (app.name, interface.name): interface.vlan
        for app, interface in config.members.get(switch, ())
        if interface.vlan is not None
    }
    return config.instances[switch].spec.vlans, written


def _uses(config: Config) -> dict[str, _Use]:
    named: dict[str, str] = {}
    for ni in config.instances.values():
        if ni.is_switch:
            for word in ni.spec.ports:
                named.setdefault(word, ni.name)
    ports = config.device.spec.ports if config.device is not None else ()
    found: dict[str, _Use] = {}
    for port in ports:
        words = (port.name, *port.labels)
        found[port.name] = _Use(port, next((named[word] for word in words if word in named), ""))
    return found


def _port(name: str, old: _Use | None, new: _Use | None) -> Iterator[tuple[str, str]]:
    """Yield what one port's change does, and to whom."""
    uplink = "uplink"
    was, now = old is not None and old.moved, new is not None and new.moved
    if now and new is not None and not was:
        # Also of a port that is new in the configuration: the link may have been there all the time.
        yield uplink, f"port {name} leaves the device for {new.switch}: whatever uses it there loses it"
    if was and old is not None:
        users = f"the applications of {old.switch}"
        if new is not None and new.switch == old.switch:
            if not now:
                yield (
                    uplink,
                    f"port {name} comes back to be shared with {old.switch}: {users} lose it for a moment",
                )
        elif now and new is not None:
            yield uplink, f"port {name} goes from {old.switch} to {new.switch}: {users} lose it"
        else:
            yield uplink, f"port {name} comes back to the device from {old.switch}: {users} lose it"
    if old is None or new is None or was or now:
        return
    if old.port.shared != new.port.shared:
        where = "move to a bridge" if new.port.shared else "move back from its bridge"
        yield uplink, f"port {name}: its addresses {where}, which interrupts what goes over it for a moment"
    if old.switch and old.switch != new.switch:
        yield uplink, f"port {name} is taken out of {old.switch}, whose applications lose it"
