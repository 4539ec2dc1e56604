"""Documents and statuses into a topology."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface, ip_network
from typing import Any

from netnsmgr.config.acl import Portmap
from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.device import Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.whole import Config
from netnsmgr.core.ip import IPNetwork, interface
from netnsmgr.core.linkname import short_name
from netnsmgr.core.protocols import WITH_PORTS
from netnsmgr.topology import model, words
from netnsmgr.topology.collisions import with_collisions
from netnsmgr.topology.tunnels import tunnels

Row = Mapping[str, Any]
LINK_PREFIX = "nm-"
UPLINK = "uplink"
"""The agent of the device's root namespace."""
STATES = {
    "ready": "ok",
    "up": "ok",
    "moved": "ok",
    "degraded": "failed",
    "missing": "failed",
    "down": "failed",
}
"""What a status calls fine, and what it calls broken; everything else is on its way."""


@dataclass(frozen=True)
class Statuses:
    """What agents say, by name of the device and instance, and ``<ni>/<app>/<interface>``."""

    devices: Mapping[str, Row]
    instances: Mapping[str, Row]
    apps: Mapping[str, Row]
    agents: Mapping[str, Row]


def topology(config: Config, numbers: Mapping[str, int], statuses: Statuses | None = None) -> model.Topology:
    """Return what a configuration makes, or with ``statuses`` what it has made.

    ``numbers`` are those of the instances, which give their links' addresses.  Statuses of what the configuration does
    not name are left out; what has none yet is pending.
    """
    reader = _Reader(config, numbers, statuses)
    return with_collisions(
        model.Topology(
            config.device.name if config.device is not None else "",
            statuses is not None,
            tuple(reader.ports()),
            tuple(reader.instance(each) for _, each in sorted(config.instances.items())),
            tuple(reader.app(each) for _, each in sorted(config.apps.items())),
            tuple(reader.port_maps()),
            health=reader.device_health(),
        )
    )


class _Reader:
    def __init__(self, config: Config, numbers: Mapping[str, int], statuses: Statuses | None) -> None:
        self._config = config
        self._numbers = numbers
        self._statuses = statuses
        self._ports = config.device.spec.ports if config.device is not None else ()
        self._row: Row = (
            (statuses.devices.get(config.device.name) or {}) if statuses and config.device else {}
        )
        self._port_rows: dict[str, Row] = {each["name"]: each for each in self._row.get("ports") or ()}

    def _health(self, row: Row | None) -> model.Health:
        if self._statuses is None:
            return model.Health()
        row = row or {}
        return model.Health(
            STATES.get(str(row.get("state")), "pending"), tuple(map(str, row.get("reasons") or ()))
        )

    def ports(self) -> Iterator[model.Port]:
        """Yield the device's ports, in the order of the document."""
        switches = {
            port.name: ni
            for ni in self._config.instances.values()
            if ni.is_switch
            for port in self._selected(ni.spec.ports)
        }
        for port in self._ports:
            switch = switches.get(port.name)
            row = self._port_rows.get(port.name) or {}
            told = [ip_interface(each) for each in row.get("addresses") or ()]
            addresses = told or list(port.addresses)
            yield model.Port(
                port.name,
                port.ifname,
                port.labels,
                tuple(map(str, addresses)),
                tuple(self._port_notes(port, switch, known=bool(addresses))),
                tuple(dict.fromkeys(each.network for each in addresses)),
                tuple(map(str, row.get("gateways") or port.gateways)),
                tuple(map(str, row.get("dns") or port.dns)),
                port.shared,
                switch.name if switch is not None and not port.shared else "",
                self._port_health(row),
            )

    def _port_health(self, row: Row) -> model.Health:
        health = self._health(row)
        return (
            health
            if health.state in ("", "ok")
            else replace(health, reasons=(str(row.get("state", "unknown")),))
        )

    def _port_notes(self, port: Port, switch: NetworkInstance | None, *, known: bool) -> Iterator[str]:
        if port.ifname != port.name:
            yield f"interface {port.ifname}"
        if port.labels:
            yield "labels " + ", ".join(port.labels)
        learned = [
            word
            for word, wanted in (("DHCP", port.dhcp), ("SLAAC", port.slaac), ("DHCPv6", port.dhcp6))
            if wanted
        ]
        if learned:
            yield f"addresses by {', '.join(learned)}"
        elif not known and switch is None:
            yield "addresses as found"
        if port.vlan is not None:
            yield f"VLAN {port.vlan.id} of {port.vlan.parent}"
        if switch is not None:
            for word in (port.name, *port.labels):
                if word in switch.spec.vlans:
                    yield words.vlan_words(switch.spec.vlans[word])
        if port.shared:
            yield f"shared by the bridge {port.l3}"
        if port.mtu is not None:
            yield f"MTU {port.mtu}"
        if port.cost:
            yield f"cost {port.cost}"
        if self._config.device is not None and self._config.device.spec.management == port.name:
            yield "management"

    def _selected(self, named: Iterable[str]) -> list[Port]:
        """Return the ports that names and labels select, the cheapest first."""
        wanted = set(named)
        chosen = [port for port in self._ports if port.name in wanted or wanted & set(port.labels)]
        return sorted(chosen, key=lambda port: port.cost)

    def instance(self, ni: NetworkInstance) -> model.Instance:
        """Return a network instance."""
        row = self._statuses.instances.get(ni.name) if self._statuses else None
        ports = self._selected(ni.spec.ports)
        known = {word for port in ports for word in (port.name, *port.labels)}
        subnets = tuple(_subnets(ni, row))
        return model.Instance(
            ni.name,
            ni.spec.type,
            subnets,
            tuple(words.services(ni, (network for network, _ in subnets), len(ports))),
            tuple(port.name for port in ports),
            tuple(word for word in ni.spec.ports if word not in known),
            bool(self._ports),
            tuple(tunnels(ni, row)),
            None if ni.is_switch else self._link(ni),
            ni.spec.ipv6.uplink == "ndpProxy",
            self._agent_health(ni.name, row),
        )

    def device_health(self) -> model.Health:
        """Return how the device's root namespace is."""
        return self._agent_health(UPLINK, self._row) if self._config.device is not None else model.Health()

    def _agent_health(self, name: str, row: Row | None) -> model.Health:
        health = self._health(row)
        agent = (self._statuses.agents.get(name) or {}) if self._statuses else {}
        if agent.get("state", "running") == "running":
            return health
        cause = f": {agent['cause']}" if agent.get("cause") else ""
        return model.Health("failed", (f"its agent is {agent['state']}{cause}", *health.reasons))

    def _link(self, ni: NetworkInstance) -> model.Link:
        number = self._numbers.get(ni.name)
        pools = (
            (self._config.link_pool, self._config.link_pool6) if ni.has_ipv6 else (self._config.link_pool,)
        )
        addresses = () if number is None else tuple(
            str(interface(pool[2 * number], pool.max_prefixlen - 1))
            for pool in pools
            if 2 * number + 1 < pool.num_addresses
        )  # fmt: skip
        return model.Link(short_name(LINK_PREFIX, ni.name), addresses)

    def app(self, app: App) -> model.App:
        """Return an application."""
        return model.App(
            app.name,
            words.attach_words(app),
            tuple(self._interface(app, each) for each in app.spec.interfaces),
        )

    def _interface(self, app: App, each: AppInterface) -> model.Interface:
        row = self._statuses.apps.get(f"{each.network}/{app.name}/{each.name}") if self._statuses else None
        told = [str(held["address"]) for held in (row or {}).get("addresses") or ()]
        fixed = [str(address) for address in (each.address, each.address6) if address is not None]
        return model.Interface(
            each.name,
            each.network,
            each.mac_for(app.name),
            tuple(told or fixed),
            ("everything allowed",) if each.acl is None else tuple(map(words.rule_words, each.acl)),
            tuple(words.interface_notes(each)),
            self._health(row),
        )

    def port_maps(self) -> Iterator[model.PortMap]:
        """Yield the device's ports that lead to applications, in the order of these."""
        usable = [
            port for port in self._ports if port.addresses or port.dhcp or self._port_rows.get(port.name)
        ]
        for name, members in sorted(self._config.members.items()):
            for app, each in members:
                for rule in each.acl or ():
                    if not isinstance(rule.action, Portmap):
                        continue
                    adapter = rule.match.adapter
                    at = [port.name for port in usable if adapter in (None, port.name, *port.labels)]
                    protocol = WITH_PORTS.get(rule.match.protocol or 0, "tcp")
                    what = f"{rule.match.lport[0]}/{protocol}"
                    yield model.PortMap(what, f"{app.name}:{rule.action.portmap}", name, tuple(at))


def _subnets(ni: NetworkInstance, row: Row | None) -> Iterator[tuple[IPNetwork, str]]:
    """Yield subnets with the instance's addresses: as the status tells, which knows delegated ones, or as written."""
    if row and row.get("subnets"):
        gateways = row.get("gateways") or ()
        for text, gateway in zip(row["subnets"], gateways, strict=False):
            yield ip_network(text), str(gateway)
        return
    for subnet in ni.spec.subnets:
        yield subnet, str(ni.gateway_in(subnet))
