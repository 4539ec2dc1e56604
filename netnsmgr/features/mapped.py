"""What the configuration of a NAT64 instance says of IPv4, said of the addresses too that stand for it there.

Done once, where an instance's scope is made, so that lists, their reference, names and sets all speak of the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from netnsmgr.config.acl import AclRule
from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core import ip
from netnsmgr.core.protocols import ICMP, ICMPV6

Member = tuple[App, AppInterface]
ECHO = {8: 128, 0: 129}
"""Types of ICMP that can begin a flow, and what they are translated from (RFC 7915, 4.2)."""


def instance(as_written: NetworkInstance) -> NetworkInstance:
    """Return the instance with an IPv6 address for each static name that has none; as it is without NAT64."""
    prefix = as_written.nat64_prefix
    if prefix is None:
        return as_written
    spec = as_written.spec
    hosts = {
        # As DNS64: a name with an address of its own keeps just that.
        name: found
        if any(address.version == 6 for address in found)
        else (*found, *(ip.mapped(prefix, each) for each in found if isinstance(each, IPv4Address)))
        for name, found in spec.dns.hosts.items()
    }
    dns = spec.dns.model_copy(update={"hosts": hosts})
    return as_written.model_copy(update={"spec": spec.model_copy(update={"dns": dns})})


def members(as_written: NetworkInstance, found: Iterable[Member]) -> tuple[Member, ...]:
    """Return the applications' interfaces with rules that mean an IPv4 prefix whichever way it is addressed."""
    prefix = as_written.nat64_prefix
    if prefix is None:
        return tuple(found)
    return tuple((app, _interface(prefix, interface)) for app, interface in found)


def _interface(prefix: IPv6Network, interface: AppInterface) -> AppInterface:
    if interface.acl is None:
        return interface
    rules = tuple(each for rule in interface.acl for each in _rules(prefix, rule))
    return interface.model_copy(update={"acl": rules})


def _rules(prefix: IPv6Network, rule: AclRule) -> Iterator[AclRule]:
    """Yield the rule with both prefixes for each of IPv4; and, if it is about ICMP, beside it that about ICMPv6."""
    match = rule.match
    four = [each for each in match.ip if isinstance(each, IPv4Network)]
    beside = tuple(ip.mapped_network(prefix, each) for each in four)
    if match.protocol != ICMP or match.eidset:
        yield _with(rule, ip=(*match.ip, *beside))
        return
    yield rule
    types = tuple(ECHO[number] for number in match.icmp if number in ECHO)
    if bool(beside or not match.ip) and bool(types or not match.icmp):
        yield _with(rule, ip=beside or (prefix,), protocol=ICMPV6, icmp=types)


def _with(rule: AclRule, **match: object) -> AclRule:
    return rule.model_copy(update={"match": rule.match.model_copy(update=match)})
