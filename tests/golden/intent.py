"""From YAML to what each agent intends, the way that the daemon goes, but without a daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netnsmgr.config import check, load
from netnsmgr.config.device import Port
from netnsmgr.config.whole import Config
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import Plan, plan
from netnsmgr.features import instance, uplink
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.portmap import exposed
from netnsmgr.features.rows import device_of, instance_scope, linked_instance, uplink_scope
from netnsmgr.features.scope import PortFacts, UplinkScope
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.slices import UPLINK, Slicer, Slices, allocate

RUN, STATE = "/run/netnsmgr", "/var/lib/netnsmgr"
INODE = 4026532000
BACKENDS = {"esp": "libipsec", "wireguard": "wireguard-go"}
"""What encrypts, as on the machines of those who try it."""
NAMES = {"vpn.example.com": "203.0.113.7"}
"""Other ends of tunnels that are called by name, and where they are."""
Found = Mapping[str, PortFacts]
"""What the device has, by the name of the port; all other ports are as they are configured."""


class Agents:
    """What all agents intend when this YAML is applied, to a device that has nothing yet or what was ``before``."""

    def __init__(self, text: str, found: Found | None = None, before: Agents | None = None) -> None:
        loaded = load.load_text(text)
        config, problems = check.check(loaded.documents, {})
        loaded.require(problems)
        kept = {n: number for n, number in before.numbers.items() if n in config.instances} if before else {}
        self.numbers: dict[str, int] = allocate(kept, config.instances)
        self._slices = _slices(config, loaded.documents, self.numbers)
        row = self._slices[UPLINK]
        device = device_of(row)
        ports = device.spec.ports if device else ()
        facts = [(found or {}).get(port.name) or _as_configured(port) for port in ports]
        backend = row.get("backends", {}).get("wireguard", "")
        linked = map(linked_instance, row["instances"])
        self._uplink = uplink_scope(device, facts, linked, RUN, INODE, wireguard=backend)

    def __iter__(self) -> Any:
        return iter(sorted(self._slices, key=lambda name: (name != UPLINK, name)))

    def items(self, name: str) -> dict[Ref, Item]:
        """Return everything that an agent intends; nothing if there is no such agent."""
        if name not in self._slices:
            return {}
        if name == UPLINK:
            groups = uplink.intent(self._uplink)
        else:
            scope = instance_scope(
                self._slices[name],
                _link_facts(self._uplink, name),
                run_dir=RUN,
                state_dir=STATE,
                netns_inode=INODE,
            )
            groups = instance.intent(scope)
        return state(item for group in groups.values() for item in group)

    def plan(self, name: str, before: Agents | None = None) -> Plan:
        """Return how an agent gets there, where every fact holds that anybody stands on."""
        intended = self.items(name)
        current = before.items(name) if before else {}
        made = {ref: item for ref, item in current.items() if not item.external}
        return plan(made, intended, frozenset(ref for ref, item in intended.items() if item.external))


def _slices(config: Config, documents: list[dict[str, Any]], numbers: Mapping[str, int]) -> Slices:
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for document in documents:
        rows.setdefault(KIND_TABLE[document["kind"]], {})[document["metadata"]["name"]] = document
    return Slicer().cut(config, rows, numbers, 1, backends=BACKENDS)


def _as_configured(port: Port) -> PortFacts:
    return PortFacts(
        port.name, port.l3, present=True, up=True, carrier=True, mtu=port.mtu or 1500,
        addresses=port.addresses, gateways=port.gateways, dns=port.dns, ntp=port.ntp,
        mac="02:00:00:00:00:01",
    )  # fmt: skip


def _link_facts(scope: UplinkScope, name: str) -> LinkFacts:
    known = (*scope.instances, *scope.switches)
    (linked,) = [linked for linked in known if linked.instance.name == name]
    ports = [
        {
            "name": p.name,
            "dns": list(map(str, f.dns)),
            "ntp": list(map(str, f.ntp)),
            "mtu": f.mtu,
            "addresses": list(map(str, f.addresses)),
        }
        for p, f in scope.ports_of(linked.instance)
    ]
    maps = [
        {"protocol": mapped.protocol, "port": mapped.port, "on": addresses}
        for mapped, addresses in exposed(scope).get(name, ())
    ]
    vpn = linked.instance.spec.vpn
    known_ends = {host: [NAMES.get(host, host)] for host in (vpn.hosts if vpn is not None else ())}
    row = {"revision": 1, "state": "ready", "reasons": [], "ports": ports, "portMaps": maps}
    return LinkFacts.of({**row, "endpoints": known_ends})
