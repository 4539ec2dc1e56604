"""The device as a router between its instances and its ports: forwarding, source NAT, no way in between and none in."""

from __future__ import annotations

from ipaddress import IPv6Network

from netnsmgr.config.device import DEFAULT_LINK_POOL6
from netnsmgr.core.ip import LINK_LOCAL, MULTICAST, Version
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import egress6, portmap
from netnsmgr.features.acl.limits import of_ports
from netnsmgr.features.ports import listening
from netnsmgr.features.scope import LINK_PREFIX, UplinkScope
from netnsmgr.features.shared_port import passing, untouched
from netnsmgr.items.nft import NftTable
from netnsmgr.items.route import LOCAL
from netnsmgr.items.rule import LocalRule, Rule
from netnsmgr.items.sysctl import Sysctl

FAMILY, NAME = "inet", "uplink"
TABLE = NftTable.of(FAMILY, NAME, "").ref
"""Instances' ways out stand on it: no packet leaves untranslated in the moment before it is loaded."""

PARAMETERS: dict[Version, str] = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
"""What makes the device forward a version of IP."""

LINK_PRIORITY = 47
"""Of the rules for what stays on a link, before those of the instances."""

LOCAL_PRIORITY = 100
"""Where the lookup of the table ``local`` moves to: after the rules of ports and instances."""


def link_pool6(scope: UplinkScope) -> IPv6Network:
    """Return the IPv6 addresses of the links."""
    return scope.device.spec.link_pool6 if scope.device is not None else DEFAULT_LINK_POOL6


def _between(scope: UplinkScope) -> str:
    """Return the rule by which the device is no router between its networks, though it forwards for the instances."""
    ports = ", ".join(sorted({f'"{facts.interface}"' for _, facts in scope.ports}))
    return f"iifname {{ {ports} }} oifname {{ {ports} }} ct state != {{ established, related }} drop"


def _between_ports(scope: UplinkScope) -> list[Item]:
    """Return a table with that rule alone, for what we have switched on and leave on: others may need it by now."""
    if not scope.ports or not scope.switched_on:
        return []
    protocols = ", ".join(f"ipv{version}" for version in sorted(scope.switched_on))
    # The other version the device has forwarded before us, and does again.
    body = f"""
chain forward {{
    type filter hook forward priority filter; policy accept;
    {passing(scope)}meta nfproto {{ {protocols} }} {_between(scope)}
}}"""
    return [NftTable.of(FAMILY, "between", body)]


def items(scope: UplinkScope) -> list[Item]:
    """Return what all instances share; the table names no instance, so that it never changes with them."""
    if not scope.instances:
        return _between_ports(scope)
    links = f'"{LINK_PREFIX}*"'
    between = f"\n    {passing(scope)}{_between(scope)}" if scope.ports else ""
    masquerade6 = f"\n    ip6 saddr {link_pool6(scope)} oifname != {links} masquerade" if scope.ipv6 else ""
    icmpv6 = "\n    meta l4proto icmpv6 accept" if scope.ipv6 else ""
    # An address of the port that can be used may be missing for a second, while it is asked for duplicates; then
    # "masquerade" takes another one.  A packet that is dropped leaves no flow behind that would go on so.
    untranslated = (
        f"""
chain untranslated {{
    type filter hook postrouting priority srcnat + 1; policy accept;
    iifname {links} oifname != {links} ip6 saddr {{ {LINK_LOCAL}, {link_pool6(scope)} }} drop
}}"""
        if scope.ipv6
        else ""
    )
    # Of link-local addresses the same may be on several links.
    own6 = (
        f"\n    ip6 saddr != {LINK_LOCAL} meta pkttype host fib saddr type local drop" if scope.ipv6 else ""
    )
    carried6 = egress6.chains(scope) if scope.ipv6 else ""
    forward6 = egress6.forward_rules(link_pool6(scope)) if scope.ipv6 else ""
    pools = [
        f"ip saddr {portmap.link_pool(scope)}",
        *([f"ip6 saddr {link_pool6(scope)}"] if scope.ipv6 else []),
    ]
    # Behind "forward": what that drops is no neighbour's.
    names = {facts.interface for _, facts in scope.ports}
    limits = f"{of_ports(names, links, (4, 6) if scope.ipv6 else (4,))}" if names else ""
    body = f"""{portmap.chains(scope)}{carried6}{untouched(scope, *pools)}
chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {portmap.link_pool(scope)} oifname != {links} masquerade{masquerade6}
}}{untranslated}
chain forward {{
    type filter hook forward priority filter; policy accept;
    oifname {links} ct status dnat accept
    iifname {links} oifname {links} drop{forward6}
    oifname {links} ct state != {{ established, related }} drop{between}
}}{limits}
chain input {{
    type filter hook input priority filter; policy accept;
    iifname "lo" accept
    ct state established,related accept
    meta nfproto ipv4 meta pkttype host fib saddr type local drop{own6}
    iifname != {links} accept
    meta l4proto icmp accept{icmpv6}
    drop
}}"""
    found: list[Item] = [
        Sysctl(PARAMETERS[4], "1"),
        LocalRule(LOCAL_PRIORITY),
        NftTable.of(FAMILY, NAME, body, carries=True),
    ]
    if scope.ipv6:
        listens = frozenset[Ref](each.ref for each in listening(scope))
        found += [
            Sysctl(PARAMETERS[6], "1", after=listens),
            LocalRule(LOCAL_PRIORITY, 6),
            # Neighbour discovery on the instances' links looks for its addresses by route, too.
            Rule(LINK_PRIORITY, LOCAL, dst=LINK_LOCAL),
            Rule(LINK_PRIORITY + 1, LOCAL, dst=MULTICAST),
        ]
        # Else "masquerade" takes an address from elsewhere: the one that is asked, where it is the device's own; one of
        # a link, while the port's is tentative or deprecated (RFC 6724, 5, rules 1 and 3; its candidates: 4).
        found += [
            Sysctl(f"net/ipv6/conf/{facts.interface}/use_oif_addrs_only", "1", facts.interface)
            for _, facts in scope.ports
            if facts.present and facts.addresses_of(6)
        ]
    return found
