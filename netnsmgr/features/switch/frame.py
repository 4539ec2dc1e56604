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
from netnsmgr.features.acl.verdicts import ALLOWED, DECIDED_OUT, DECLARED, DENIED, DROP, LIMIT, REJECT
from netnsmgr.items.nft import PREFIX

FAMILY, NAME = "inet", FILTER.removeprefix(PREFIX)

SENDER, RECEIVER = 0x0000FFFF, 0xFFFF0000
"""Bits of a packet's mark."""

NEIGHBOURS = (
    "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, "
    "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"
)
"""What hosts and routers of a link say to each other; whose applications may, `guard` has decided."""

ALWAYS = f"""icmpv6 type {{ {NEIGHBOURS} }} ip6 hoplimit {{ 1, 255 }} accept
    udp sport . udp dport {{ 68 . 67, 67 . 68, 546 . 547, 547 . 546 }} accept
    meta l4proto igmp accept"""
"""Without these an application has no address, and hears of no group."""

LISTS = f"""{DECLARED}
map ends {{ type mark : verdict; }}"""
"""``ends`` leads to the chain that lets pass what an interface's own list has decided."""


def frame() -> str:
    """Return the body of the table ``inet netnsmgr_acl``."""
    return f"""
{LISTS}

chain forward {{
    type filter hook forward priority filter; policy drop;
    meta mark 0 accept
    meta pkttype {{ broadcast, multicast }} goto to_many
    meta mark and {RECEIVER:#010x} vmap @routers
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    goto asked
}}
chain asked {{
    {ALWAYS}
    ct state {{ invalid, untracked }} drop
    ct direction reply goto answer
    goto question
}}
chain to_many {{
    {ALWAYS}
    ct state {{ invalid, untracked }} drop
    ct direction reply drop
    goto question
}}

chain question {{
    meta mark and {SENDER:#010x} 0 goto from_port
    jump ask_out
    meta mark and {RECEIVER:#010x} 0 goto allowed
    jump ask_in
    ct state new meta nfproto vmap @log_in
    meta mark and {ACTION_MASK:#010x} {LIMIT:#x} accept
    goto allowed
}}
chain from_port {{
    jump ask_in
    ct mark set meta mark
    ct state new meta nfproto vmap @log_in
    goto allowed
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
    meta mark and {RECEIVER:#010x} 0 goto answer_to_port
    jump ask_receiver
    meta mark and {SENDER:#010x} 0 goto allowed
    jump ask_sender
    meta mark and {ACTION_MASK:#010x} {LIMIT:#x} accept
    goto allowed
}}
chain answer_to_port {{
    jump ask_sender
    ct mark set meta mark
    goto allowed
}}
chain ask_receiver {{
    meta mark >> 16 vmap @out_lists
    drop
}}
chain ask_sender {{
    meta mark << 16 vmap @in_lists
    drop
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
}}
{ALLOWED}"""


def fresh() -> str:
    """Return the chains for flows that the present lists have decided."""
    return f"""
chain @@_sent {{
    meta mark and {SENDER:#010x} vmap @ends
    goto asked
}}
chain @@_fresh {{
    meta mark and {SENDER:#010x} != 0 goto @@_sent
    meta mark and {RECEIVER:#010x} vmap @ends
    goto asked
}}"""


def own(number: int, first: int, last: int) -> tuple[str, Links]:
    """Return chains and links by which an interface's flows are known again.

    They are those that one of its rules has decided (indices ``first`` to ``last``), and those of other applications to it
    that its list has let pass: their marks are of the others' rules.
    """
    body = f"""set @@_flows {{ typeof ct id; size 65536; flags dynamic,timeout; timeout 10m; }}
chain @@_mine {{
    ct mark and {INDEX_MASK:#010x} {first}-{last} accept
    ct id @@@_flows accept
}}
chain @@_ask {{
    jump @@_in
    update @@@_flows {{ ct id }}
}}
"""
    return body, (
        ("ends", str(number), "jump @@_mine"),
        ("ends", str(number << 16), "jump @@_mine"),
        ("in_lists", str(number << 16), "goto @@_ask"),
    )
