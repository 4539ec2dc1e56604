"""What the configuration of a NAT64 instance says of IPv4, said of the addresses too that stand for it there.

Done once, where an instance's scope is made, so that lists, their reference, names and sets all speak of the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from netnsmgr.config.acl import AclRule
from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core import ip

Member = tuple[App, AppInterface]


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
    return interface.model_copy(update={"acl": tuple(_rule(prefix, rule) for rule in interface.acl)})


def _rule(prefix: IPv6Network, rule: AclRule) -> AclRule:
    both = tuple(
        each
        for written in rule.match.ip
        for each in (
            (written, ip.mapped_network(prefix, written)) if isinstance(written, IPv4Network) else (written,)
        )
    )
    if both == rule.match.ip:
        return rule
    return rule.model_copy(update={"match": rule.match.model_copy(update={"ip": both})})
