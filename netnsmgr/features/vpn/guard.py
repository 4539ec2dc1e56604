"""The kill switch: what is for a tunnel never leaves in clear, whatever fails.

The table names no tunnel's state, only what may pass between which links, so it is right while a tunnel is down or away,
and it is there before any way out and after the last.  Two hooks decide, and all they do not know is dropped:

- ``forward``, of applications' packets: by `uplink` only answers to who came in by it (port maps, the device itself),
  and with `rest: direct` what is for no tunnel's network.  It is asked about each packet and not only about a flow's
  first, so that none goes on that began in clear before the VPN came.
- ``last`` (postrouting), of the instance's own: charon's packets, the same answers, neighbour discovery, and with
  `dns: direct` questions to the DNS servers.  Not in the output hook, which still has the link of before a packet was
  marked or translated, and so led elsewhere.

What comes in by `uplink` is for the instance's own end of the link or comes from the device: what pretends to be an answer
from a tunnel is neither.  What comes out of a tunnel has no address of the instance as its sender.  No application begins a
flow that looks as one from `uplink`: the answer to it would leave there, for whomever the application says that it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from netnsmgr.core.ip import LINK_LOCAL, VERSIONS, IPNetwork, Version
from netnsmgr.core.item import Item
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.link import UPLINK, VPN
from netnsmgr.features.nets import LinkEnds
from netnsmgr.features.portmap import IP
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.lanes import apart, links, of_version
from netnsmgr.features.vpn.marks import IKE_MARK, OUTSIDE, OUTSIDE_MARK
from netnsmgr.items.nft import NftTable

SENDER_MASK = 0x0000FFFF
"""Of a packet's mark: the interface that it came from (`features/acl/table`)."""
ON_LINK = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld-listener-done, mld2-listener-report"
NOBODYS: dict[Version, IPNetwork] = {4: IPv4Network("169.254.0.0/16"), 6: LINK_LOCAL}
"""What nobody beyond a tunnel has as its address, or knows; loopback and multicast as a sender the kernel drops itself."""
NEXT = "\n    "
STOP = "counter name stopped drop"


def items(scope: InstanceScope) -> list[Item]:
    """Return the table that lets nothing of it leave; nothing without tunnels."""
    vpn = scope.instance.spec.vpn
    if vpn is None:
        return []
    tunnels = links(scope)
    direct = vpn.rest == "direct"
    # First, as they have the most packets, and each comparison of a link's name counts.
    carried = [
        f'iifname "{one}" oifname "{other}" accept'
        for each in tunnels
        for one, other in ((each, BRIDGE), (BRIDGE, each))
    ]
    body = f"""
counter stopped {{ }}
chain arriving {{
    type filter hook prerouting priority mangle; policy accept;
    iifname "{BRIDGE}" goto from_apps{"".join(f'{NEXT}iifname "{each}" goto from_tunnel' for each in tunnels)}
    iifname "{UPLINK}" goto from_outside
}}
chain from_apps {{
    ct direction reply goto answers{_posing(scope.links)}
}}
chain from_outside {{{_from_outside(scope.links)}
    icmpv6 type {{ {ON_LINK}, nd-router-advert, mld-listener-query }} accept
    {STOP}
}}
chain from_tunnel {{{_from_tunnel(scope)}
}}
chain answers {{{_answers(scope.links, f"meta mark set meta mark and {SENDER_MASK:#010x} or {OUTSIDE:#010x} accept")}
}}
chain own_answers {{
    type route hook output priority mangle; policy accept;
    oifname != "{BRIDGE}" ct direction reply goto own
}}
chain own {{{_answers(scope.links, f"meta mark set {OUTSIDE_MARK:#010x} accept")}
}}
chain forward {{
    type filter hook forward priority mangle - 10; policy accept;
    {NEXT.join(carried)}
    iifname "{BRIDGE}" oifname "{UPLINK}" goto leaving
    iifname "{UPLINK}" oifname "{BRIDGE}" goto entering
    iifname "{BRIDGE}" oifname "{BRIDGE}" accept
    {STOP}
}}
chain leaving {{
    ct direction reply goto answering{_seen_otherwise(scope.links) + _rest("daddr", vpn.kept) if direct else ""}
    {STOP}
}}
chain answering {{{_answers(scope.links, "goto back")}
    {STOP}
}}
chain back {{
    meta mark set meta mark and {SENDER_MASK:#010x} accept
}}
chain entering {{
    ct direction original accept{_rest("daddr", vpn.kept, "ct original ") if direct else ""}
    {STOP}
}}
chain last {{
    type filter hook postrouting priority srcnat - 10; policy accept;
    oifname != "{UPLINK}" accept
    iifname "{BRIDGE}" accept
    ct direction reply goto last_answers
    {_own(scope)}
    icmpv6 type {{ {ON_LINK} }} accept
    {STOP}
}}
chain last_answers {{{_answers(scope.links, "accept")}
    {STOP}
}}"""
    return [NftTable.of("inet", VPN, body)]


def frames(scope: InstanceScope) -> list[Item]:
    """Return what outlives the links of an instance that goes."""
    return items(scope)


def _from_outside(ends: Iterable[LinkEnds]) -> str:
    return "".join(
        f"\n    {IP[each.version]} saddr {each.outer} accept\n    {IP[each.version]} daddr {each.inner} accept"
        for each in ends
    )


def _posing(ends: Iterable[LinkEnds]) -> str:
    return "".join(
        f"{NEXT}{IP[each.version]} daddr {each.inner} {STOP}{NEXT}{IP[each.version]} saddr {each.outer} {STOP}"
        for each in ends
    )


def _from_tunnel(scope: InstanceScope) -> str:
    text = ""
    for version in VERSIONS:
        ip = IP[version]
        ends = apart(
            [
                NOBODYS[version],
                *(each.iface(each.inner).network for each in scope.links if each.version == version),
            ]
        )
        if version == 6:
            text += f"{NEXT}meta nfproto ipv4 accept"
        subnets = apart([*ends, *(net.subnet for net in scope.nets if net.version == version)])
        # One by one: they are few, and a lookup in a set of intervals costs more than three comparisons.
        text += "".join(f"{NEXT}{ip} saddr {each} {STOP}" for each in subnets)
        text += "".join(f"{NEXT}{ip} daddr {each} {STOP}" for each in ends)
    return text


def _answers(ends: Iterable[LinkEnds], what: str) -> str:
    """Return a rule for each end of the link, of answers to who came in by it: to the instance's end, or from the device's."""
    return "".join(
        f"\n    ct original {IP[each.version]} {field} {address} {what}"
        for each in ends
        for field, address in (("daddr", each.inner), ("saddr", each.outer))
    )


def _seen_otherwise(ends: Iterable[LinkEnds]) -> str:
    """Return rules that stop what began by a tunnel, and would show itself outside with its address there."""
    return "".join(
        f"\n    ct status confirmed ct reply {IP[each.version]} daddr != {each.inner} {STOP}" for each in ends
    )


def _rest(field: str, networks: Iterable[IPNetwork], of: str = "") -> str:
    """Return rules that let pass what is for none of the networks."""
    text = ""
    for version in VERSIONS:
        led = ", ".join(map(str, apart(of_version(networks, version))))
        ip = IP[version]
        text += (
            f"\n    {of}{ip} {field} != {{ {led} }} accept"
            if led
            else f"\n    meta nfproto ipv{version} accept"
        )
    return text


def _own(scope: InstanceScope) -> str:
    """Return what the instance itself may send by `uplink` beside answers."""
    vpn = scope.instance.spec.vpn
    assert vpn is not None
    lines = []
    if vpn.connections and scope.vpn.esp == "kernel":
        # What the kernel is about to encrypt passes this hook a second time, by the link of what carries it (xfrm4_output);
        # its route has the transformation with it, so it leaves with that or not at all.
        lines.append("rt ipsec exists accept")
    if vpn.connections:
        lines.append(f"meta mark {IKE_MARK:#010x} udp sport {{ 500, 4500 }} accept")
    if vpn.dns == "direct":
        lines.append("meta l4proto { tcp, udp } th dport 53 accept")
    return "\n    ".join(lines)
