"""Port maps in an instance's namespace: from its address towards the device to the application.

The port is still the device's; here it is known which application it leads to, and where that one is now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netnsmgr.config.acl import AclRule, Portmap
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.item import Item
from netnsmgr.core.protocols import WITH_PORTS
from netnsmgr.features.acl.verdict import device_port
from netnsmgr.features.link import NAT, UPLINK
from netnsmgr.features.scope import InstanceScope, senders
from netnsmgr.items.flows import Mapped, MappedFlows
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_set import NftSet

MAP = NftSet(
    "inet",
    f"{PREFIX}nat",
    "portmap",
    "type inet_proto . inet_service : ipv4_addr . inet_service",
    frozenset(),
)


@dataclass(frozen=True)
class Lead:
    """A port map of one interface, with the application's address as far as it is known."""

    protocol: str
    port: int
    app_port: int
    senders: tuple[IPNetwork, ...] | None
    address: IPAddress | None


def address_of(scope: InstanceScope, app: App, interface: AppInterface) -> IPAddress | None:
    """Return the address that an application has: the fixed one, else that of its lease."""
    if interface.address is not None:
        return interface.address
    mac = interface.mac_for(app.name)
    held = [lease for lease in scope.leases_now if lease.mac == mac and lease.address.version == 4]
    # A client that came back as another one may hold two; 0 is a lease without an end.
    return max(held, key=lambda lease: lease.expires or float("inf")).address if held else None


def leads(scope: InstanceScope, app: App, interface: AppInterface) -> Iterator[Lead]:
    """Yield the port maps of an interface."""
    address = address_of(scope, app, interface)
    for rule in interface.acl or ():
        if isinstance(rule.action, Portmap):
            yield Lead(*_asked(rule), rule.action.portmap, senders(rule.match.ip), address)


def _asked(rule: AclRule) -> tuple[str, int]:
    return WITH_PORTS[rule.match.protocol or 0], device_port(rule)


def chain(scope: InstanceScope) -> str:
    """Return the part of the table of address translation that leads packets to the applications."""
    return f"""
{MAP.declaration()}
chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "{UPLINK}" ip daddr {scope.inner} meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . th dport map @{MAP.name}
}}"""


def items(scope: InstanceScope) -> list[Item]:
    """Return the map, and that conntrack follows it; nothing where nothing comes in."""
    if scope.instance.air_gapped:
        return []
    led: dict[tuple[str, int], Lead] = {}
    for app, interface in scope.interfaces:
        for lead in leads(scope, app, interface):
            if lead.address is not None:
                led.setdefault((lead.protocol, lead.port), lead)
    elements = frozenset(
        f"{protocol} . {port} : {lead.address} . {lead.app_port}" for (protocol, port), lead in led.items()
    )
    map_ = NftSet(MAP.family, MAP.table, MAP.name, MAP.spec, elements)
    flows = frozenset(
        Mapped(scope.inner, protocol, port, lead.address, lead.app_port, lead.senders)
        for (protocol, port), lead in led.items()
        if lead.address is not None
    )
    return [map_, MappedFlows(flows, after=frozenset({map_.ref, NAT}))]


def rows(scope: InstanceScope, app: App, interface: AppInterface) -> list[dict[str, Any]]:
    """Return what is told of an interface's port maps: where they are open, and what they wait for."""
    on = {(protocol, port): addresses for protocol, port, addresses in scope.link.port_maps}
    found = []
    for lead in leads(scope, app, interface):
        addresses = on.get((lead.protocol, lead.port), ())
        row: dict[str, Any] = {
            "protocol": lead.protocol,
            "port": lead.port,
            "appPort": lead.app_port,
            "on": list(addresses),
            "state": "ready" if addresses and lead.address else "pending",
        }
        if not addresses:
            row["reason"] = "pending: a port of the device that has an address"
        elif lead.address is None:
            row["reason"] = f"pending: address of {app.name}"
        found.append(row)
    return found
