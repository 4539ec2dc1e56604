"""Which packets of a switch tell of its applications' addresses: text for the table ``netdev netnsmgr_vif`` (`guard`).

A switch gives no addresses, so its agent has these packets copied to ``SEEN_GROUP`` and learns from them:

- what an application says of itself: ARP, neighbour discovery, and that it gives an address of DHCP back;
- what DHCP servers answer it, by either version, where that comes in: at the device's ports, and from applications that
  may be servers (`antiSpoofing: false`).  Where it leaves to the application a hook would cost twice as much.

The rest costs what it takes to see that it is none of these.  The protocol is that of the packet within a VLAN tag
(``meta protocol``; ``ether type`` would be the tag's).

Of an application only what bears its interface's own MAC address counts.  One that may send for others (`antiSpoofing:
false`) can be a bridge with hosts behind it, whose addresses are not its own.

Each interface has an allowance of copies, so that who floods is the only one that is not heard; and what it said within
``SAME`` is not copied again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from netnsmgr.core.agreed import SEEN_GROUP
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.link import link_ref
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet

ARP, ND, DHCP, DHCP6 = "arp", "nd", "dhcp", "dhcp6"
"""Prefixes of the copies: what kind of packet each is."""
ANSWER, ANSWER6 = "answer", "answer6"
"""The same of DHCP servers' answers."""

FROM_ARP, FROM_DHCP, FROM_IP6 = "observe_arp", "observe_dhcp", "observe_ip6"
"""Chains for frames of applications, marked with the sender's id: for ARP, for IPv4's UDP to port 67, for IPv6."""
ANSWERS = "observe_answers"
"""The chain for frames of whoever may be a DHCP server; it sorts out those to ports that are not a client's."""

SAME = "30s"
_ALLOWED = "limit rate over 10/second burst 60 packets"
"""Of one interface, and of answers to it."""
_ALLOWED_ALL = "limit rate over 400/second burst 800 packets"
"""Of all together: with nobody's own allowance used up, forty that flood at once."""
_DYNAMIC = "flags dynamic,timeout; timeout"
_MESSAGE = 1500
"""Bytes of a DHCP message with its headers: options may be anywhere in it."""
_SOLICITATION = 80
"""Bytes of IPv6's and ICMPv6's headers and the target, and an option's beginning."""
_ARP_BYTES = 28
"""Of ARP for IPv4 over Ethernet (RFC 826)."""

_FAMILY, _TABLE = "netdev", f"{PREFIX}vif"
_CHADDR = "@th,288,48"
"""A DHCPv4 client's address on its link, 28 bytes behind the UDP header (RFC 2131, 2): an answer may be sent to all."""
_MACS, _CHADDRS = "observe_macs", "observe_chaddrs"
_SERVICES = "udp dport & 0xfc00 == 0"
"""Below 1024 are the clients' ports, 68 and 546; one comparison for what most packets are not."""


class Watched(NamedTuple):
    """An application's interface: the bridge's port that leads to it, and its MAC address."""

    link: str
    mac: str


def watched(scope: InstanceScope, present: Collection[str]) -> dict[int, Watched]:
    """Return the interfaces of which addresses are learned, by their ids; ``present`` are the links that are there."""
    numbers = scope.numbers.vifs
    return {
        numbers[vif.group(app, interface)]: Watched(name, interface.mac_for(app.name))
        for app, interface in scope.interfaces
        if (name := vif.vif_name(app, interface)) in present
    }


def items(scope: InstanceScope) -> list[Item]:
    """Return who is answered, and the parts of the table for the device's ports."""
    macs = [interface.mac_for(app.name) for app, interface in scope.interfaces]
    known = _asked(frozenset(macs))
    rules = f"{_SERVICES} jump {ANSWERS}"
    needs = frozenset(each.ref for each in known)
    return [*known, *(_port(port.ifname, rules, needs) for port in scope.ports)]


def _asked(macs: frozenset[str]) -> tuple[NftSet, NftSet]:
    # The second is a field that nft has no name for; it is read back as a number.
    numbers = frozenset(str(int(mac.replace(":", ""), 16)) for mac in macs)
    return (
        NftSet(_FAMILY, _TABLE, _MACS, "type ether_addr", macs),
        NftSet(_FAMILY, _TABLE, _CHADDRS, f"typeof {_CHADDR}", numbers),
    )


def _port(link: str, rules: str, needs: frozenset[Ref]) -> NftPart:
    hook = f'type filter hook ingress device "{link}" priority 0; policy accept;'
    body = f"\nchain @@_from {{\n    {hook}\n    {rules}\n}}"
    return NftPart(_FAMILY, _TABLE, f"port_{link}", body, (), needs=needs | {link_ref(link)})


def body(bridge_mac: str) -> str:
    """Return sets and chains for the table; who answers the switch's own question answers to ``bridge_mac``."""
    declared = "\n".join(each.declaration() for each in _asked(frozenset()))
    return f"""
{declared}
set observe_answered {{ typeof {_CHADDR}; size 8192; {_DYNAMIC} 1m; }}
set observe_answered6 {{ type ether_addr; size 8192; {_DYNAMIC} 1m; }}
set observe_said {{ type mark . ipv4_addr; size 16384; {_DYNAMIC} {SAME}; }}
set observe_said6 {{ type mark . ipv6_addr; size 16384; {_DYNAMIC} {SAME}; }}
set observe_told {{ type mark; size 8192; {_DYNAMIC} 1m; }}
chain {FROM_ARP} {{
    meta protocol arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 goto observe_arp_ip
}}
chain observe_arp_ip {{
    meta protocol arp arp saddr ip 0.0.0.0 return
    ether daddr {bridge_mac} goto observe_tell_{ARP}
    meta protocol arp meta mark . arp saddr ip @observe_said return
    {_spend()}
    meta protocol arp add @observe_said {{ meta mark . arp saddr ip }}
    {_copy(ARP, _ARP_BYTES)}
}}
chain {FROM_DHCP} {{
    udp sport {{ 67, 68 }} goto observe_tell_{DHCP}
}}
chain {FROM_IP6} {{
    meta protocol ip6 icmpv6 type vmap {{ 135 : goto observe_solicitation, 136 : goto observe_advertisement }}
    udp dport 547 udp sport 546 goto observe_tell_{DHCP6}
}}
chain observe_solicitation {{
    meta protocol ip6 ip6 nexthdr != 58 return
    meta protocol ip6 ip6 hoplimit != 255 return
    meta protocol ip6 ip6 saddr :: goto observe_tell_{ND}
    meta protocol ip6 meta mark . ip6 saddr @observe_said6 return
    {_spend()}
    meta protocol ip6 add @observe_said6 {{ meta mark . ip6 saddr }}
    {_copy(ND, _SOLICITATION)}
}}
chain observe_advertisement {{
    meta protocol ip6 ip6 nexthdr != 58 return
    meta protocol ip6 ip6 hoplimit != 255 return
    ether daddr {bridge_mac} goto observe_tell_{ND}
    meta protocol ip6 ip6 daddr ff02::1 goto observe_tell_{ND}
}}
{_tell(ARP, _ARP_BYTES)}
{_tell(ND, _SOLICITATION)}
{_tell(DHCP, _MESSAGE)}
{_tell(DHCP6, _MESSAGE)}
chain {ANSWERS} {{
    meta protocol ip udp dport 68 {_CHADDR} @{_CHADDRS} goto observe_answer
    meta protocol ip6 udp dport 546 ether daddr @{_MACS} goto observe_answer6
}}
chain observe_answer {{
    update @observe_answered {{ {_CHADDR} {_ALLOWED} }} return
    {_ALLOWED_ALL} return
    {_copy(ANSWER, _MESSAGE)}
}}
chain observe_answer6 {{
    update @observe_answered6 {{ ether daddr {_ALLOWED} }} return
    {_ALLOWED_ALL} return
    {_copy(ANSWER6, _MESSAGE)}
}}"""


def _tell(kind: str, size: int) -> str:
    return f"""chain observe_tell_{kind} {{
    {_spend()}
    {_copy(kind, size)}
}}"""


def _spend() -> str:
    return f"update @observe_told {{ meta mark {_ALLOWED} }} return\n    {_ALLOWED_ALL} return"


def _copy(kind: str, size: int) -> str:
    return f'log prefix "{kind}" group {SEEN_GROUP} snaplen {size}'
