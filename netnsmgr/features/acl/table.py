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

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network

from netnsmgr.config.limits import Limits
from netnsmgr.core.agreed import (
    ACTION_MASK,
    DEVICE,
    EPOCH_MASK,
    FILTER,
    INDEX_MASK,
    METADATA,
    METADATA6,
)
from netnsmgr.core.ip import Version
from netnsmgr.features.acl import limits
from netnsmgr.features.acl.verdicts import ALLOWED, DECIDED_OUT, DECLARED, DENIED, DROP, LIMIT, REJECT
from netnsmgr.features.nets import LinkEnds, Net
from netnsmgr.items.nft import PREFIX

FAMILY, NAME = "inet", FILTER.removeprefix(PREFIX)

HEADER: dict[Version, str] = {4: "ip", 6: "ip6"}
"""How nft calls the header of a version of IP."""


def frame(
    bridge: str,
    uplink: str,
    nets: Sequence[Net],
    links: Sequence[LinkEnds],
    translator: str = "",
    leaving: Sequence[IPv6Network] = (),
    tunnels: Sequence[str] = (),
    allowed: Limits = Limits(),  # noqa: B008 - frozen
) -> str:
    """Return the body of the table ``inet netnsmgr_acl`` for an instance with these nets, and with these links outside.

    ``translator`` is the link to NAT64, if it has it; ``leaving`` are prefixes that applications are about to leave;
    ``tunnels`` are the links of a VPN, by which answers come to the instance itself, and who asks whether it is there; ``allowed`` is how much
    each application may do.
    """
    to_ipv4, from_ipv4 = _translated(uplink, translator) if translator else ("", "")
    ipv6 = any(link.version == 6 for link in links)
    versions: list[Version] = [net.version for net in nets if net.version == 4]
    if ipv6:
        versions.append(6)
    neighbours = f"icmpv6 type {{ {NEIGHBOURS} }} accept"
    if ipv6:
        neighbours = (
            f'iifname "{bridge}" oifname "{bridge}" icmpv6 type {{ {DISCOVERY}, {LISTENERS} }} accept'
        )
    to_us = [f"icmpv6 type {{ {NEIGHBOURS} }} accept"]
    if ipv6:
        to_us = [
            f"icmpv6 type {{ {DISCOVERY} }} ip6 hoplimit 255 accept",
            f"icmpv6 type {{ {LISTENERS} }} ip6 hoplimit 1 accept",
        ]
    services = [
        f"{HEADER[net.version]} daddr {net.gateway} meta l4proto {{ tcp, udp }} th dport 53 goto to_dns"
        for net in nets
    ]
    if 4 in versions:
        services.append(f"ip daddr {METADATA} tcp dport 80 goto to_metadata")
    if ipv6:
        services.append(f"ip6 daddr {{ {', '.join(METADATA6)} }} tcp dport 80 goto to_metadata")
    device = [f"{HEADER[link.version]} saddr {link.outer}" for link in links]
    from_link = [f"{each} accept" for each in device]
    if ipv6:
        from_link.append("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept")
    # Outside nobody has an address of the applications' own, but may write it as the sender's.
    inside = [f"ip6 saddr {each}" for each in (*(net.subnet for net in nets if net.version == 6), *leaving)]
    forged = "".join(f'\n    iifname "{uplink}" {each} drop' for each in inside)
    by_tunnel = "".join(f'\n    iifname "{each}" goto from_tunnel' for each in tunnels)
    from_tunnel = FROM_TUNNEL if tunnels else ""
    return f"""
{DECLARED}
{limits.of_flows(allowed)}

chain forward {{
    type filter hook forward priority filter; policy drop;{to_ipv4}
    meta pkttype {{ broadcast, multicast }} goto to_many
    meta mark and 0xffff0000 vmap @routers
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    goto asked
}}
{from_ipv4}chain asked {{
    {neighbours}
    ct state {{ invalid, untracked }} drop
    ct direction reply goto answer
    goto question
}}
chain to_many {{
    {neighbours}
    ct state {{ invalid, untracked }} drop
    ct direction reply drop
    goto question
}}
chain input {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "{uplink}" goto from_uplink{by_tunnel}
    iifname != "{bridge}" drop
    ct direction reply accept
    udp dport {{ 67, 547 }} goto to_dhcp
    {_lines(services)}
    {_lines(to_us)}
    meta l4proto igmp accept
    ct mark and {EPOCH_MASK:#010x} vmap @fresh
    ct state {{ invalid, untracked }} drop
    goto question
}}
chain from_uplink {{
    ct state established,related accept
    {_lines(from_link)}
    drop
}}
{from_tunnel}
chain question {{
    ct mark and {INDEX_MASK:#010x} {DEVICE} goto from_device
    iifname "{bridge}" goto from_app{forged}
    ct status dnat goto to_app
    {_lines(f"{each} goto from_device" for each in device)}
    goto to_app
}}
chain from_app {{
    jump ask_out
    {limits.NEW} jump begun
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
    {_lines(f"meta mark set ct reply {HEADER[each]} saddr map @vif_of{each}" for each in versions)}
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
    {_lines(f"meta mark set ct original {HEADER[each]} saddr map @vif_of{each}" for each in versions)}
    jump ask_out
    iifname "{bridge}" goto to_app
    goto allowed
}}
chain answer_from_app {{
    meta mark << 16 vmap @in_lists
    drop
}}

{DECIDED_OUT}
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
{DENIED}
chain rejected {{
    meta nfproto vmap @log_drop
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
}}
{ALLOWED}"""  # noqa: S608  nft's "update", not a database's


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


def _lines(rules: Iterable[str]) -> str:
    return "\n    ".join(rules)


FROM_TUNNEL = """chain from_tunnel {
    ct state established,related accept
    icmp type echo-request accept
    icmpv6 type echo-request accept
    drop
}
"""

DISCOVERY = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit"
LISTENERS = "mld-listener-report, mld-listener-done, mld2-listener-report"
"""What applications say of themselves on a link, to each other and to the instance: neighbour discovery and multicast
listeners (RFC 4861, RFC 2710, RFC 3810).  To where a router would take it, it has nothing to say."""

NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"
"""The same of an instance without IPv6, where applications have link-local addresses and a link without a router."""
