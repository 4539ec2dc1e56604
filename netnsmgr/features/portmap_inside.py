"""Port maps in an instance's namespace: from its address towards the device to the application.

The port is still the device's; here it is known which application it leads to, and where that one is now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from netnsmgr.config.acl import AclRule, Portmap
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import IPAddress, IPNetwork, Version, mac_made
from netnsmgr.core.item import Item
from netnsmgr.core.protocols import WITH_PORTS
from netnsmgr.features.acl.lists import holders
from netnsmgr.features.acl.verdict import device_port
from netnsmgr.features.link import NAT, UPLINK
from netnsmgr.features.portmap import IP, TYPE, named
from netnsmgr.features.scope import InstanceScope, senders, senders_of
from netnsmgr.features.vif import group
from netnsmgr.items.flows import Mapped, MappedFlows
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_set import NftSet

TABLE = f"{PREFIX}nat"


@dataclass(frozen=True)
class Lead:
    """A port map of one interface, of one version of IP, with the application's address as far as it is known.

    ``senders`` of None are all, and none at all if it is empty.
    """

    rule: int
    version: Version
    protocol: str
    port: int
    app_port: int
    senders: tuple[IPNetwork, ...] | None
    address: IPAddress | None


def address_of(
    scope: InstanceScope, app: App, interface: AppInterface, version: Version = 4
) -> IPAddress | None:
    """Return the address that an application has: the fixed one, else that of its lease, else one that it took itself."""
    if (fixed := interface.fixed(version)) is not None:
        return fixed
    mac = interface.mac_for(app.name)
    subnets = [net.subnet for net in scope.nets if net.version == version]
    held = [
        lease
        for lease in scope.leases_now
        if lease.mac == mac and any(lease.address in subnet for subnet in subnets)
    ]
    if held:
        # A client that came back as another one may hold two; 0 is a lease without an end.
        return max(held, key=lambda lease: lease.expires or float("inf")).address
    if version == 4 or not scope.learned:
        return None
    whose, mine = holders(scope), group(app, interface)
    own = [address for address in learned(scope, app, interface) if whose.get(address) == mine]
    # The others may be temporary ones (RFC 8981), which last a day.
    return next((address for address in own if made_of(address, mac)), own[0] if own else None)


def learned(scope: InstanceScope, app: App, interface: AppInterface) -> list[IPv6Address]:
    """Return the addresses that an interface has taken itself, link-local ones too."""
    number = scope.numbers.vifs.get(group(app, interface))
    taken = (each.address for each in scope.learned if each.vif == number)
    return [address for address in taken if isinstance(address, IPv6Address)]


def made_of(address: IPAddress, mac: str) -> bool:
    """Say whether an address is the one that a host makes of its link's."""
    return address == mac_made(IPv6Network((int(address) >> 64 << 64, 64)), mac)


def leads(scope: InstanceScope, app: App, interface: AppInterface) -> Iterator[Lead]:
    """Yield the port maps of an interface, rule by rule, for each version of IP that leads into the network."""
    held: dict[Version, IPAddress | None] = {}
    for rule in interface.acl or ():
        if isinstance(rule.action, Portmap):
            held = held or {e.version: address_of(scope, app, interface, e.version) for e in scope.links}
            given, to = senders(rule.match.ip), rule.action.portmap
            for version, address in held.items():
                yield Lead(rule.id, version, *_asked(rule), to, senders_of(given, version), address)


def _asked(rule: AclRule) -> tuple[str, int]:
    return WITH_PORTS[rule.match.protocol or 0], device_port(rule)


def _map(version: Version, elements: frozenset[str] = frozenset()) -> NftSet:
    type_ = TYPE[version]
    spec = f"type inet_proto . inet_service : {type_} . inet_service"
    return NftSet("inet", TABLE, named("portmap", version), spec, elements)


def chain(scope: InstanceScope) -> str:
    """Return the part of the table of address translation that leads packets to the applications."""
    maps = "".join(f"\n{_map(ends.version).declaration()}" for ends in scope.links)
    leading = "".join(
        f"""
    iifname "{UPLINK}" {IP[ends.version]} daddr {ends.inner} meta l4proto {{ tcp, udp }} dnat {IP[ends.version]} to meta l4proto . th dport map @{named("portmap", ends.version)}"""
        for ends in scope.links
    )
    text = f"""{maps}
chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;{leading}
}}"""
    if (own := _device(scope)) is not None and scope.net6 is not None:
        # Before all other translations of the source: the first that does any is the only one.
        text += f"""
{own.declaration()}
chain to_device {{
    type nat hook postrouting priority srcnat - 1; policy accept;
    oifname "{UPLINK}" ip6 daddr @{own.name} snat ip6 to {scope.net6.inner}
}}"""
    return text


def _device(scope: InstanceScope) -> NftSet | None:
    """Return the addresses of the device to which an application that has an own address outside comes by its link: no
    route in the device's root namespace leads answers of port maps to it, as the way there is the site's.
    """
    if scope.net6 is None or scope.instance.spec.ipv6.uplink == "nat66":
        return None
    elements = frozenset(str(address) for address in scope.link.addresses if address.version == 6)
    return NftSet("inet", TABLE, "device6", "type ipv6_addr", elements)


def items(scope: InstanceScope) -> list[Item]:
    """Return the maps, and that conntrack follows them; nothing where nothing comes in."""
    if scope.instance.air_gapped:
        return []
    led: dict[tuple[Version, str, int], Lead] = {}
    for app, interface in scope.interfaces:
        for lead in leads(scope, app, interface):
            if lead.address is not None and lead.senders != ():
                led.setdefault((lead.version, lead.protocol, lead.port), lead)
    maps = [
        _map(
            ends.version,
            frozenset(
                f"{lead.protocol} . {lead.port} : {lead.address} . {lead.app_port}"
                for lead in led.values()
                if lead.version == ends.version
            ),
        )
        for ends in scope.links
    ]
    inner = {ends.version: ends.inner for ends in scope.links}
    flows = frozenset(
        Mapped(inner[lead.version], lead.protocol, lead.port, lead.address, lead.app_port, lead.senders)
        for lead in led.values()
        if lead.address is not None
    )
    own = _device(scope)
    return [
        *maps,
        *([own] if own is not None else []),
        MappedFlows(flows, after=frozenset({NAT, *(each.ref for each in maps)})),
    ]


def rows(scope: InstanceScope, app: App, interface: AppInterface) -> list[dict[str, Any]]:
    """Return what is told of an interface's port maps: where they are open, and what they wait for.

    A map is ready when it leads anywhere; an application that has no IPv6 address has no map there.
    """
    on = {(protocol, port): addresses for protocol, port, addresses in scope.link.port_maps}
    there = {net.version for net in scope.nets}
    by_rule: dict[int, list[Lead]] = {}
    for lead in leads(scope, app, interface):
        by_rule.setdefault(lead.rule, []).append(lead)
    found = []
    for same in by_rule.values():
        lead = same[0]
        addresses = on.get((lead.protocol, lead.port), ())
        held = {lead.version for lead in same if lead.address is not None}
        leading = [address for address in addresses if ip_address(address).version in held]
        row: dict[str, Any] = {
            "protocol": lead.protocol,
            "port": lead.port,
            "appPort": lead.app_port,
            "on": leading or list(addresses),
            "state": "ready" if leading else "pending",
        }
        if there and not any(lead.version in there and lead.senders != () for lead in same):
            row["reason"] = f"pending: a version of IP that both {scope.instance.name} and its senders have"
        elif not addresses:
            row["reason"] = "pending: a port of the device that has an address"
        elif not leading:
            which = f"IPv{ip_address(addresses[0]).version} " if held else ""
            row["reason"] = f"pending: {which}address of {app.name}"
        found.append(row)
    return found
