"""An access rule in words, for people who ask what a list says."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from netnsmgr.config.acl import AclRule, Limit, Portmap
from netnsmgr.config.acl_values import ICMP_TYPES, ICMPV6_TYPES
from netnsmgr.core.protocols import FAMILY_OF, ICMP, ICMPV6, PROTOCOLS

_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
_TYPE_NAMES = {
    ICMP: {number: name for name, number in ICMP_TYPES.items()},
    ICMPV6: {number: name for name, number in ICMPV6_TYPES.items()},
}
SHOWN = 4
"""How many of a list's prefixes or ports are written out."""


def match_words(rule: AclRule) -> str:
    """Return what a rule decides on; "remote" is the other side, "own" the application."""
    match, words = rule.match, []
    if match.protocol is not None:
        words.append(protocol_name(match.protocol))
    if match.icmp:
        words.append(_some(icmp_name(match.protocol or ICMP, number) for number in match.icmp))
    if isinstance(rule.action, Portmap):
        where = f" of {match.adapter}" if match.adapter else ""
        words.append(f"device port {match.lport[0]}{where}")
        return ", ".join([*words, f"from {_some(match.ip)}"] if match.ip else words)
    if match.host is not None:
        words.append(f"host {match.host}")
    if match.eidset:
        words.append("applications of the network")
    if match.ip:
        words.append(f"remote {_some(match.ip)}")
    if match.fport:
        words.append(f"remote port {_some(match.fport)}")
    if match.lport:
        words.append(f"own port {_some(match.lport)}")
    return ", ".join(words) or "everything"


def action_words(rule: AclRule) -> str:
    """Return what a rule does."""
    action = rule.action
    if isinstance(action, Portmap):
        return f"port map to {action.portmap}"
    if isinstance(action, Limit):
        shared = "" if action.per == "rule" else " for each connection"
        return f"limit to {action.rate}, burst {action.burst} {action.rate.unit}{shared}"
    return action


def direction_words(rule: AclRule) -> str:
    """Return in which direction a rule counts."""
    return "in" if isinstance(rule.action, Portmap) else rule.direction or "both"


def rule_words(rule: AclRule) -> str:
    """Return a whole rule on one line, without its number."""
    direction = direction_words(rule)
    only = "" if direction == "both" else f" ({direction} only)"
    return f"{match_words(rule)}: {action_words(rule)}{only}"


def contradiction(rule: AclRule) -> str:
    """Return why a rule matches nothing: its protocol is of one version of IP, and its prefixes are all of the other.

    Empty where that is not so.  With NAT64 a prefix of IPv4 stands for one of IPv6 too, which is not looked at here.
    """
    match = rule.match
    family = FAMILY_OF.get(match.protocol if match.protocol is not None else -1)
    if family is None or not match.ip or any(prefix.version == family for prefix in match.ip):
        return ""
    first = _some(match.ip[:1])
    what = first if len(match.ip) == 1 else f"all of ip ({first} …)"
    name = protocol_name(match.protocol or 0)
    return f"'{name}' is of IPv{family}, and {what} is IPv{match.ip[0].version}"


def protocol_name(number: int) -> str:
    """Return a protocol's name, or its number where it has none here."""
    return _PROTOCOL_NAMES.get(number, f"protocol {number}")


def icmp_name(protocol: int, number: int) -> str:
    """Return the name of a type of ICMP or ICMPv6."""
    return _TYPE_NAMES.get(protocol, {}).get(number, f"type {number}")


def _some(values: Iterable[object]) -> str:
    found = list(map(_short, values))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _short(value: object) -> str:
    if isinstance(value, IPv4Network | IPv6Network) and value.prefixlen == value.max_prefixlen:
        return str(value.network_address)
    return str(value)
