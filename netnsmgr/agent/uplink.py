"""The agent of the device's root namespace: ports, links to the instances, and what it tells of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from netnsmgr.agent.reconciler import Outcome
from netnsmgr.agent.status import complete, items_of, reasons
from netnsmgr.config.device import Port
from netnsmgr.core.ip import LINK_LOCAL, VERSIONS, IPAddress, IPInterface, Version
from netnsmgr.core.item import Ref
from netnsmgr.features import port_dhcp
from netnsmgr.features.portmap import exposed
from netnsmgr.features.rows import device_of, linked_instance, port_lease_dir, uplink_scope
from netnsmgr.features.scope import Intent, LinkedInstance, PortFacts, PortLease, UplinkScope
from netnsmgr.features.uplink import intent
from netnsmgr.items.link import link_ref, netns_ref
from netnsmgr.kernel.system import KernelSystem
from netnsmgr.pubsub.tables import AGENT_STATUS, DEVICE_STATUS, link_status


class UplinkRole:
    """See ``agent.Role``."""

    tables: tuple[str, ...] = (
        AGENT_STATUS,
    )  # an agent that runs has its namespace, into which we put a link

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self.ipv6 = False
        self._scope: UplinkScope | None = None
        self._intent: Intent = {}
        self._leases: dict[str, PortLease | None] = {}
        self._read: dict[str, tuple[object, LinkedInstance]] = {}

    async def intend(
        self, row: dict[str, Any], views: dict[str, dict[str, Any]], system: KernelSystem
    ) -> Intent:
        device = device_of(row)
        ports = device.spec.ports if device is not None else ()
        self._leases = {port.name: self._lease(port) for port in ports if port.dhcp}
        self._read = {
            entry["instance"]["metadata"]["name"]: self._linked(entry) for entry in row["instances"]
        }
        linked = [instance for _, instance in self._read.values()]
        self.ipv6 = any(each.instance.has_ipv6 for each in linked) or any(
            each.version == 6 for port in ports for each in port.addresses
        )
        system.rtnl.ipv6 |= self.ipv6
        facts = await _port_facts(ports, self._leases, system, ipv6=self.ipv6)
        self._scope = uplink_scope(device, facts, linked, self._run_dir, system.netns_inode)
        self._intent = intent(self._scope)
        return self._intent

    def _linked(self, entry: dict[str, Any]) -> tuple[object, LinkedInstance]:
        known = self._read.get(entry["instance"]["metadata"]["name"])
        return known if known is not None and known[0] == entry else (entry, linked_instance(entry))

    @property
    def lease_dir(self) -> str:
        """The directory whose changes say that a port has got, renewed or lost its lease."""
        return port_lease_dir(self._run_dir)

    def _lease(self, port: Port) -> PortLease | None:
        try:
            with open(f"{self.lease_dir}/{port_dhcp.lease_name(port)}", encoding="utf-8") as file:
                lease = port_dhcp.parse(file.read())
        except FileNotFoundError:
            return None
        return (
            lease if lease is not None and lease.expires > time.clock_gettime(time.CLOCK_BOOTTIME) else None
        )

    def next_look(self) -> float | None:
        """Return when, in seconds since the device's start, a lease ends that nobody may have renewed."""
        return min((lease.expires for lease in self._leases.values() if lease is not None), default=None)

    def part(self) -> Intent:
        """Never called: the device's root namespace is not deleted."""
        return {}

    def report(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> list[tuple[str, str, Any]]:
        if self._scope is None:
            return []
        scope = self._scope
        rows: list[tuple[str, str, Any]] = []
        if scope.device is not None:
            rows.append(
                (DEVICE_STATUS, scope.device.name, self._device_row(row["revision"], outcome, busy=busy))
            )
        maps = exposed(scope)
        for linked in scope.instances:
            link = self._link_row(linked, outcome, busy=busy)
            link["portMaps"] = [
                {"protocol": mapped.protocol, "port": mapped.port, "on": addresses}
                for mapped, addresses in maps.get(linked.instance.name, ())
            ]
            rows.append((link_status(linked.instance.name), "link", link))
        return rows

    def _device_row(self, revision: int, outcome: Outcome, *, busy: bool) -> dict[str, Any]:
        assert self._scope is not None
        assert self._scope.device is not None
        own = self._intent[""]
        names = {link_ref(facts.interface): f"port {port.name}" for port, facts in self._scope.ports}
        links = {item.ref for name, group in self._intent.items() if name for item in group}
        mine = {item.ref for item in own} | (outcome.states.keys() - links)
        failed = any(outcome.states[ref].state == "failed" for ref in mine if ref in outcome.states)
        ready = complete(outcome, own) and not busy
        return {
            "name": self._scope.device.name,
            "revision": revision,
            "state": "ready" if ready else "degraded" if failed else "reconciling",
            "reasons": reasons(outcome, mine, names),
            "ports": [_port_row(port, facts) for port, facts in self._scope.ports],
            # Without the instances' links: each instance's own status has its, and this one would grow with all.
            "items": items_of(outcome, mine),
        }

    def _link_row(self, linked: LinkedInstance, outcome: Outcome, *, busy: bool) -> dict[str, Any]:
        assert self._scope is not None
        instance = linked.instance
        ports = self._scope.ports_of(instance)
        group = self._intent[instance.name]
        refs = {item.ref for item in group}
        names: dict[Ref, str] = {link_ref(facts.interface): f"port {port.name}" for port, facts in ports}
        names[netns_ref(instance.name)] = "the instance's own network namespace"
        why = reasons(outcome, refs, names)
        known = {port.name for port, _ in self._scope.ports} | {
            label for port, _ in self._scope.ports for label in port.labels
        }
        why += [f"pending: port {name}" for name in instance.spec.ports if name not in known]
        why += [
            f"pending: address of port {p.name}"
            for p, facts in ports
            if facts.present and not facts.addresses
        ]
        # With several ports one that can be used is enough; the others are only mentioned.
        usable = instance.air_gapped or any(facts.usable for _, facts in ports)
        missing = {link_ref(facts.interface) for _, facts in ports if not facts.present}
        there = complete(outcome, [i for i in group if i.ref not in missing and not (i.deps() & missing)])
        if usable and there:
            state = "ready"
        elif any(outcome.states[ref].state == "failed" for ref in refs if ref in outcome.states):
            state = "degraded"
        else:
            state = "pending"
        return {
            "revision": linked.revision,
            "state": state,
            "items": items_of(outcome, refs),
            "reasons": why,
            "ports": [
                {
                    "name": port.name,
                    "dns": [str(server) for server in facts.dns],
                    "ntp": [str(server) for server in facts.ntp],
                    "mtu": facts.mtu,
                    "addresses": [str(address) for address in facts.addresses],
                }
                for port, facts in ports
                if facts.present
            ],
        }


async def _port_facts(
    ports: tuple[Port, ...], leases: Mapping[str, PortLease | None], system: KernelSystem, *, ipv6: bool
) -> list[PortFacts]:
    links = await system.rtnl.links()
    found: dict[str, list[IPInterface]] = {}
    gateways: Mapping[str, Sequence[IPAddress]] = {}
    versions: tuple[Version, ...] = VERSIONS if ipv6 else (4,)
    if any(port.as_found(version) and port.ifname in links for port in ports for version in versions):
        for address, _ in await system.rtnl.addresses():
            if address.address.ip not in LINK_LOCAL:
                found.setdefault(address.link, []).append(address.address)
        gateways = await system.rtnl.gateways()
    facts = []
    for port in ports:
        link = links.get(port.ifname)
        if link is None:
            facts.append(PortFacts(port.name, port.ifname))
            continue
        lease = leases.get(port.name)
        addresses, learned, dns, ntp = port.addresses, port.gateways, port.dns, port.ntp
        for version in versions:
            here = [each for each in found.get(port.ifname, ()) if each.version == version]
            ways = [each for each in gateways.get(port.ifname, ()) if each.version == version]
            if port.as_found(version):
                addresses += tuple(here)
            if port.as_found(version) and not any(each.version == version for each in learned):
                learned += tuple(ways)
        if lease is not None:
            addresses += (lease.address,)
            learned, dns, ntp = learned or lease.gateways, dns or lease.dns, ntp or lease.ntp
        facts.append(
            PortFacts(
                port.name,
                port.ifname,
                present=True,
                up=link.up,
                carrier=link.carrier,
                mtu=port.mtu or link.mtu,
                addresses=addresses,
                gateways=learned,
                dns=dns,
                ntp=ntp,
            )
        )
    return facts


def _port_row(port: Port, facts: PortFacts) -> dict[str, Any]:
    return {
        "name": port.name,
        "interface": facts.interface,
        "labels": list(port.labels),
        "state": "missing" if not facts.present else "up" if facts.up and facts.carrier else "down",
        "addresses": [str(address) for address in facts.addresses],
        "gateways": [str(gateway) for gateway in facts.gateways],
        "dns": [str(server) for server in facts.dns],
        "ntp": [str(server) for server in facts.ntp],
        "mtu": facts.mtu,
        "cost": port.cost,
    }
