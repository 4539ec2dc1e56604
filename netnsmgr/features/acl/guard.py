"""Who a bridged packet is from, and that it is nobody else's: the table ``bridge netnsmgr_vif``.

Each application interface has a part of its own here, reached by its name, so that a packet costs the same however many
there are.  It marks the packet with the interface's id, and with `antiSpoofing` (the default) lets pass:

- frames with the interface's own MAC address, as Ethernet and as ARP sender;
- IPv4 and ARP with an address that the interface is known to hold (fixed, or leased).  Before any is known: one of the
  subnet that nobody else is known to hold, because a lease is used before it is heard of;
- no answers of a DHCP server, no router advertisements and no redirects, which would make the application everybody's
  gateway;
- to the interface: frames for its own MAC address, and what is for all.  A bridge hands a frame whose receiver it
  has not learned yet to all its ports.

What is let pass of IPv6, where the instance has it, says `guard6`.

Nobody sends anything but IPv4, ARP and IPv6: what else a bridge carries (VLAN tags, say) would pass by the access lists.
A port without a part passes nothing: a link comes up by itself, and maybe before its part is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

from netnsmgr.config.limits import Limits
from netnsmgr.core.ip import LINK_LOCAL, IPAddress, IPNetwork, Version, mac_made
from netnsmgr.core.item import Item
from netnsmgr.features.acl import guard6, limits
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet

FAMILY, NAME = "bridge", "vif"
NOBODY = 2**16
"""Stands for the instance among ids of interfaces."""

BODY = """
map from_vif { type ifname : verdict; }
map to_vif { type ifname : verdict; }

chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    meta mark set 0
    ether type != { ip, arp, ip6 } drop
    iifname vmap @from_vif
    drop
}
chain forward {
    type filter hook forward priority -300; policy accept;
    ether type ip udp dport { 67, 68 } drop
    ether type ip6 udp dport { 546, 547 } drop
    oifname vmap @to_vif
    drop
}"""
"""DHCP is between an application and the instance: no other application needs to hear it."""

TABLE = NftTable.of(FAMILY, NAME, BODY, carries=True)


@dataclass(frozen=True)
class Holding:
    """What is known of addresses: ``owners`` are the interfaces' ids by those that they hold.

    Nobody but the instance holds its ``own``.  ``macs`` are the ids of the interfaces that are guarded, by their addresses on
    the link; ``subnets`` those of applications.  ``given6``: all addresses of IPv6 but link-local ones are given by the
    instance.
    """

    versions: tuple[Version, ...]
    owners: Mapping[IPAddress, int]
    own: frozenset[IPAddress]
    macs: Mapping[str, int]
    subnets: tuple[IPNetwork, ...]
    given6: bool = False

    def of(self, version: Version) -> dict[IPAddress, int]:
        """Return the owners of one version's addresses."""
        return {address: number for address, number in self.owners.items() if address.version == version}


def items(known: Holding, allowed: Limits = Limits()) -> list[Item]:  # noqa: B008 - frozen
    """Return the table and what is known of addresses; ``allowed`` is how much each application may do."""
    sets: list[NftSet] = []
    body = BODY + limits.on_link(allowed)
    if 4 in known.versions:
        owners = known.of(4)
        own = NftSet(FAMILY, TABLE.name, "own4", "type ipv4_addr . mark", _pairs(owners, " . "))
        held = {address: NOBODY for address in known.own if address.version == 4} | owners
        sets += [
            own,
            _settled("settled", owners, own),
            NftSet(FAMILY, TABLE.name, "holders4", "type ipv4_addr : mark", _pairs(held, " : ")),
        ]
    if 6 in known.versions:
        owners = known.of(6)
        numbers = {guard6.number(address): vif for address, vif in owners.items()}
        own = NftSet(FAMILY, TABLE.name, "own6", f"{guard6.TYPE} . meta mark", _pairs(numbers, " . "))
        held6 = frozenset({*numbers, *(guard6.number(each) for each in known.own if each.version == 6)})
        given = {each: vif for each, vif in owners.items() if known.given6 and each not in LINK_LOCAL}
        asked = [
            own,
            _settled("settled6", given, own),
            # After the other, as well: who holds an address shall not lose it to himself.
            NftSet(FAMILY, TABLE.name, "held6", guard6.TYPE, held6, after=frozenset({own.ref})),
            # Nobody else makes these, so that nobody else need ask whether they are free.
            NftSet(FAMILY, TABLE.name, "made6", guard6.TYPE, _made(owners, known.macs)),
            guard6.lladdr(known.macs, FAMILY, TABLE.name),
        ]
        sets += asked
        body += guard6.body(asked, (each for each in known.subnets if isinstance(each, IPv6Network)))
    macs = NftSet(FAMILY, TABLE.name, "macs", "type ether_addr", frozenset(known.macs))
    return [NftTable.of(FAMILY, NAME, body, carries=True), *sets, macs]


def _made(owners: Mapping[IPAddress, int], macs: Mapping[str, int]) -> frozenset[str]:
    """Return those of the addresses that their interfaces make of their MAC addresses."""
    return frozenset(
        guard6.number(address)
        for address, vif in owners.items()
        for mac, owner in macs.items()
        if owner == vif and address == mac_made(IPv6Network((int(address) >> 64 << 64, 64)), mac)
    )


def _pairs(owners: Mapping[Any, int], between: str) -> frozenset[str]:
    return frozenset(f"{address}{between}{vif}" for address, vif in owners.items())


def _settled(name: str, owners: Mapping[IPAddress, int], own: NftSet) -> NftSet:
    """Return the set of those who use no addresses but the ones that they are known to hold."""
    ids = frozenset(map(str, owners.values()))
    # Who has one of these has all its addresses in the other already: else an application's first packets were lost.
    return NftSet(FAMILY, TABLE.name, name, "type mark", ids, after=frozenset({own.ref}))


def part(vif: str, number: int, mac: str, subnet: IPNetwork | None, *, guarded: bool, ipv6: bool) -> NftPart:
    """Return the part of one interface in an instance with this IPv4 ``subnet`` (None: without IPv4), and with IPv6 or not.

    Not ``guarded``: it may send for others (an application that is a router).
    """
    others = "" if guarded else " ether daddr @macs"
    if guarded:
        marking = _guard(number, mac, subnet, ipv6=ipv6)
    else:
        # What it takes is to be known, too.
        told = f"\n    ip6 saddr :: icmpv6 type nd-neighbor-solicit goto {guard6.ND}" if ipv6 else ""
        marking = f"""
chain @@_from {{
    meta mark set {number}
    ether saddr != {mac} jump learn{told}
}}"""
    body = f"""{marking}
chain @@_to {{
    meta pkttype != {{ broadcast, multicast }} ether daddr != {mac}{others} drop
    meta mark set meta mark or {number << 16:#010x}
}}"""
    asked = ["macs", *(["own4", "settled", "holders4"] if subnet is not None else [])]
    sets = (NftSet(FAMILY, TABLE.name, name, "", None).ref for name in asked)
    links = (("from_vif", vif, "goto @@_from"), ("to_vif", vif, "goto @@_to"))
    return NftPart(FAMILY, TABLE.name, f"vif_{vif}", body, links, needs=frozenset(sets))


def _guard(number: int, mac: str, subnet: IPNetwork | None, *, ipv6: bool) -> str:
    first = f"""
chain @@_from {{
    ether saddr != {mac} drop
    meta mark set {number}"""
    last = guard6.ENTRY if ipv6 else "@@_ip6"
    if subnet is None:
        return f"""{first}
    ether type ip6 goto {last}
    drop
}}"""
    return f"""{first}
    ether type arp goto @@_arp
    ether type ip goto @@_ip
    goto {last}
}}
chain @@_arp {{
    arp saddr ether != {mac} drop
    arp saddr ip 0.0.0.0 accept
    meta mark @settled goto @@_arp_settled
    {_not_another_s("arp saddr ip", number)}
    arp saddr ip {subnet} accept
    drop
}}
chain @@_arp_settled {{
    arp saddr ip . meta mark @own4 accept
    drop
}}
chain @@_ip {{
    udp sport 67 drop
    udp dport 67 goto @@_dhcp
    meta mark @settled goto @@_ip_settled
    {_not_another_s("ip saddr", number)}
    ip saddr {subnet} accept
    drop
}}
chain @@_dhcp {{
    ip frag-off & 0x3fff != 0 drop
    @th,288,48 != 0x{mac.replace(":", "")} drop
    ip saddr 0.0.0.0 accept
    ip saddr . meta mark @own4 accept
    drop
}}
chain @@_ip_settled {{
    ip saddr . meta mark @own4 accept
    drop
}}{"" if ipv6 else _UNGUARDED6}"""


def _not_another_s(field: str, number: int) -> str:
    return f"""meta mark set {field} map @holders4
    meta mark != {number} drop"""


_UNGUARDED6 = f"""
chain @@_ip6 {{
    icmpv6 type {{ nd-router-advert, nd-redirect }} drop
    udp sport 547 drop
    frag nexthdr {{ {guard6.EXTENSIONS} }} drop
    meta l4proto ah @th,0,8 {{ {guard6.EXTENSIONS}, 58 }} drop
    accept
}}"""
"""Where the instance has no IPv6, applications have link-local addresses, which nobody else believes in.  They would
believe whoever gave them others, also behind headers where no rule sees it."""
