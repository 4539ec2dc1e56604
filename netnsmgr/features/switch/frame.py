"""The frame of a switch's filter: in which order which list is asked.  What marks mean says `acl.table`.

Both ends of a packet are in its mark: the interface that it came from, and the one that it goes to; 0 is a port of the
device.  Addresses tell neither, because the network gives them and an application may take any.  So

- what goes from port to port is not asked about;
- who began a flow is told by the ends of its first packet, and in an answer they change places;
- a flow that was allowed passes by its mark only if it is the sender's (or, from a port, the receiver's) own: an application
  that takes another's address is asked itself.

What reaches here is bridged; the switch's own namespace hears and says nothing (`filter`).
"""

from __future__ import annotations

from netnsmgr.core.agreed import ACTION_MASK, EPOCH_MASK, FILTER, INDEX_MASK
from netnsmgr.features.acl.text import Links
from netnsmgr.features.acl.verdicts import DECIDED_OUT, DECLARED, DENIED, DROP, LIMIT, REJECT
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_set import NftSet

FAMILY, NAME = "inet", FILTER.removeprefix(PREFIX)

FLOWS, BRIEF, LASTING = 262144, "5m", "1d"
"""How many flows an interface has begun, or been asked, and how long that is known: at least, and of a connection."""

SENDER, RECEIVER = 0x0000FFFF, 0xFFFF0000
"""Bits of a packet's mark."""

STRANGER = 0xFFFF
"""Nobody's id: of a link that nobody has told of, and in the receiver's place once that one's list has let an answer in."""

ALWAYS = """icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept
    ip6 daddr ff00::/8 ip6 saddr { ::, fe80::/10 } ip6 hoplimit 1 icmpv6 type { 130, 131, 132, 143 } accept
    ip daddr 224.0.0.0/4 ip ttl 1 meta l4proto igmp accept
    ip daddr 255.255.255.255 udp sport . udp dport { 68 . 67, 67 . 68 } accept
    meta mark and 0xffff0000 != 0 udp sport 67 udp dport 68 accept
    udp sport 68 udp dport 67 meta length 1-576 meta mark and 0x0000ffff vmap @renewals
    ip6 saddr fe80::/10 ip6 daddr { fe80::/10, ff02::/16 } udp sport . udp dport { 546 . 547, 547 . 546 } accept"""
"""Neighbours and routers (RFC 4861), listeners (RFC 2710, RFC 3810, RFC 3376) and addresses (RFC 2131, RFC 8415): without
these an application has no address, and hears of no group.  None of it leaves the segment, but for renewals."""

LISTS = f"""{DECLARED}
map ends {{ type mark : verdict; }}
map senders {{ type mark : verdict; }}
map receivers {{ type mark : verdict; }}
map answers {{ type mark : verdict; }}
map against {{ type mark : verdict; }}
map renewals {{ type mark : verdict; }}"""
"""``ends`` leads to what an interface's own list has decided of flows with a port; ``senders`` and then
``receivers`` to that of flows with another interface; ``answers`` to who knows whether a flow was asked for; ``against`` to the lists as they are asked about what goes
against its flow without being an answer."""


def frame() -> str:
    """Return the body of the table ``inet netnsmgr_acl``."""
    return f"""
{LISTS}

chain forward {{
    type filter hook forward priority filter; policy drop;
    meta mark 0 accept
    meta pkttype {{ broadcast, multicast }} goto asked
    meta mark and {RECEIVER:#010x} vmap @routers
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    goto asked
}}
chain asked {{
    {ALWAYS}
    ct state {{ invalid, untracked }} drop
    ct direction reply goto answer
    meta mark and {SENDER:#010x} != 0 jump ask_out
    meta mark and {RECEIVER:#010x} != 0 jump ask_in
    accept
}}
chain ask_out {{
    meta mark and {SENDER:#010x} vmap @out_lists
    drop
}}
chain ask_in {{
    meta mark and {RECEIVER:#010x} vmap @in_lists
    drop
}}

chain answer {{
    meta mark and {RECEIVER:#010x} {STRANGER << 16:#010x} drop
    meta mark and {RECEIVER:#010x} vmap @answers
    meta mark and {RECEIVER:#010x} {{ 0, {STRANGER << 16:#010x} }} goto to_who_asked
    goto question
}}
chain to_who_asked {{
    meta mark and {SENDER:#010x} 0 accept
    jump ask_sender
    accept
}}
chain ask_sender {{
    meta mark and {SENDER:#010x} vmap @answers
    drop
}}
chain question {{
    meta l4proto {{ icmp, ipv6-icmp }} drop
    meta mark and {SENDER:#010x} != 0 jump out_against
    jump in_against
    accept
}}
chain out_against {{
    meta mark and {SENDER:#010x} vmap @against
    drop
}}
chain in_against {{
    meta mark and {RECEIVER:#010x} vmap @against
    drop
}}
chain heard {{
    meta mark and {RECEIVER:#010x} vmap @receivers
}}

{DECIDED_OUT}
chain decided_in {{
    update @hits {{ meta mark counter }}
    meta mark and {ACTION_MASK:#010x} vmap {{ {DROP:#x} : goto denied, {REJECT:#x} : goto rejected }}
    meta mark and {INDEX_MASK:#010x} vmap @limiters
    return
}}
{DENIED}
chain rejected {{
    meta nfproto vmap @log_drop
    meta l4proto tcp reject with tcp reset
    drop
}}"""


def fresh() -> str:
    """Return the chains for flows that the present lists have decided."""
    return f"""
chain @@_from_port {{ meta mark and {RECEIVER:#010x} vmap @ends; }}
chain @@_to_port {{ meta mark and {SENDER:#010x} vmap @ends; }}
chain @@_fresh {{
    tcp flags and (fin | rst) != 0 return
    meta mark and {SENDER:#010x} 0 goto @@_from_port
    meta mark and {RECEIVER:#010x} 0 goto @@_to_port
    meta mark and {SENDER:#010x} vmap @senders
}}"""


def roles(number: int) -> tuple[NftSet, NftSet]:
    """Return the sets of the flows that an interface began, and of those that came to it and its list let in.

    They outlive lists, so that an answer is known after a change, too.  Of whom they have no room for nothing is an
    answer; so what lasts are connections that have neither just begun nor ended.
    """
    began, came = (
        NftSet(
            "inet",
            FILTER,
            f"{name}_{number}",
            f"typeof ct id; size {FLOWS}; flags dynamic,timeout; timeout {BRIEF}",
            None,
        )
        for name in ("began", "came")
    )
    return began, came


def own(number: int) -> tuple[str, Links]:
    """Return chains and links by which an interface's flows are known again."""
    began, came = (each.name for each in roles(number))
    known = "typeof ct id . ct mark; size 65536; flags dynamic,timeout; timeout 2m;"
    sets = "".join(f"set @@_{way} {{ {known} }}\n" for way in ("out_port", "out_app", "in_port", "in_app"))
    body = f"""{sets}chain @@_to_port {{
    ct direction original ct id . ct mark @@@_out_port accept
    ct direction reply ct id . ct mark @@@_in_port accept
}}
chain @@_from_port {{
    ct direction reply ct id . ct mark @@@_out_port accept
    ct direction original ct id . ct mark @@@_in_port accept
}}
chain @@_to_app {{
    ct direction original ct id . ct mark @@@_out_app goto heard
    ct direction reply ct id . ct mark @@@_in_app goto heard
}}
chain @@_from_app {{
    ct direction reply ct id . ct mark @@@_out_app accept
    ct direction original ct id . ct mark @@@_in_app accept
}}
chain @@_ask_out {{
    jump @@_out
    meta pkttype {{ broadcast, multicast }} return
    {_remembered(began)}
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} return
    meta nfproto vmap @stamp
    meta mark and {SENDER:#010x} 0 goto @@_out_port
    meta mark and {RECEIVER:#010x} 0 goto @@_out_port
    update @@@_out_app {{ ct id . ct mark }}
}}
chain @@_out_port {{
    update @@@_out_port {{ ct id . ct mark }}
}}
chain @@_ask_in {{
    meta mark and {SENDER:#010x} 0 goto @@_in_port
    meta mark and {RECEIVER:#010x} 0 goto @@_in_port
    jump @@_in
    ct state new meta nfproto vmap @log_in
    meta pkttype {{ broadcast, multicast }} return
    {_remembered(came)}
    meta mark and {ACTION_MASK:#010x} {LIMIT:#x} return
    update @@@_in_app {{ ct id . ct mark }}
}}
chain @@_in_port {{
    jump @@_in
    ct mark set meta mark
    ct state new meta nfproto vmap @log_in
    meta pkttype {{ broadcast, multicast }} return
    {_remembered(came)}
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} return
    meta nfproto vmap @stamp
    update @@@_in_port {{ ct id . ct mark }}
}}
chain @@_hears {{
    ct id != @{began} return
    jump @@_ask_out
    meta mark set meta mark or {STRANGER << 16:#010x}
}}
chain @@_says {{
    ct id @{came} goto @@_ask_in
    goto @@_out_against
}}
chain @@_renewal {{ limit rate 1/second burst 5 packets accept; }}
"""  # noqa: S608  nft's "update", not a database's
    who, whom = str(number), str(number << 16)
    return body, (
        ("out_lists", who, "goto @@_ask_out"),
        ("in_lists", whom, "goto @@_ask_in"),
        ("answers", who, "goto @@_says"),
        ("answers", whom, "jump @@_hears"),
        ("against", who, "goto @@_out_against"),
        ("against", whom, "goto @@_in_against"),
        ("ends", who, "jump @@_to_port"),
        ("ends", whom, "jump @@_from_port"),
        ("senders", who, "jump @@_to_app"),
        ("receivers", whom, "goto @@_from_app"),
        ("renewals", who, "jump @@_renewal"),
    )


def _remembered(name: str) -> str:
    # A connection may be silent for long; of what is not yet or no longer one there may be very many.
    return f"""update @{name} {{ ct id }}
    tcp flags and (fin | syn | rst) == 0 update @{name} {{ ct id timeout {LASTING} }}"""
