"""Who a frame of a switch is from, and that it is nobody else's: the table ``netdev netnsmgr_vif``.

Each application interface has a part here with a hook of its own where its frames come in (*ingress*), and one where
frames leave to it (*egress*).  Frames between the device's ports meet none of it.  What it says is what `acl.guard` says
on a local instance, but for addresses of IP: those are the network's to give.

- The frame is marked with the interface's id, by which access lists, logs and the book of learned addresses know it.
- With `antiSpoofing` (the default): its own MAC address, as ARP sender and in neighbour discovery; no answers of a DHCP
  server, no router advertisements and no redirects.  The frames' own addresses are the bridge's port to see to
  (``items/bridge_port``).
- Never BPDUs: an application is no bridge of the network's.  Other groups of the link only as `forward` says.
- Protocols beside IP as `etherTypes` says.

The hooks of the family ``bridge`` would be the place to look for, but cost every frame of every port: one with a single
lookup takes 6 to 8 % of a plain bridge's packets, two 13 %; this takes 2 to 5 %.  For the same reason what most packets are,
TCP and UDP between ports of no service, is sorted out first, and without a lookup; but for what is for groups.

A link is held down until its part is there (``ref``).  The kernel takes hooks away with their link.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netnsmgr.config.limits import Limits
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.acl import guard6
from netnsmgr.features.acl.limits import learning, of_switch
from netnsmgr.items.link import link_ref
from netnsmgr.items.nft import PREFIX, NftTable
from netnsmgr.items.nft_part import NftPart

FAMILY, NAME = "netdev", "vif"
TABLE = PREFIX + NAME

BPDUS = "01:80:c2:00:00:00, 01:00:0c:cc:cc:cc, 01:00:0c:cc:cc:cd"
"""Groups of spanning trees: IEEE's (802.1D, 7.12.3), and Cisco's of each VLAN; and Cisco's of CDP, VTP and DTP between them, by
which a switch may be talked into a trunk."""
GROUPS = "01:80:c2:00:00:0"
"""What addresses begin with that a bridge keeps for itself (IEEE 802.1D, 7.12.6)."""
UNFORWARDABLE = range(3)
"""The last digits of those that Linux never forwards (``BR_GROUPFWD_RESTRICTED``)."""

_FAST = ["udp dport >= 1024 accept", "udp dport 69-545 accept"]
"""What has to be looked at goes to DHCP's ports, 67, 68, 546 and 547, whatever port it comes from."""
_TCP = "meta l4proto tcp goto @@_tcp"


@dataclass(frozen=True)
class Watched:
    """Text of others for the chains of one interface: what is copied (`switch.observe`), and what goes to services.

    ``arp``, ``dhcp`` and ``ip6`` are rules for frames that have been checked, ``going`` those for what goes to the interface;
    ``tcp`` and ``asks`` (ARP) come before everything else is let pass, ``tcp`` without a mark where there are no lists.
    ``chains`` are those that they lead to, ``needs`` the items that all of them name.
    """

    arp: str = ""
    dhcp: str = ""
    ip6: str = ""
    answers: str = ""
    tcp: str = ""
    asks: str = ""
    chains: str = ""
    needs: frozenset[Ref] = frozenset()


@dataclass(frozen=True)
class Vif:
    """One interface: the link of the switch, its id, its MAC address, and what may pass beside IP and ARP.

    ``ether_types`` are the only such protocols (None: all); ``groups`` the last digits of the forwarded ones;
    ``listed``: lists ask for every packet's mark.  Without ``tags``
    no frame with a VLAN tag passes; ``single``: none with two, as none of a ``guarded`` one has.  Service tags (802.1ad) never do.  Where the bridge runs
    the ``spanning`` tree, a BPDU is to reach it, and no farther: it shuts the interface.
    """

    link: str
    number: int
    mac: str
    guarded: bool = True
    ether_types: frozenset[int] | None = None
    groups: tuple[int, ...] = ()
    tags: bool = True
    single: bool = False
    listed: bool = False
    spanning: bool = False
    limits: Limits = Limits()  # noqa: RUF009 - frozen


def ref(link: str) -> Ref:
    """Name the part of an interface: what its link waits for before it comes up."""
    return NftPart(FAMILY, TABLE, f"vif_{link}", "", ()).ref


NOTHING = Watched()


def items(body: str = "") -> list[Item]:
    """Return the table; ``body`` are chains and sets that interfaces' parts lead to."""
    return [NftTable.of(FAMILY, NAME, f"{learning()}\n{body}", carries=True)]


def part(vif: Vif, watched: Watched = NOTHING) -> NftPart:
    """Return the part of one interface."""
    # A bridge's VLANs are those of 802.1Q: it would take a service tag for what a frame carries.
    tags = [*([] if vif.tags else ["ether type 0x8100 drop"]), "ether type 0x88a8 drop"]
    mark, fast = [f"meta mark set {vif.number}"], [*_FAST, _TCP]
    # Without lists only those ask for the mark who look at what is slow; it costs 2 % of the packets.
    first, later = (mark, []) if vif.listed else ([], mark)
    broadcasts, multicasts, limited = of_switch(vif.limits)
    # A bridge remembers each sender, and behind this interface there may be others than its own.
    learn = [] if vif.guarded else [f"ether saddr != {vif.mac} meta mark set {vif.number} jump learn"]
    for_many = "meta pkttype vmap { broadcast : goto @@_all, multicast : goto @@_many }"
    coming = [*tags, *first, *learn, for_many, *fast, *later, *_slow(vif)]
    body = _hook("ingress", vif.link, "from", coming) + _chain("tcp", watched.tcp, "accept")
    body += _chain("all", *later, *broadcasts, *_slow(vif))
    body += _chain("many", *later, *multicasts, *_groups(vif), _TCP, *_slow(vif))
    body += limited
    body += watched.chains
    body += _guarded(vif.mac, watched) if vif.guarded else _unguarded(vif.mac, watched)
    if going := _going(vif):
        body += _hook("egress", vif.link, "to", going)
    return NftPart(FAMILY, TABLE, f"vif_{vif.link}", body, (), needs=watched.needs | {link_ref(vif.link)})


def _groups(vif: Vif) -> list[str]:
    """Return the rules for frames to groups of the link, whatever is in them: other switches look at nothing else."""
    kept = [f"{GROUPS}{digit:x}" for digit in range(16) if digit not in (*UNFORWARDABLE, *vif.groups)]
    bpdu = [f"ether daddr {GROUPS}0 accept"] if vif.spanning else []
    return [*bpdu, f"ether daddr {{ {', '.join([BPDUS, *kept])} }} drop"]


def _slow(vif: Vif) -> list[str]:
    """Return the rules for all that is not of the many."""
    # After a tag this is what comes next: a host takes off both, and sees what no rule has; a switch takes the second
    # one for the first.
    double = ", 0x8100 : drop, 0x88a8 : drop" if vif.single or vif.guarded else ""
    return [
        f"meta protocol vmap {{ arp : goto @@_arp, ip : goto @@_ip, ip6 : goto @@_ip6{double} }}",
        *_others(vif),
    ]


def _others(vif: Vif) -> list[str]:
    """Return the rules for protocols that are not IP's."""
    if vif.ether_types is None:
        return ["accept"]
    types = ", ".join(f"{each:#x}" for each in sorted(vif.ether_types))
    return [*([f"meta protocol {{ {types} }} accept"] if types else []), "drop"]


def _guarded(mac: str, watched: Watched) -> str:
    """Return the chains for ARP and IP of an interface that is what it says."""
    bits = mac.replace(":", "")
    return (
        _chain(
            "arp",
            "arp htype != 1 drop",
            "arp hlen != 6 drop",
            f"arp saddr ether != {mac} drop",
            watched.asks,
            watched.arp,
            "accept",
        )
        + _chain(
            "ip",
            "udp sport 67 drop",
            # Not every client looks at the port that an answer comes from.
            "udp dport 68 drop",
            "icmp type { redirect, router-advertisement } drop",
            "udp dport 67 goto @@_dhcp",
            "accept",
        )
        + _chain(
            "dhcp",
            "ip frag-off & 0x3fff != 0 drop",
            f"@th,288,48 0x{bits} goto @@_dhcp_own",
            "drop",
        )
        + _chain(
            "dhcp_own",
            watched.dhcp,
            "accept",
        )
        + _chain(
            "ip6",
            "udp sport 547 drop",
            "udp dport 546 drop",
            "exthdr frag exists goto @@_fragment6",
            f"meta l4proto ah @th,0,8 {{ {guard6.EXTENSIONS}, 58 }} drop",
            "icmpv6 type vmap { 133 : goto @@_nd, 134 : drop, 135 : goto @@_nd, 136 : goto @@_nd, 137 : drop }",
            watched.ip6,
            "accept",
        )
        + _chain(
            "fragment6",
            f"frag nexthdr {{ {guard6.EXTENSIONS} }} drop",
            "frag nexthdr != ipv6-icmp accept",
            "frag frag-off != 0 accept",
            "icmpv6 type { echo-request, echo-reply } accept",
            "drop",
        )
        # A first option of another kind, or a second one, may be a link address that no rule sees.
        + _chain(
            "nd",
            "ip6 nexthdr != ipv6-icmp drop",
            "ip6 hoplimit != 255 drop",
            "icmpv6 type 133 ip6 length 8 goto @@_nd_own",
            f"icmpv6 type 133 ip6 length 16 @th,64,16 0x0101 @th,80,48 0x{bits} goto @@_nd_own",
            "icmpv6 type { 135, 136 } ip6 length 24 goto @@_nd_own",
            f"icmpv6 type 135 ip6 length 32 @th,192,16 0x0101 @th,208,48 0x{bits} goto @@_nd_own",
            "icmpv6 type 135 ip6 saddr :: ip6 length 32 @th,192,16 0x0e01 goto @@_nd_own",
            f"icmpv6 type 136 ip6 length 32 @th,192,16 0x0201 @th,208,48 0x{bits} goto @@_nd_own",
            "drop",
        )
        + _chain("nd_own", watched.ip6, "accept")
    )


def _unguarded(mac: str, watched: Watched) -> str:
    """Return the same of one that may send for others; only what bears its own address tells of its own."""
    own = f"ether saddr {mac} "
    arp = f"{own}arp saddr ether {mac} {watched.arp}" if watched.arp else ""
    dhcp = f"{own}udp dport 67 {watched.dhcp}" if watched.dhcp else ""
    ip6 = f"{own}{watched.ip6}" if watched.ip6 else ""
    return (
        _chain("arp", watched.asks, arp, "accept")
        + _chain("ip", dhcp, watched.answers, "accept")
        + _chain("ip6", ip6, watched.answers, "accept")
    )


def _going(vif: Vif) -> list[str]:
    """Return the rules for what goes to the interface; none where all that the bridge sends may."""
    others = [] if vif.ether_types is None else ["meta protocol { ip, arp, ip6 } accept", *_others(vif)]
    return [*_FAST, "meta l4proto tcp accept", *others] if others else []


def _hook(hook: str, link: str, name: str, rules: Iterable[str]) -> str:
    head = f'type filter hook {hook} device "{link}" priority 0; policy accept;'
    return _chain(name, head, *rules)


def _chain(name: str, *rules: str) -> str:
    return "\n".join([f"\nchain @@_{name} {{", *(f"    {rule}" for rule in rules if rule), "}"])
