"""The device as its tables describe it: documents and statuses read into what the features are told.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address, ip_interface
from typing import Any

from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.whole import Config, parse
from netnsmgr.features import vif
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Learned
from netnsmgr.features.rows import device_of, instance_scope, linked_instance, uplink_scope
from netnsmgr.features.scope import InstanceScope, LinkedInstance, PortFacts, UplinkScope
from netnsmgr.features.vpn.ways import told
from netnsmgr.items.lease import Lease
from netnsmgr.pubsub.tables import APP_STATUS, DEVICE_STATUS, INSTANCE_STATUS, PERSISTENT, link_status
from netnsmgr.supervisor.slices import UPLINK, Slicer, allocate

ON_SWITCHES = ("dhcp", "dhcp6", "arp", "nd", "link-local")
"""How addresses of a switch's applications are learned, all of them."""

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Site:
    """All documents with what is known of them; an application that has no status yet has no address."""

    def __init__(self, rows: Rows, run_dir: str) -> None:
        documents = {table: {k: dict(v) for k, v in rows.get(table, {}).items()} for table in PERSISTENT}
        self._status = rows
        self._run_dir = run_dir
        self.config: Config = parse(row for table in PERSISTENT for row in documents[table].values())
        told = rows.get(INSTANCE_STATUS, {})
        numbers = {name: row["number"] for name, row in told.items() if "number" in row}
        numbers = allocate(numbers, self.config.instances)
        self._slices = Slicer().cut(self.config, documents, numbers, 0)
        self._scopes: dict[str, InstanceScope] = {}

    def interfaces(self, app: App) -> list[AppInterface]:
        """Return the application's interfaces whose networks exist."""
        return [interface for interface in app.spec.interfaces if interface.network in self._slices]

    def members(self, app: App) -> list[tuple[App, AppInterface]]:
        """Return the same with their lists as the instances have them: with NAT64 there are more rules than written."""
        return [
            member
            for network in dict.fromkeys(each.network for each in self.interfaces(app))
            for member in self.scope(network).interfaces
            if member[0].name == app.name
        ]

    def scope(self, network: str) -> InstanceScope:
        """Return an instance with its applications and the addresses that they are said to hold."""
        if network not in self._scopes:
            scope = instance_scope(
                self._slices[network],
                self._link(network),
                run_dir=self._run_dir,
                state_dir="",
                netns_inode=0,
                leases=tuple(self._leases(network)),
            )
            vpn = told(scope.vpn, self.vpn_row(network))
            self._scopes[network] = replace(scope, learned=tuple(self._learned(scope)), vpn=vpn)
        return self._scopes[network]

    def linked(self, network: str) -> LinkedInstance:
        """Return an instance as the device's side sees it."""
        known = (*self.uplink.instances, *self.uplink.switches)
        return next(each for each in known if each.instance.name == network)

    @cached_property
    def uplink(self) -> UplinkScope:
        """The device's root namespace, with the ports as they are said to be now."""
        row = self._slices[UPLINK]
        device = device_of(row)
        status = self._status.get(DEVICE_STATUS, {}).get(device.name, {}) if device is not None else {}
        told = {port["name"]: port for port in status.get("ports") or ()}
        ports = device.spec.ports if device is not None else ()
        facts = [_facts(port.name, port.l3, told.get(port.name, {})) for port in ports]
        instances = map(linked_instance, row["instances"])
        told_ = (replace(each, delegated=self._link(each.instance.name).delegated) for each in instances)
        return uplink_scope(device, facts, told_, self._run_dir, 0)

    def _link(self, network: str) -> LinkFacts:
        told = self._status.get(link_status(network), {}).get("link")
        return LinkFacts.of(dict(told) if told is not None else None)

    def vpn_row(self, network: str) -> Mapping[str, Any]:
        """Return what is told of an instance's tunnels; empty if nothing is."""
        return self._status.get(INSTANCE_STATUS, {}).get(network, {}).get("vpn") or {}

    def app_row(self, network: str, app: str, interface: str) -> Mapping[str, Any]:
        """Return the status of an interface; empty if there is none."""
        return self._status.get(APP_STATUS, {}).get(f"{network}/{app}/{interface}", {})

    def _leases(self, network: str) -> Iterator[Lease]:
        for app, interface in self.config.members.get(network, ()):
            mac = interface.mac_for(app.name)
            for held in self._held(network, app, interface, "dhcp", "dhcp6"):
                yield Lease(mac, ip_address(held["address"]), expires=held.get("expires") or 0)

    def _learned(self, scope: InstanceScope) -> Iterator[Learned]:
        for app, interface in scope.interfaces:
            number = scope.numbers.vifs[vif.group(app, interface)]
            sources = ON_SWITCHES if scope.instance.is_switch else ("slaac", "link-local")
            for held in self._held(scope.instance.name, app, interface, *sources):
                yield Learned(number, ip_address(held["address"]))

    def _held(
        self, network: str, app: App, interface: AppInterface, *sources: str
    ) -> list[Mapping[str, Any]]:
        held = self.app_row(network, app.name, interface.name).get("addresses") or ()
        return [each for each in held if each.get("source", "dhcp") in sources]


def _facts(name: str, ifname: str, row: Mapping[str, Any]) -> PortFacts:
    return PortFacts(
        name,
        row.get("interface", ifname),
        present=row.get("state", "missing") not in ("missing", "moved"),
        up=row.get("state") == "up",
        carrier=row.get("state") == "up",
        addresses=tuple(map(ip_interface, row.get("addresses") or ())),
        gateways=tuple(map(ip_address, row.get("gateways") or ())),
        dns=tuple(map(ip_address, row.get("dns") or ())),
    )
