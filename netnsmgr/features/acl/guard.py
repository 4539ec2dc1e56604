"""Who a bridged packet is from, and that it is nobody else's: the table ``bridge netnsmgr_vif``.

Each application interface has a part of its own here, reached by its name, so that a packet costs the same however many
there are.  It marks the packet with the interface's id, and with `antiSpoofing` (the default) lets pass:

- frames with the interface's own MAC address, as Ethernet and as ARP sender;
- IPv4 and ARP with an address that the interface is known to hold (fixed, or leased).  Before any is known: one of the
  subnet that nobody else is known to hold, because a lease is used before it is heard of;
- no answers of a DHCP server and no router advertisements, which would make the application everybody's gateway;
- nothing but IPv4, ARP and IPv6: what else a bridge carries (VLAN tags, say) would pass by the access lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from netnsmgr.core.item import Item
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet

FAMILY, NAME = "bridge", "vif"

BODY = """
map from_vif { type ifname : verdict; }
map to_vif { type ifname : verdict; }

chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    meta mark set 0
    iifname vmap @from_vif
}
chain forward {
    type filter hook forward priority -300; policy accept;
    ether type ip udp dport { 67, 68 } drop
    ether type ip6 udp dport { 546, 547 } drop
    oifname vmap @to_vif
}"""
"""DHCP is between an application and the instance: no other application needs to hear it."""

TABLE = NftTable.of(FAMILY, NAME, BODY, carries=True)


def items(owners: dict[IPv4Address, int], gateway: IPv4Address) -> list[Item]:
    """Return the table and what is known of addresses: ``owners`` are the interfaces' ids by address."""
    table = TABLE.name
    own = frozenset(f"{address} . {number}" for address, number in owners.items())
    known = frozenset(map(str, {*owners, gateway}))
    settled = frozenset(map(str, owners.values()))
    return [
        TABLE,
        NftSet(FAMILY, table, "own4", "type ipv4_addr . mark", own),
        NftSet(FAMILY, table, "known4", "type ipv4_addr", known),
        NftSet(FAMILY, table, "settled", "type mark", settled),
    ]


def part(vif: str, number: int, mac: str, subnet: IPv4Network, *, guarded: bool) -> NftPart:
    """Return the part of one interface; not ``guarded``: it may send for others (an application that is a router)."""
    marking = f"chain @@_from {{ meta mark set {number}; }}" if not guarded else _guard(number, mac, subnet)
    body = f"""{marking}
chain @@_to {{ meta mark set meta mark or {number << 16:#010x}; }}"""
    sets = (NftSet(FAMILY, TABLE.name, name, "", None).ref for name in ("own4", "known4", "settled"))
    links = (("from_vif", vif, "goto @@_from"), ("to_vif", vif, "goto @@_to"))
    return NftPart(FAMILY, TABLE.name, f"vif_{vif}", body, links, needs=frozenset(sets))


def _guard(number: int, mac: str, subnet: IPv4Network) -> str:
    return f"""
chain @@_from {{
    ether saddr != {mac} drop
    meta mark set {number}
    ether type arp goto @@_arp
    ether type ip goto @@_ip
    ether type ip6 goto @@_ip6
    drop
}}
chain @@_arp {{
    arp saddr ether != {mac} drop
    arp saddr ip 0.0.0.0 accept
    arp saddr ip . meta mark @own4 accept
    arp saddr ip @known4 drop
    meta mark @settled drop
    arp saddr ip {subnet} accept
    drop
}}
chain @@_ip {{
    udp sport 67 drop
    ip saddr . meta mark @own4 accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    ip saddr @known4 drop
    meta mark @settled drop
    ip saddr {subnet} accept
    drop
}}
chain @@_ip6 {{
    icmpv6 type {{ nd-router-advert, nd-redirect }} drop
    udp sport 547 drop
    accept
}}"""


def addresses_of(found: Iterable[tuple[IPv4Address, int]], gateway: IPv4Address) -> dict[IPv4Address, int]:
    """Return who holds which address, without the gateway's: nobody but the instance does."""
    return {address: number for address, number in found if address != gateway}
