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

Nobody sends anything but IPv4, ARP and IPv6: what else a bridge carries (VLAN tags, say) would pass by the access lists.
A port without a part passes nothing: a link comes up by itself, and maybe before its part is here.
"""

from __future__ import annotations

from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.item import Item
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


def items(owners: dict[IPAddress, int], macs: frozenset[str], gateway: IPAddress) -> list[Item]:
    """Return the table and what is known of addresses: ``owners`` are the interfaces' ids by address; ``macs`` those of
    the interfaces that are guarded.
    """
    table = TABLE.name
    own = NftSet(
        FAMILY,
        table,
        "own4",
        "type ipv4_addr . mark",
        frozenset(f"{address} . {number}" for address, number in owners.items()),
    )
    holders = {gateway: NOBODY} | owners
    held = frozenset(f"{address} : {number}" for address, number in holders.items())
    settled = frozenset(map(str, owners.values()))
    return [
        TABLE,
        own,
        # Who has one of these has all its addresses in the other already: else an application's first packets were lost.
        NftSet(FAMILY, table, "settled", "type mark", settled, after=frozenset({own.ref})),
        NftSet(FAMILY, table, "holders4", "type ipv4_addr : mark", held),
        NftSet(FAMILY, table, "macs", "type ether_addr", macs),
    ]


def part(vif: str, number: int, mac: str, subnet: IPNetwork, *, guarded: bool) -> NftPart:
    """Return the part of one interface; not ``guarded``: it may send for others (an application that is a router)."""
    if guarded:
        marking, others = _guard(number, mac, subnet), ""
    else:
        marking, others = f"\nchain @@_from {{ meta mark set {number}; }}", " ether daddr @macs"
    body = f"""{marking}
chain @@_to {{
    meta pkttype != {{ broadcast, multicast }} ether daddr != {mac}{others} drop
    meta mark set meta mark or {number << 16:#010x}
}}"""
    sets = (
        NftSet(FAMILY, TABLE.name, name, "", None).ref for name in ("own4", "settled", "holders4", "macs")
    )
    links = (("from_vif", vif, "goto @@_from"), ("to_vif", vif, "goto @@_to"))
    return NftPart(FAMILY, TABLE.name, f"vif_{vif}", body, links, needs=frozenset(sets))


def _guard(number: int, mac: str, subnet: IPNetwork) -> str:
    return f"""
chain @@_from {{
    ether saddr != {mac} drop
    meta mark set {number}
    ether type arp goto @@_arp
    ether type ip goto @@_ip
    goto @@_ip6
}}
chain @@_arp {{
    arp saddr ether != {mac} drop
    arp saddr ip 0.0.0.0 accept
    meta mark @settled goto @@_arp_settled
    meta mark set arp saddr ip map @holders4
    meta mark != {number} drop
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
    meta mark set ip saddr map @holders4
    meta mark != {number} drop
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
}}
chain @@_ip6 {{
    icmpv6 type {{ nd-router-advert, nd-redirect }} drop
    udp sport 547 drop
    accept
}}"""
