"""Port maps in the device's root namespace: which of its ports lead into which instance, and the way there and back.

An application of this device is, to a port map, whoever its instance is outside: it comes from its instance's link.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from netnsmgr.config.device import DEFAULT_LINK_POOL, Port
from netnsmgr.core.ip import IPNetwork
from netnsmgr.core.item import Item
from netnsmgr.features.ports import PORT_TABLE
from netnsmgr.features.scope import LINK_PREFIX, LinkedInstance, PortFacts, PortMap, UplinkScope
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
EVERYBODY = (IPv4Network("0.0.0.0/0"),)
LOOPBACK = "lo"

Opened = dict[tuple[int, str, int], tuple[LinkedInstance, PortMap]]
"""Number of the device's port, protocol and port: where it leads."""


def selects(adapter: str | None, port: Port) -> bool:
    """Say whether a port map is meant for this port of the device."""
    return adapter is None or adapter == port.name or adapter in port.labels


def opened(scope: UplinkScope) -> Opened:
    """Return what is open at the ports that have an address; the checks let no two have the same."""
    found: Opened = {}
    for linked in scope.instances:
        for mapped in linked.port_maps:
            for number, (port, facts) in enumerate(scope.ports):
                if facts.usable and selects(mapped.adapter, port):
                    found.setdefault((number, mapped.protocol, mapped.port), (linked, mapped))
    return found


def exposed(scope: UplinkScope) -> dict[str, list[tuple[PortMap, list[str]]]]:
    """Return the port maps of each instance with the device's addresses that lead to it."""
    leads = opened(scope)
    found: dict[str, list[tuple[PortMap, list[str]]]] = {}
    for linked in scope.instances:
        for mapped in linked.port_maps:
            addresses = [
                str(address.ip)
                for number, (_, facts) in enumerate(scope.ports)
                if leads.get((number, mapped.protocol, mapped.port)) == (linked, mapped)
                for address in facts.addresses
            ]
            found.setdefault(linked.instance.name, []).append((mapped, addresses))
    return found


def chains(scope: UplinkScope) -> str:
    """Return the part of the device's table that leads packets in, and their answers out where they came in.

    It names ports, no instance: what changes with those is in the sets.
    """
    links = f'"{LINK_PREFIX}*"'
    pool = link_pool(scope)
    text = "".join(f"\n{each.declaration()}" for each in _empty_sets(scope))
    for number in range(len(scope.ports)):
        text += f"""
chain port_{number} {{
    meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . th dport . ip saddr map @portmap_{number}
}}"""
    text += f"""
chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname . ip daddr vmap @doors
}}
chain output {{
    type nat hook output priority -100; policy accept;
    oifname . ip daddr vmap @doors
}}
chain near {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname . ip saddr @near masquerade
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
        text += f"""
chain arrivals {{
    type filter hook forward priority mangle; policy accept;
    oifname {links} ct state new fib saddr . iif type local drop
    oifname {links} ct state new ct status dnat ct mark set iifname map {{ {marks} }}
}}
chain own_arrivals {{
    type filter hook output priority mangle + 60; policy accept;
    ip daddr {pool} ct state new ct status dnat ct mark set ct original ip daddr map @own
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
            Mapped(address.ip, protocol, port, linked.inner, port, mapped.senders, MARK | number)
            for (number, protocol, port), (linked, mapped) in maps.items()
            for address in scope.ports[number][1].addresses_of(4)
        ),
        ENDED,
        frozenset(each.ref for each in sets),
    )
    found: list[Item] = [*sets, flows]
    if not maps:
        return found
    pool = link_pool(scope)
    found += [
        # Packets of all origins find the links, those of other instances too; the device's ends of them are its own.
        Rule(LINKS_PRIORITY, LOCAL, dst=pool),
        Rule(LINKS_PRIORITY + 1, MAIN, dst=pool),
    ]
    for number, (_, facts) in enumerate(scope.ports):
        if facts.usable:
            name = facts.interface
            found += [
                Rule(ANSWER_PRIORITY, PORT_TABLE + number, mark=MARK | number),
                # An application that leaves by another port of this device, and comes back by this one.
                Sysctl(f"net/ipv4/conf/{name}/accept_local", "1", name),
            ]
    return found


def link_pool(scope: UplinkScope) -> IPNetwork:
    """Return the addresses of the links."""
    return scope.device.spec.link_pool if scope.device is not None else DEFAULT_LINK_POOL


def _set(name: str, spec: str, elements: frozenset[str] = frozenset()) -> NftSet:
    return NftSet(FAMILY, TABLE, name, spec, elements)


def _empty_sets(scope: UplinkScope) -> list[NftSet]:
    return _sets(scope, {})


def _sets(scope: UplinkScope, maps: Opened) -> list[NftSet]:
    """Return the sets of the table.

    ``doors``: where a packet comes in (or looped back, leaves) and the address that it is for → the port's chain;
    ``near``: senders that an instance would take for its own, by its link; ``own``: the ports' marks by address.
    """
    busy = {number: scope.ports[number][1] for number, _, _ in maps}
    doors, own = {}, {}
    for number, facts in sorted(busy.items(), reverse=True):
        goto = f"goto port_{number}"
        for address in facts.addresses_of(4):
            doors[f"{facts.interface} . {address.ip}"] = goto
            doors[f"{LOOPBACK} . {address.ip}"] = goto
            own[str(address.ip)] = MARK | number
    for linked in scope.instances if busy else ():
        for number, facts in reversed(_ways_out(scope, linked)):
            if number in busy:
                for address in facts.addresses_of(4):
                    doors[f"{linked.link} . {address.ip}"] = f"goto port_{number}"
    near = {
        f"{linked.link} . {sender}"
        for linked, _ in maps.values()
        for sender in (*(net.subnet for net in linked.nets if net.version == 4), linked.inner)
    }
    sets = [
        _set("doors", "type ifname . ipv4_addr : verdict", _pairs(doors)),
        _set("near", "type ifname . ipv4_addr; flags interval", frozenset(near)),
        _set("own", "type ipv4_addr : mark", _pairs(own)),
    ]
    for number in range(len(scope.ports)):
        led = {
            f"{protocol} . {port} . {_text(sender)}": f"{linked.inner} . {port}"
            for (n, protocol, port), (linked, mapped) in maps.items()
            if n == number
            for sender in (EVERYBODY if mapped.senders is None else mapped.senders)
        }
        spec = "type inet_proto . inet_service . ipv4_addr : ipv4_addr . inet_service; flags interval"
        sets.append(_set(f"portmap_{number}", spec, _pairs(led)))
    return sets


def _ways_out(scope: UplinkScope, linked: LinkedInstance) -> list[tuple[int, PortFacts]]:
    """Return the ports that the instance leaves by, the first first, with their numbers."""
    numbers = {port.name: number for number, (port, _) in enumerate(scope.ports)}
    return [(numbers[port.name], facts) for port, facts in scope.ports_of(linked.instance)]


def _pairs(entries: dict[str, str] | dict[str, int]) -> frozenset[str]:
    return frozenset(f"{key} : {value}" for key, value in entries.items())


def _text(network: IPNetwork) -> str:
    """Write a prefix as nft reads it back: one address without a length."""
    return str(network.network_address) if network.prefixlen == 32 else str(network)
