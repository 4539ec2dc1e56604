"""How much an application may do, so that one that floods harms nobody but itself: text for the tables `guard` and `table`.

What applications share, and one could take from the others: the DNS and DHCP server and the metadata service of the
instance; connection tracking, whose table in the device's root namespace all instances use; the neighbour table, of which
the whole machine has one (``gc_thresh3``: 1024 entries of each version of IP, neigh_table in net/core/neighbour.c); the
addresses that a bridge learns; and the link to every other application, which hears what is for all.

Each interface has allowances of its own, by its id in the mark.  What is beyond is dropped, silently, as a queue does that is
full, and told through ``LIMIT_GROUP``, now and then.  What most packets are costs two comparisons more: those of flows that
have begun meet none of it but that they are not for all.

A flow is counted by ``ct count`` (nf_conncount) when it begins, and until conntrack forgets it.  That walks through all of
them in each tick in which one begins, hence the rate before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from netnsmgr.config.limits import Limits
from netnsmgr.core.agreed import LIMIT_GROUP, Limited
from netnsmgr.core.ip import Version

VIF = "meta mark and 0xffff"
NEW = "ct status ! confirmed"
"""The first packet of a flow; ``ct state new`` are all until one is answered."""
_RATE = "size 65536; flags dynamic,timeout; timeout 1m;"
_COUNT = "size 65536; flags dynamic;"
"""A count has no timeout: it is over when the last flow is."""
TOLD = "limit rate over 6/minute burst 1 packets"
"""Of each kind and interface: a sign that it goes on."""

DHCP, DHCP_BURST = 10, 50
"""Messages to the DHCP servers in a second: a client that gets no answer asks once in a few."""
DNS_OPEN = 4
"""Connections to the DNS server; dnsmasq has 20 for everybody."""
METADATA, METADATA_BURST, METADATA_OPEN = 100, 200, 16
"""New connections to the metadata service in a second, and how many at a time: more than it lets anybody have, as it
says so politely (``services/metadata/limits``)."""
HOPS, HOPS_BURST, HOPS_KEPT = 50, 200, "1m"
"""New neighbours of a port in a second that an instance has the device look for: each is an entry in the neighbour table for
three seconds, or until it answers.  Within an instance packets to addresses that nobody is known to hold pass no list."""
MACS, MACS_BURST, MACS_KEPT = 20, 1000, "5m"
"""New addresses of hosts in a second behind an interface without `antiSpoofing`; a bridge forgets them after five minutes."""


def _told(kinds: Iterable[Limited]) -> str:
    """Return the chains where packets end that are too many."""
    return "\n".join(
        f"""set told_{kind} {{ type mark; {_RATE} }}
chain limited_{kind} {{
    update @told_{kind} {{ {VIF} {TOLD} }} drop
    log prefix "{kind}" group {LIMIT_GROUP} snaplen 1
    drop
}}"""
        for kind in kinds
    )


def _within(kind: Limited, amount: int, burst: int) -> str:
    rate = f"limit rate over {amount}/second burst {burst} packets"
    return f"update @{kind}_rate_{amount} {{ {VIF} {rate} }} goto limited_{kind}"


def _open(kind: Limited, most: int) -> str:
    return f"add @{kind}_open_{most} {{ {VIF} ct count over {most} }} goto limited_{kind}"


def _rates(**amounts: int) -> str:
    """Return the sets where `_within` counts.  An element keeps the bound that it was made with, hence the name."""
    return "\n".join(f"set {kind}_rate_{amount} {{ type mark; {_RATE} }}" for kind, amount in amounts.items())


def _opens(**most: int) -> str:
    """Return the same for `_open`."""
    return "\n".join(f"set {kind}_open_{amount} {{ type mark; {_COUNT} }}" for kind, amount in most.items())


def on_link(limits: Limits) -> str:
    """Return what is limited on the link itself, of a frame that has its mark: a base chain, and ``learn``.

    ``learn`` is asked about frames of interfaces that may send for others.
    """
    return f"""
{_rates(broadcasts=limits.broadcasts, multicasts=limits.multicasts, macs=MACS)}
set macs_learnt {{ type mark . ether_addr; size 65536; flags dynamic,timeout; timeout {MACS_KEPT}; }}
{_told(("broadcasts", "multicasts", "macs"))}
chain limits {{
    type filter hook prerouting priority -299; policy accept;
    ether type arp goto broadcasts
    meta pkttype {{ broadcast, multicast }} goto many
}}
chain many {{
    meta pkttype broadcast goto broadcasts
    icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} goto broadcasts
    {_within("multicasts", limits.multicasts, 2 * limits.multicasts)}
}}
chain broadcasts {{
    {_within("broadcasts", limits.broadcasts, 2 * limits.broadcasts)}
}}
chain learn {{
    meta mark . ether saddr @macs_learnt return
    {_within("macs", MACS, MACS_BURST)}
    add @macs_learnt {{ meta mark . ether saddr }}
}}"""


def of_switch(limits: Limits) -> tuple[list[str], list[str], str]:
    """Return the rules for broadcasts and for multicasts of one interface of a switch, and the chains where they lead.

    Chains of its own have counts of their own.
    """
    rules, chains = [], ""
    for kind, amount in (("broadcasts", limits.broadcasts), ("multicasts", limits.multicasts)):
        rules.append([f"limit rate over {amount}/second burst {2 * amount} packets goto @@_limited_{kind}"])
        told = f'limit rate 6/minute burst 1 packets log prefix "{kind}" group {LIMIT_GROUP} snaplen 1'
        chains += f"\nchain @@_limited_{kind} {{\n    {told}\n    drop\n}}"
    return rules[0], rules[1], chains


def learning() -> str:
    """Return ``learn`` for a switch: whether a frame's sender is one too many behind an interface that sends for others."""
    return f"""
set macs_learnt {{ type ifname . ether_addr; size 65536; flags dynamic,timeout; timeout {MACS_KEPT}; }}
{_rates(macs=MACS)}
{_told(("macs",))}
chain learn {{
    iifname . ether saddr @macs_learnt return
    {_within("macs", MACS, MACS_BURST)}
    add @macs_learnt {{ iifname . ether saddr }}
}}"""


def of_flows(limits: Limits) -> str:
    """Return the chains for what goes to the instance's services, and ``begun`` for flows that an application begins.

    Those of services accept what is within.
    """
    return f"""
{_rates(dhcp=DHCP, dns=limits.dns, metadata=METADATA, flows=limits.new_flows)}
{_opens(dns=DNS_OPEN, metadata=METADATA_OPEN, flows=limits.flows)}
{_told(("dhcp", "dns", "metadata", "flows"))}
chain to_dhcp {{
    {_within("dhcp", DHCP, DHCP_BURST)}
    accept
}}
chain to_dns {{
    {_within("dns", limits.dns, 4 * limits.dns)}
    meta l4proto tcp {NEW} {_open("dns", DNS_OPEN)}
    accept
}}
chain to_metadata {{
    {NEW} goto new_metadata
    accept
}}
chain new_metadata {{
    {_within("metadata", METADATA, METADATA_BURST)}
    {_open("metadata", METADATA_OPEN)}
    accept
}}
chain begun {{
    meta pkttype {{ broadcast, multicast }} return
    {_within("flows", limits.new_flows, 4 * limits.new_flows)}
    {_open("flows", limits.flows)}
}}"""


def of_ports(ports: Iterable[str], links: str, versions: Iterable[Version]) -> str:
    """Return chains for the device's root namespace, where instances come by ``links`` (as nft writes names).

    New neighbours of the ports that an instance has the device look for: the table that they are in is the machine's.
    """
    names = ", ".join(sorted(f'"{port}"' for port in ports))
    text = ""
    for version in versions:
        header, suffix = ("ip", "") if version == 4 else ("ip6", "6")
        # By number, which is nobody's when an instance has gone: its name would stand here for another minute.
        known = f"iif . rt {header} nexthop"
        text += f"""
set hops{suffix} {{ type iface_index . ipv{version}_addr; size 65536; flags dynamic,timeout; timeout {HOPS_KEPT}; }}
set hops_rate{suffix} {{ type iface_index; {_RATE} }}
chain hops{suffix} {{
    type filter hook forward priority 1; policy accept;
    meta nfproto ipv{version} iifname {links} oifname {{ {names} }} {NEW} goto new_hops{suffix}
}}
chain new_hops{suffix} {{
    {known} @hops{suffix} accept
    update @hops_rate{suffix} {{ iif limit rate over {HOPS}/second burst {HOPS_BURST} packets }} counter drop
    add @hops{suffix} {{ {known} }}
}}"""
    return text


def words(kind: str, limits: Limits) -> str:
    """Say what an application does too much of; ``kind`` is what its packets are told with."""
    found: dict[Limited, str] = {
        "dhcp": f"{DHCP} DHCP messages a second",
        "dns": f"{limits.dns} packets a second to the DNS server (limits.dns), or {DNS_OPEN} connections to it",
        "metadata": f"{METADATA} connections a second to the metadata service, or {METADATA_OPEN} at a time",
        "flows": f"{limits.new_flows} new flows a second (limits.newFlows), or {limits.flows} at a time (limits.flows)",
        "broadcasts": f"{limits.broadcasts} broadcasts a second, ARP and neighbour discovery included (limits.broadcasts)",
        "multicasts": f"{limits.multicasts} packets a second to groups (limits.multicasts)",
        "macs": f"{MACS} new MAC addresses a second behind it",
    }
    return next(
        (f"floods: more than {text}; the rest is dropped" for name, text in found.items() if name == kind), ""
    )
