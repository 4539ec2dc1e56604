"""The agent of the device's root namespace: ports, links to the instances, and what it tells of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

from netnsmgr.agent.endpoints import Endpoints
from netnsmgr.agent.memory import ForwardingMemory
from netnsmgr.agent.port_facts import PortWatch
from netnsmgr.agent.port_rows import let_go, port_names, port_row
from netnsmgr.agent.prefixes import PrefixMemory
from netnsmgr.agent.reconciler import Outcome
from netnsmgr.agent.sources import Sources
from netnsmgr.agent.status import complete, items_of, reasons, troubled
from netnsmgr.config.device import Port
from netnsmgr.core.ip import VERSIONS
from netnsmgr.features import port_links
from netnsmgr.features.delegation import ends, share_out
from netnsmgr.features.egress6 import inner_address
from netnsmgr.features.forwarding import PARAMETERS
from netnsmgr.features.portmap import exposed
from netnsmgr.features.rows import device_of, linked_instance, port_lease_dir, uplink_scope
from netnsmgr.features.scope import Intent, LinkedInstance, PortFacts, UplinkScope
from netnsmgr.features.uplink import intent
from netnsmgr.features.vpn.tunnel import tunnel_names
from netnsmgr.items.link import netns_ref
from netnsmgr.kernel.far_links import FarWatch
from netnsmgr.kernel.system import KernelSystem
from netnsmgr.pubsub.tables import AGENT_STATUS, APP_STATUS, DEVICE_STATUS, link_status

PROXIED = {"ndpProxy", "npt"}
"""Ways out by which the device may have to answer for applications' addresses."""


class UplinkRole:
    """See ``agent.Role``; ``far`` says when a tunnel has gone from its instance's namespace."""

    def __init__(self, run_dir: str, state_dir: str, far: FarWatch | None = None) -> None:
        # An agent that runs has its namespace, into which we put a link.
        self.tables: tuple[str, ...] = (AGENT_STATUS,)
        self._run_dir = run_dir
        self._ports = PortWatch(self.lease_dir, f"{run_dir}/instances/uplink")
        self._prefixes = PrefixMemory(f"{state_dir}/leases/uplink", f"{run_dir}/instances/uplink")
        self._far = far
        self._sources = Sources()
        self._endpoints = Endpoints(f"{run_dir}/instances/uplink")
        self._forwarding = ForwardingMemory(f"{run_dir}/instances/uplink")
        self._waits: dict[str, str] = {}
        self.ipv6 = self.hears6 = False
        self._scope: UplinkScope | None = None
        self._intent: Intent = {}
        self._read: dict[str, tuple[object, LinkedInstance]] = {}
        self._leaving: dict[str, int] = {}
        """Switches that are being deleted, by the revisions in which that began."""

    async def intend(
        self, row: dict[str, Any], views: dict[str, dict[str, Any]], system: KernelSystem
    ) -> Intent:
        device = device_of(row)
        ports = device.spec.ports if device is not None else ()
        self._read = {
            entry["instance"]["metadata"]["name"]: self._linked(entry) for entry in row["instances"]
        }
        linked = [instance for _, instance in self._read.values()]
        self._leaving = row.get("leaving", {})
        if any(each.instance.spec.ipv6.uplink in PROXIED for each in linked):
            # Only now: everybody's addresses change often, and wake us.
            self.tables = (AGENT_STATUS, APP_STATUS)
            told = views.get(APP_STATUS)
            # Before anybody has told us they are those that we answered for before.
            before = [each.address for each, ours in await system.rtnl.proxies() if ours and told is None]
            linked = [
                replace(each, addresses6=_addresses6(each, told or {}, before))
                if each.instance.spec.ipv6.uplink in PROXIED
                else each
                for each in linked
            ]
        self.ipv6 = any(each.instance.has_ipv6 for each in linked) or any(
            port.slaac or port.dhcp6 or any(each.version == 6 for each in port.addresses) for port in ports
        )
        system.rtnl.ipv6 |= self.ipv6
        switches = [each for each in linked if each.instance.is_switch]
        taken = port_links.holders(((port, None) for port in ports), switches)
        used, facts = await self._ports.facts(ports, system, ipv6=self.ipv6, holders=taken)
        self.hears6 = any(each.foreign6 for each in facts)
        if device is not None and any(each.unshared for each in facts):
            spec = device.spec.model_copy(update={"ports": tuple(used)})
            device = device.model_copy(update={"spec": spec})
        wanted = {
            v: system.files.read(f"/proc/sys/{PARAMETERS[v]}")
            for v in VERSIONS
            if any(each.links for each in linked) and (v == 4 or self.ipv6)
        }
        on = self._forwarding.switched_on(wanted)
        backend = row.get("backends", {}).get("wireguard", "")
        scope = uplink_scope(device, facts, linked, self._run_dir, system.netns_inode, on, backend)
        awaited = frozenset(row.get("awaited", ()))
        self._scope = self._with_prefixes(replace(scope, awaited=awaited) if awaited else scope)
        self._endpoints.follow(self._scope)
        self._sources.follow(self._scope)
        if self._far is not None:
            self._far.follow(tunnel_names(self._scope), self._endpoints.changed)
        self._intent = intent(self._scope)
        return self._intent

    def _linked(self, entry: dict[str, Any]) -> tuple[object, LinkedInstance]:
        known = self._read.get(entry["instance"]["metadata"]["name"])
        return known if known is not None and known[0] == entry else (entry, linked_instance(entry))

    @property
    def lease_dir(self) -> str:
        """The directory whose changes say that a port has got, renewed or lost its lease."""
        return port_lease_dir(self._run_dir)

    def _with_prefixes(self, scope: UplinkScope) -> UplinkScope:
        """Give the instances their parts of what the ports' networks delegate."""
        now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        wants = {
            linked.instance.name: [port.name for port, _ in scope.ports_of(linked.instance)]
            for linked in scope.instances
            if linked.instance.wants_prefix
        }
        offers = {port.name: facts.delegated for port, facts in scope.ports if facts.delegated is not None}
        shares, self._waits = share_out(self._prefixes.shares, wants, offers, now)
        self._prefixes.keep(shares)
        if not shares:
            return scope
        return replace(
            scope,
            instances=tuple(
                replace(linked, delegated=shares[name].parts)
                if (name := linked.instance.name) in shares
                else linked
                for linked in scope.instances
            ),
        )

    def changed(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when a port's network tells something that the kernel keeps to itself."""
        self._ports.changed = self._endpoints.changed = wake

    def next_look(self) -> float | None:
        """Return when, in seconds since the device's start, something ends that nobody may have renewed."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        moments = [end for end in ends(self._prefixes.shares) if end > now]
        return min((*moments, *filter(None, [self._ports.next_look()])), default=None)

    def part(self) -> Intent:
        """Never called: the device's root namespace is not deleted."""
        return {}

    def released(self, row: dict[str, Any], views: dict[str, dict[str, Any]]) -> bool:
        """Never asked, either."""
        return True

    def report(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> list[tuple[str, str, Any]]:
        if self._scope is None:
            return []
        if not busy:
            self._sources.settled()
        scope = self._scope
        rows: list[tuple[str, str, Any]] = []
        if scope.device is not None:
            rows.append(
                (DEVICE_STATUS, scope.device.name, self._device_row(row["revision"], outcome, busy=busy))
            )
        maps = exposed(scope)
        for linked in (*scope.instances, *scope.switches):
            link = self._link_row(linked, outcome, busy=busy)
            if (endpoints := self._endpoints.rows(linked.instance.name)) is not None:
                link["endpoints"] = endpoints
            link["portMaps"] = [
                {"protocol": mapped.protocol, "port": mapped.port, "on": addresses}
                for mapped, addresses in maps.get(linked.instance.name, ())
            ]
            rows.append((link_status(linked.instance.name), "link", link))
        for name, revision in self._leaving.items():
            # What was under way when we heard it has ended by now: nothing goes there any more.
            rows.append((link_status(name), "link", let_go(revision)))
        return rows

    def _device_row(self, revision: int, outcome: Outcome, *, busy: bool) -> dict[str, Any]:
        assert self._scope is not None
        assert self._scope.device is not None
        own = self._intent[""]
        names = port_names(self._scope.ports)
        links = {item.ref for name, group in self._intent.items() if name for item in group}
        mine = {item.ref for item in own} | (outcome.states.keys() - links)
        failed = troubled(outcome, mine)
        hindered = [
            f"pending: port {port.name} {facts.obstacle}"
            for port, facts in self._scope.ports
            if facts.unshared
        ]
        remarks = [
            f"note: port {port.name} {facts.remark}" for port, facts in self._scope.ports if facts.remark
        ]
        ready = complete(outcome, own) and not busy and not hindered
        return {
            "name": self._scope.device.name,
            "revision": revision,
            "state": "ready" if ready else "degraded" if failed else "reconciling",
            "reasons": reasons(outcome, mine, names) + hindered + remarks,
            "ports": [port_row(port, facts) for port, facts in self._scope.ports],
            # Without the instances' links: each instance's own status has its, and this one would grow with all.
            "items": items_of(outcome, mine),
        }

    def _link_row(self, linked: LinkedInstance, outcome: Outcome, *, busy: bool) -> dict[str, Any]:
        assert self._scope is not None
        instance = linked.instance
        ports = self._scope.ports_of(instance)
        group = self._intent[instance.name]
        refs = {item.ref for item in group}
        names = port_names(ports)
        names[netns_ref(instance.name)] = "the instance's own network namespace"
        why = reasons(outcome, refs, names)
        known = {port.name for port, _ in self._scope.ports} | {
            label for port, _ in self._scope.ports for label in port.labels
        }
        why += [f"pending: port {name}" for name in instance.spec.ports if name not in known]
        hindered = port_links.hindrances(self._scope, linked)
        why += [f"pending: {each}" for each in hindered]
        why += [
            f"pending: address of port {p.name}"
            for p, facts in ports
            if facts.present and not facts.addresses and not instance.is_switch
        ]
        waits = self._waits.get(instance.name)
        why += [f"pending: {waits}"] if waits else []
        # With several ports one that can be used is enough; the others are only mentioned.
        why += self._endpoints.reasons(instance.name)
        usable = instance.is_switch or instance.air_gapped or any(facts.usable for _, facts in ports)
        missing = port_names([each for each in ports if not each[1].present]).keys()
        there = complete(outcome, [i for i in group if i.ref not in missing and not (i.deps() & missing)])
        if usable and there and not waits and not hindered:
            state = "ready"
        elif troubled(outcome, refs):
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
                    **(_of_switch(port, facts) if instance.is_switch else {}),
                }
                for port, facts in ports
                if facts.present or facts.lent == instance.name
            ],
            "prefixes": [
                {
                    "prefix": str(part.prefix),
                    "preferredUntil": part.preferred_until,
                    "validUntil": part.valid_until,
                }
                for part in linked.delegated
            ],
        }


def _addresses6(
    linked: LinkedInstance, rows: dict[str, Any], before: list[IPv6Address]
) -> tuple[IPv6Address, ...]:
    """Return the IPv6 addresses of an instance's applications, as its agent tells them."""
    told = [
        IPv6Address(entry["address"])
        for key, row in rows.items()
        if key.split("/")[0] == linked.instance.name
        for entry in row.get("addresses", ())
        if ":" in entry["address"]
    ]
    known = (inner_address(linked, outer) for outer in before)
    return tuple(sorted({*told, *(each for each in known if each is not None)}))


def _of_switch(port: Port, facts: PortFacts) -> dict[str, Any]:
    """Return what a switch has to know of its port beside that: how it has it, and whether the wire is there."""
    shared = port.shared or facts.unshared
    return {"mode": "shared", "carrier": facts.carrier} if shared else {"mode": "moved"}
