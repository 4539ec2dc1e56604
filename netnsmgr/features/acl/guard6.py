"""Who an IPv6 packet is from, and that its neighbour discovery is its own: chains of the table ``bridge netnsmgr_vif``.

IPv4 has one address for an interface, which the instance gave to it.  Of IPv6 an interface has several and makes new ones
when it likes (RFC 8981), so what nobody else is known to hold is his who comes first (as RFC 6620 has it): the chains
themselves keep who that was for as long as he uses it, and a copy of each duplicate address detection goes to
``ND_GROUP``, to be remembered for longer: also of one for an address that another is known to hold, who may have gone; and
now and then of a packet from an address that nobody knows to be held, as nobody may have heard its detection, because the
agent was just not there.  Only where all addresses are given (``stateful``), those count.

Checked of a packet is what no receiver could tell: `icmpv6 type` finds a type behind extension headers as well, and in the
first fragment only.  So neighbour discovery with any extension header passes nowhere (RFC 6980, RFC 7113), and in fragments
of ICMPv6 nothing but an echo does.  In which order a router or a host takes such headers apart is of no matter then.

Types that pass stand in a list; the others are those with which one becomes everybody's gateway or hears what is for all:
router advertisements and redirects, questions about multicast listeners, router renumbering, inverse neighbour discovery
and multicast routers (IANA's icmpv6-parameters: 130, 134, 137, 138, 141, 142, 151 to 153).

One set of chains is for all interfaces; a packet's mark is the id of the one that it came from.  A field of a packet that
nft 1.0.6 has no name for (a neighbour discovery's target) is a number of 128 bits to it, and so are addresses in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network

from netnsmgr.core.agreed import ND_GROUP
from netnsmgr.core.ip import LINK_LOCAL, IPAddress
from netnsmgr.items.nft_set import NftSet

TYPE = "typeof @nh,64,128"
"""An address as a number."""
ENTRY = "guard6"
ND = "nd6"
"""Chains that an interface's part leads to: for all that it sends, and for neighbour discovery alone."""

_SOURCE, _TARGET = "@nh,64", "@th,64"
"""Where the header has its source, and a solicitation or advertisement its target."""
_IS_LINK_LOCAL = f"{int(LINK_LOCAL.network_address) >> 118:#x}"
EXTENSIONS = "0, 43, 44, 51, 59, 60, 135, 139, 140"
"""Headers that are followed by others (IANA's ipv6-parameters).  The kernel looks behind all but authentication's (51)."""
_CLAIMS = "limit rate over 10/second burst 100 packets"
"""New addresses of an interface; one with more of them is nobody's friend."""
_ASKING = "4s"
"""For how long an address is tentative after a solicitation for it: whose detection meets another's loses it (RFC 4862,
5.4.3), so nobody else's is passed on meanwhile; but told, as who asked first may have left."""
_TOLD_AGAIN = "5s"
"""After a packet from an address that is still not known to be held, until another one is told."""
_DYNAMIC = "size 65536; flags dynamic,timeout; timeout 1m"


def number(address: IPAddress) -> str:
    """Return an address as it is read back."""
    return f"{int(address):#x}"


def mac_number(mac: str) -> str:
    """Return a link's address in the same way."""
    return str(int(mac.replace(":", ""), 16))


def body(sets: Iterable[NftSet], subnets: Iterable[IPv6Network]) -> str:
    """Return the chains, with the declarations of the sets that they ask; ``subnets`` are those of applications."""
    inside = ", ".join(map(str, sorted({IPv6Network("fe80::/64"), *subnets})))
    declared = "\n".join(each.declaration() for each in sets)
    return f"""
{declared}
set first6 {{ {TYPE} . meta mark; {_DYNAMIC}; }}
set taken6 {{ {TYPE}; {_DYNAMIC}; }}
set claims6 {{ type mark; {_DYNAMIC}; }}
set told6 {{ type mark; {_DYNAMIC}; }}
set used6 {{ {TYPE} . meta mark; size 65536; flags dynamic,timeout; timeout {_TOLD_AGAIN}; }}
set asking6 {{ {TYPE}; size 65536; flags dynamic,timeout; timeout {_ASKING}; }}

chain {ENTRY} {{
    exthdr frag exists goto fragment6
    meta l4proto != ipv6-icmp goto other6
    icmpv6 type vmap {{
        1-129 : goto sender6, 139-140 : goto sender6, 143 : goto mld6, 144-150 : goto sender6, 154-255 : goto sender6,
        131-132 : goto mld6, 133 : goto {ND}, 135-136 : goto {ND} }}
    drop
}}
chain fragment6 {{
    frag nexthdr {{ {EXTENSIONS} }} drop
    frag nexthdr != ipv6-icmp goto other6
    frag frag-off != 0 goto sender6
    icmpv6 type {{ echo-request, echo-reply }} goto sender6
    drop
}}
chain other6 {{
    udp sport 547 drop
    udp dport 547 goto dhcp6
    meta l4proto ah @th,0,8 {{ {EXTENSIONS}, 58 }} drop
    goto sender6
}}
chain dhcp6 {{
    exthdr frag exists drop
    @th,64,8 {{ 8, 9, 12, 13 }} drop
    ip6 saddr {LINK_LOCAL} goto sender6
    drop
}}
chain mld6 {{
    ip6 hoplimit != 1 drop
    ip6 saddr :: accept
    ip6 saddr {LINK_LOCAL} goto sender6
    drop
}}
chain {ND} {{
    ip6 nexthdr != ipv6-icmp drop
    ip6 hoplimit != 255 drop
    icmpv6 code != 0 drop
    icmpv6 type vmap {{ 133 : goto rs6, 135 : goto ns6, 136 : goto na6 }}
    drop
}}
chain rs6 {{
    ip6 saddr :: ip6 length 8 accept
    ip6 length 8 goto sender6
    ip6 length 16 @th,64,16 0x0101 @th,80,48 . meta mark @lladdr6 goto sender6
    drop
}}
chain ns6 {{
    ip6 saddr :: goto dad6
    ip6 length 24 goto sender6
    ip6 length 32 @th,192,16 0x0101 @th,208,48 . meta mark @lladdr6 goto sender6
    drop
}}
chain na6 {{
    ip6 length 24 goto target6
    ip6 length 32 @th,192,16 0x0201 @th,208,48 . meta mark @lladdr6 goto target6
    drop
}}
chain dad6 {{
    ip6 daddr != ff02::1:ff00:0/104 drop
    ip6 length 24 goto taking6
    ip6 length 32 @th,192,16 0x0e01 goto taking6
    drop
}}
chain asks6 {{
    update @asking6 {{ {_TARGET},128 }}
    goto tell6
}}
chain others6 {{
    {_TARGET},128 @asking6 goto quiet6
    {_TARGET},128 @made6 drop
    goto tell6
}}
chain tell6 {{
    jump copy6
    accept
}}
chain quiet6 {{
    jump copy6
    drop
}}
chain uses6 {{
    {_SOURCE},128 . meta mark @used6 accept
    add @used6 {{ {_SOURCE},128 . meta mark }}
    jump copy6
    accept
}}
chain copy6 {{
    update @told6 {{ meta mark {_CLAIMS} }} return
    log prefix "nd" group {ND_GROUP} snaplen 72
}}
{_claim("sender6", _SOURCE, "accept", "drop", outside=f"ip6 saddr != {{ {inside} }} drop", unknown="goto uses6")}
{_claim("target6", _TARGET, "goto sender6", "drop")}
{_claim("taking6", _TARGET, "goto asks6", "accept", held="goto others6", another="@asking6 goto quiet6")}"""


def _claim(
    name: str,
    field: str,
    his: str,
    other: str,
    *,
    held: str = "",
    another: str = "",
    outside: str = "",
    unknown: str = "",
) -> str:
    """Return the chain that tells whether an address is the sender's: what then, and what if it is another's.

    ``held``: what if another is known to hold it, if not the same; ``another``: what comes before that for who took it
    lately; ``unknown``: what if it is the sender's and not known to be, if not the same.
    """
    address = f"{field},128"
    return f"""chain {name} {{
    {address} . meta mark @own6 {his}
    {address} @held6 {held or other}
    {outside}
    {address} . meta mark @first6 goto {name}_his
    {f"{address} {another}" if another else ""}
    {address} @taken6 {other}
    {field},10 != {_IS_LINK_LOCAL} meta mark @settled6 {other}
    update @claims6 {{ meta mark {_CLAIMS} }} {other}
    goto {name}_his
}}
chain {name}_his {{
    update @taken6 {{ {address} }}
    update @first6 {{ {address} . meta mark }}
    {unknown or his}
}}"""


def lladdr(macs: Mapping[str, int], family: str, table: str) -> NftSet:
    """Return the set of interfaces' MAC addresses with their ids: what an option may tell of a link."""
    elements = frozenset(f"{mac_number(mac)} . {vif}" for mac, vif in macs.items())
    return NftSet(family, table, "lladdr6", "typeof @ll,48,48 . meta mark", elements)
