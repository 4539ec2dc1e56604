"""Port maps in the device's root namespace: which of its ports lead into which instance, and the way there and back.

An application of this device is, to a port map, whoever its instance is outside: it comes from its instance's link.
One rule opens the port on the addresses of both versions of IP; what follows is the same for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.device import DEFAULT_LINK_POOL, DEFAULT_LINK_POOL6, Port
from netnsmgr.core.ip import VERSIONS, IPAddress, IPNetwork, Version, any_network
from netnsmgr.core.item import Item
from netnsmgr.features.nets import Net
from netnsmgr.features.ports import PORT_TABLE
from netnsmgr.features.scope import LINK_PREFIX, LinkedInstance, PortFacts, PortMap, UplinkScope, senders_of
from netnsmgr.items.flows import Mapped, MappedFlows
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.route import LOCAL, MAIN
from netnsmgr.items.rule import Rule
from netnsmgr.items.sysctl import Sysctl

FAMILY, TABLE = "inet", f"{PREFIX}uplink"
MARK = 0x6E000000
"""Upper half of the marks that say by which port a mapped flow came in; the lower half is the port's number."""
ENDED = 0x6EFF0000
"""Mark of flows whose map is no more: their packets are dropped."""
LINKS_PRIORITY, ANSWER_PRIORITY = 40, 45
LOOPBACK = "lo"
IP: dict[Version, str] = {4: "ip", 6: "ip6"}
TYPE: dict[Version, str] = {4: "ipv4_addr", 6: "ipv6_addr"}
"""What nft calls the protocol, and an address of it."""


class Open(NamedTuple):
    """A port map at one of the device's ports, of one version of IP; ``senders`` of None are all."""

    number: int
    addresses: tuple[IPAddress, ...]
    linked: LinkedInstance
    net: Net
    mapped: PortMap
    senders: tuple[IPNetwork, ...] | None


def selects(adapter: str | None, port: Port) -> bool:
    """Say whether a port map is meant for this port of the device."""
    return adapter is None or adapter == port.name or adapter in port.labels


def versions(scope: UplinkScope) -> tuple[Version, ...]:
    """Return the versions of IP that any instance has."""
    return VERSIONS if scope.ipv6 else (4,)


def opened(scope: UplinkScope) -> list[Open]:
    """Return what is open at the ports that have an address; the checks let no two have the same port."""
    found: dict[tuple[int, str, int, Version], Open] = {}
    for linked in scope.instances:
        for mapped in linked.port_maps:
            for number, (port, facts) in enumerate(scope.ports):
                if facts.present and selects(mapped.adapter, port):
                    for each in _opened_at(number, facts, linked, mapped):
                        found.setdefault((number, mapped.protocol, mapped.port, each.net.version), each)
    return list(found.values())


def _opened_at(number: int, facts: PortFacts, linked: LinkedInstance, mapped: PortMap) -> Iterator[Open]:
    for net in linked.nets:
        addresses = tuple(address.ip for address in facts.addresses_of(net.version))
        senders = senders_of(mapped.senders, net.version)
        if addresses and senders != ():
            yield Open(number, addresses, linked, net, mapped, senders)


def exposed(scope: UplinkScope) -> dict[str, list[tuple[PortMap, list[str]]]]:
    """Return the port maps of each instance with the device's addresses that lead to it."""
    leads: dict[tuple[str, PortMap], list[str]] = {}
    for each in opened(scope):
        leads.setdefault((each.linked.instance.name, each.mapped), []).extend(map(str, each.addresses))
    return {
        linked.instance.name: [(m, leads.get((linked.instance.name, m), [])) for m in linked.port_maps]
        for linked in scope.instances
        if linked.port_maps
    }


def chains(scope: UplinkScope) -> str:
    """Return the part of the device's table that leads packets in, and their answers out where they came in.

    It names ports, no instance: what changes with those is in the sets.
    """
    links = f'"{LINK_PREFIX}*"'
    there = versions(scope)
    text = "".join(f"\n{each.declaration()}" for each in _sets(scope, []))
    for number in range(len(scope.ports)):
        leading = "".join(
            f"""
    meta l4proto {{ tcp, udp }} dnat {IP[v]} to meta l4proto . th dport . {IP[v]} saddr map @{_portmap(number, v)}"""
            for v in there
        )
        text += f"""
chain port_{number} {{{leading}
}}"""
    doors, leaving, near = (
        "".join(f"\n    {line.format(ip=IP[v], set=named(name, v))}" for v in there)
        for name, line in (
            ("doors", "iifname . {ip} daddr vmap @{set}"),
            ("doors", "oifname . {ip} daddr vmap @{set}"),
            ("near", "oifname . {ip} saddr @{set} masquerade"),
        )
    )
    text += f"""
chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;{doors}
}}
chain output {{
    type nat hook output priority -100; policy accept;{leaving}
}}
chain near {{
    type nat hook postrouting priority srcnat; policy accept;{near}
}}
chain answers {{
    type filter hook prerouting priority mangle; policy accept;
    ct mark {ENDED:#x} meta l4proto tcp reject with tcp reset
    ct mark {ENDED:#x} drop
    iifname {links} ct direction reply ct mark & 0xffff0000 == {MARK:#x} meta mark set ct mark
}}"""
    if scope.ports:
        marks = ", ".join(
            f'"{facts.interface}" : {MARK | number:#x}' for number, (_, facts) in enumerate(scope.ports)
        )
        own = "".join(
            f"""
    {IP[v]} daddr {link_pool(scope, v)} ct state new ct status dnat ct mark set ct original {IP[v]} daddr map @{named("own", v)}"""
            for v in there
        )
        text += f"""
chain arrivals {{
    type filter hook forward priority mangle; policy accept;
    oifname {links} ct state new fib saddr . iif type local drop
    oifname {links} ct state new ct status dnat ct mark set iifname map {{ {marks} }}
}}
chain own_arrivals {{
    type filter hook output priority mangle + 60; policy accept;{own}
}}"""
    return text


def items(scope: UplinkScope) -> list[Item]:
    """Return the sets, and while there are port maps the rules and parameters that they need."""
    if not scope.instances:
        return []
    maps = opened(scope)
    sets = _sets(scope, maps)
    flows = MappedFlows(
        frozenset(
            Mapped(
                address,
                m.mapped.protocol,
                m.mapped.port,
                m.net.inner,
                m.mapped.port,
                m.senders,
                MARK | m.number,
            )
            for m in maps
            for address in m.addresses
        ),
        ENDED,
        frozenset(each.ref for each in sets),
    )
    found: list[Item] = [*sets, flows]
    several = sum(bool(facts.addresses) for _, facts in scope.ports) > 1
    for version in versions(scope):
        mapped = any(each.net.version == version for each in maps)
        # With several ports the device's own answers, which have an address of a port, would leave by that port.
        if mapped or several:
            found += _to_links(scope, version)
        if mapped:
            found += _routing(scope, version)
    return found


def _to_links(scope: UplinkScope, version: Version) -> list[Item]:
    """Return the rules by which packets of all origins find the links; the device's ends of them are its own."""
    pool = link_pool(scope, version)
    return [Rule(LINKS_PRIORITY, LOCAL, dst=pool), Rule(LINKS_PRIORITY + 1, MAIN, dst=pool)]


def _routing(scope: UplinkScope, version: Version) -> list[Item]:
    found: list[Item] = []
    for number, (_, facts) in enumerate(scope.ports):
        if facts.present and facts.addresses_of(version):
            name = facts.interface
            found.append(Rule(ANSWER_PRIORITY, PORT_TABLE + number, mark=MARK | number, version=version))
            if version == 4:
                # An application that leaves by another port of this device, and comes back by this one.  IPv6 asks
                # no such thing: ip6_rcv() takes a sender for what it says that it is.
                found.append(Sysctl(f"net/ipv4/conf/{name}/accept_local", "1", name))
    return found


def link_pool(scope: UplinkScope, version: Version = 4) -> IPNetwork:
    """Return the addresses of the links."""
    if scope.device is None:
        return DEFAULT_LINK_POOL if version == 4 else DEFAULT_LINK_POOL6
    return scope.device.spec.link_pool if version == 4 else scope.device.spec.link_pool6


def named(name: str, version: Version) -> str:
    """Return what a set is called that is there for each version."""
    return name if version == 4 else f"{name}6"


def _portmap(number: int, version: Version) -> str:
    return f"portmap_{number}" if version == 4 else f"portmap_{number}_6"


def _set(name: str, spec: str, elements: frozenset[str]) -> NftSet:
    return NftSet(FAMILY, TABLE, name, spec, elements)


def _sets(scope: UplinkScope, maps: list[Open]) -> list[NftSet]:
    """Return the sets of the table, empty ones without maps.

    ``doors``: where a packet comes in (or looped back, leaves) and the address that it is for → the port's chain;
    ``near``: senders that an instance would take for its own, by its link; ``own``: the ports' marks by address.
    """
    return [
        each for v in versions(scope) for each in _sets_of(scope, [m for m in maps if m.net.version == v], v)
    ]


def _sets_of(scope: UplinkScope, maps: list[Open], version: Version) -> Iterator[NftSet]:
    busy = {each.number: each.addresses for each in maps}
    doors, own = {}, {}
    for number, addresses in sorted(busy.items(), reverse=True):
        goto = f"goto port_{number}"
        for address in addresses:
            doors[f"{scope.ports[number][1].interface} . {address}"] = goto
            doors[f"{LOOPBACK} . {address}"] = goto
            own[str(address)] = MARK | number
    for linked in scope.instances if busy else ():
        if any(ends.version == version for ends in linked.links):
            for number, _ in reversed(ways_out(scope, linked)):
                for address in busy.get(number, ()):
                    doors[f"{linked.link} . {address}"] = f"goto port_{number}"
    near = {f"{each.linked.link} . {sender}" for each in maps for sender in (each.net.subnet, each.net.inner)}
    type_ = TYPE[version]
    yield _set(named("doors", version), f"type ifname . {type_} : verdict", _pairs(doors))
    yield _set(named("near", version), f"type ifname . {type_}; flags interval", frozenset(near))
    yield _set(named("own", version), f"type {type_} : mark", _pairs(own))
    for number in range(len(scope.ports)):
        led = {
            f"{m.mapped.protocol} . {m.mapped.port} . {_text(sender)}": f"{m.net.inner} . {m.mapped.port}"
            for m in maps
            if m.number == number
            for sender in ((any_network(version),) if m.senders is None else m.senders)
        }
        spec = f"type inet_proto . inet_service . {type_} : {type_} . inet_service; flags interval"
        yield _set(_portmap(number, version), spec, _pairs(led))


def ways_out(scope: UplinkScope, linked: LinkedInstance) -> list[tuple[int, PortFacts]]:
    """Return the ports that the instance leaves by, the first first, with their numbers."""
    numbers = {port.name: number for number, (port, _) in enumerate(scope.ports)}
    return [(numbers[port.name], facts) for port, facts in scope.ports_of(linked.instance)]


def _pairs(entries: dict[str, str] | dict[str, int]) -> frozenset[str]:
    return frozenset(f"{key} : {value}" for key, value in entries.items())


def _text(network: IPNetwork) -> str:
    """Write a prefix as nft reads it back: one address without a length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
