"""NAT64: applications that have only IPv6 reach IPv4, by a tayga behind a TUN.

tayga translates each packet by itself (RFC 7915) and knows no flows, so that it would need an IPv4 address for each IPv6
address that sends, and a memory of which is whose.  Both translations of addresses are the kernel's instead:
what goes to the TUN gets one source address there, and what comes from it the link's (``nat``).  So tayga has a single
pair of addresses, and when it ends and is started again no flow is lost.

The addresses are those of RFC 7335, meant for translators, so that they hide no host from anybody; outside of this
namespace nobody sees them.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from netnsmgr.core.agreed import TRANSLATOR6
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.items.file import Directory, File
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import Tun, link_ref
from netnsmgr.items.nft import NftTable
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.route import Route

LINK = "nat64"
LAST = 2**31
"""The metric of a route that counts when there is no other."""
NAME = "tayga"

_OWN = IPv6Network(TRANSLATOR6)
SENDER = IPv4Address("192.0.0.6"), _OWN[6]
"""Who everybody is behind the TUN, and in front of it."""
ITSELF = IPv4Address("192.0.0.5"), _OWN[5]
"""tayga's own, as which it sends errors."""
DEVICE = IPv4Address("192.0.0.4"), _OWN[4]
"""Whose errors those of the device's end of the link become: tayga translates no link-local address (RFC 3927)."""


def items(scope: InstanceScope) -> list[Item]:
    """Return the translator, and the ways and translations that lead to it; nothing without NAT64."""
    prefix = scope.instance.nat64_prefix
    if prefix is None:
        return []
    link = Tun(LINK, scope.mtu, alias=scope.instance.name)
    table = NftTable.of("inet", LINK, _table(scope))
    text = _configuration(scope)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{scope.etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    # A flow that began before its address is translated would go on without.
    after: frozenset[Ref] = frozenset({table.ref})
    return [
        link,
        Forwarding(LINK),
        table,
        Route(IPv4Network(SENDER[0]), link=LINK, after=after),
        Route(prefix, link=LINK, after=after),
        # Before the link is there, and where it cannot be made, nothing leaves by the default route instead.
        Route(prefix, metric=LAST, type="unreachable"),
        Directory(scope.etc),
        main,
        Process(
            NAME,
            (NAME, "--nodetach", "--config", main.path),
            frozenset({main.ref, link_ref(LINK)}),
            stays=True,
            # Nothing at all: a TUN without an owner lets anybody of its namespace attach.
            rights=Rights(reads=(main.path,), writes=(place(scope.etc, NAME), "/dev/net/tun")),
        ),
    ]


def _table(scope: InstanceScope) -> str:
    errors = "destination-unreachable, time-exceeded, parameter-problem"
    return f"""
chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{LINK}" meta nfproto ipv6 snat ip6 to {SENDER[1]}
}}
chain forward {{
    type filter hook forward priority mangle; policy accept;
    oifname "{LINK}" ip saddr {scope.outer} icmp type {{ {errors} }} ip saddr set {DEVICE[0]}
}}"""


def _configuration(scope: InstanceScope) -> str:
    pairs = "".join(f"map {ip4} {ip6}\n" for ip4, ip6 in (SENDER, DEVICE))
    # tayga reads the MTU of its link when it starts, to tell senders of IPv4 what fits (RFC 7915, 4.2).
    return f"""# mtu {scope.mtu}
tun-device {LINK}
ipv4-addr {ITSELF[0]}
ipv6-addr {ITSELF[1]}
prefix {scope.instance.nat64_prefix}
{pairs}"""
