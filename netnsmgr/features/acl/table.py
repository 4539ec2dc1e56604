"""The frame of an instance's filter: in which order which list is asked.  The lists themselves are parts of it.

Marks, as all of it uses them:

- of a packet (``meta mark``): the id of the interface that it came from, and in the upper half the one that a bridged
  packet goes to; 0 is nobody's.  Table ``bridge netnsmgr_vif`` sets both.  A list in direction *in* overwrites the mark
  with its verdict, because one rule cannot join two registers.
- of a flow (``ct mark``): the epoch (12 bits), the action (2 bits), and the index of the rule that decided (18 bits).

Lists are reached by ``goto`` from a chain that ends with ``drop``: so what no list has been asked about passes nowhere,
and what an *out* list allows comes back to where that chain was called.  (A chain that went on from there to the *in*
lists would be simpler; but the kernel walks all ways through a table at each change, and these would be all pairs.)

A flow's mark is never cleared while a list is asked: packets of both directions are in here at once, on several
processors, and one would find the other's half-made decision.  Which lists have been asked follows from the way that
a packet takes instead.  Between two applications both its ends are the bridge.

Who began a routed flow is found by its address; or, of an application that uses one without telling, by the rule that
let the flow pass before.

What goes to many (broadcasts, multicasts) has one flow and as many receivers as the bridge has ports; so each copy is
asked about, and none of the answers is kept.  The same holds for what goes to an interface without `antiSpoofing`, which
may get copies of what is meant for hosts behind another one.

Bridged packets pass here, too (``bridge-nf-call-iptables``): the bridge family of nftables has no connection tracking
on many kernels.
"""

from __future__ import annotations

from netnsmgr.core.agreed import (
    ACTION_MASK,
    ACTION_SHIFT,
    DEVICE,
    EPOCH_MASK,
    FILTER,
    INDEX_MASK,
    METADATA,
    Action,
)
from netnsmgr.core.ip import IPAddress
from netnsmgr.items.nft import PREFIX

FAMILY, NAME = "inet", FILTER.removeprefix(PREFIX)
DROP, REJECT, LIMIT = (action << ACTION_SHIFT for action in (Action.DROP, Action.REJECT, Action.LIMIT))


def frame(
    bridge: str,
    uplink: str,
    gateway: IPAddress,
    outer: IPAddress,
    outer6: IPAddress | None,
    translator: str = "",
) -> str:
    """Return the body of the table ``inet netnsmgr_acl`` for an instance; ``translator`` is the link to NAT64, if it has it."""
    to_ipv4, from_ipv4 = _translated(uplink, translator) if translator else ("", "")
    from_uplink6 = ""
    if outer6 is not None:
        from_uplink6 = f"""
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
    ip6 saddr {outer6} accept"""
    return f"""
map out_lists {{ type mark : verdict; }}
map in_lists {{ type mark : verdict; }}
map limiters {{ type mark : verdict; }}
map routers {{ type mark : verdict; }}
map fresh {{ type mark : verdict; }}
map stamp {{ type nf_proto : verdict; }}
map log_drop {{ type nf_proto : verdict; }}
map log_in {{ type nf_proto : verdict; }}
set hits {{ type mark; size 262144; flags dynamic; }}
counter unlogged {{ }}

chain forward {{
    type filter hook forward priority filter; policy drop;{to_ipv4}
    meta pkttype {{ broadcast, multicast }} goto to_many
    meta mark and 0xffff0000 vmap @routers
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    goto asked
}}
{from_ipv4}chain asked {{
    icmpv6 type {{ {NEIGHBOURS} }} accept
    ct state {{ invalid, untracked }} drop
    ct direction reply goto answer
    goto question
}}
chain to_many {{
    icmpv6 type {{ {NEIGHBOURS} }} accept
    ct state {{ invalid, untracked }} drop
    ct direction reply drop
    goto question
}}
chain input {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "{uplink}" goto from_uplink
    iifname != "{bridge}" drop
    ct direction reply accept
    udp dport {{ 67, 547 }} accept
    ip daddr {gateway} meta l4proto {{ tcp, udp }} th dport 53 accept
    ip daddr {METADATA} tcp dport 80 accept
    icmpv6 type {{ {NEIGHBOURS} }} accept
    meta l4proto igmp accept
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    ct state {{ invalid, untracked }} drop
    goto question
}}
chain from_uplink {{
    ct state established,related accept
    ip saddr {outer} accept{from_uplink6}
    drop
}}

chain question {{
    ct mark and {INDEX_MASK:#010x} {DEVICE} goto from_device
    iifname "{bridge}" goto from_app
    ct status dnat goto to_app
    ip saddr {outer} goto from_device
    goto to_app
}}
chain from_app {{
    jump ask_out
    oifname "{bridge}" goto to_app
    goto allowed
}}
chain ask_out {{
    meta mark and 0x0000ffff vmap @out_lists
    drop
}}
chain to_app {{
    meta mark and 0xffff0000 != 0 goto ask_in
    meta mark set 0
    meta mark set ct reply ip saddr map @vif_of4
    meta mark << 16 vmap @in_lists
    drop
}}
chain ask_in {{
    meta mark and 0xffff0000 vmap @in_lists
    drop
}}
chain from_device {{
    ct mark set {DEVICE} goto allowed
}}

chain answer {{
    ct mark and {INDEX_MASK:#010x} {DEVICE} goto from_device
    meta mark and 0xffff0000 != 0 goto answer_bridged
    oifname "{bridge}" goto answer_routed
    goto answer_from_app
}}
chain answer_bridged {{
    jump ask_out_of_receiver
    goto answer_from_app
}}
chain ask_out_of_receiver {{
    meta mark >> 16 vmap @out_lists
    drop
}}
chain answer_routed {{
    meta mark set 0
    meta mark set ct mark and {INDEX_MASK:#010x} map @deciders
    meta mark set ct original ip saddr map @vif_of4
    jump ask_out
    iifname "{bridge}" goto to_app
    goto allowed
}}
chain answer_from_app {{
    meta mark << 16 vmap @in_lists
    drop
}}

chain decided_out {{
    update @hits {{ ct mark counter }}
    ct mark and {ACTION_MASK:#010x} vmap {{ {DROP:#x} : goto denied_out, {REJECT:#x} : goto rejected_out }}
    ct mark and {INDEX_MASK:#010x} vmap @limiters
    return
}}
chain denied_out {{
    meta mark set ct mark
    goto denied
}}
chain rejected_out {{
    meta mark set ct mark
    goto rejected
}}
chain decided_in {{
    update @hits {{ meta mark counter }}
    meta mark and {ACTION_MASK:#010x} vmap {{ {DROP:#x} : goto denied, {REJECT:#x} : goto rejected }}
    meta mark and {INDEX_MASK:#010x} vmap @limiters
    iifname "{bridge}" oifname "{bridge}" goto both_allow
    ct mark set meta mark
    goto allowed
}}
chain both_allow {{
    ct state new meta nfproto vmap @log_in
    meta mark and {ACTION_MASK:#010x} {LIMIT:#x} accept
    goto allowed
}}
chain limited {{
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} meta mark set ct mark
    goto denied
}}
chain denied {{
    meta nfproto vmap @log_drop
    drop
}}
chain rejected {{
    meta nfproto vmap @log_drop
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
}}
chain allowed {{
    meta pkttype {{ broadcast, multicast }} accept
    ct mark and {ACTION_MASK:#010x} {LIMIT:#x} accept
    meta nfproto vmap @stamp
    accept
}}"""  # noqa: S608  nft's "update", not a database's


def _translated(uplink: str, link: str) -> tuple[str, str]:
    """Return how packets to and from the translator of NAT64 find their chains, and these.

    A list is asked about the flow of IPv6 alone.  What the translator makes of it leaves by the way out and nowhere else, and
    nothing comes in to it but answers; nor does anything begin at the translator.
    """
    ways = f"""
    iifname "{link}" goto from_translator
    meta nfproto ipv4 oifname "{link}" goto to_translator"""
    chains = f"""chain from_translator {{
    meta nfproto ipv4 oifname "{uplink}" accept
    meta nfproto ipv4 drop
    ct direction original drop
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    goto asked
}}
chain to_translator {{
    iifname "{uplink}" ct direction reply accept
    drop
}}
"""
    return ways, chains


NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"
"""What IPv6 needs on a link between any two: neighbour discovery and multicast listeners (RFC 4861, RFC 3810)."""
