"""Which lists an instance has, and who holds which address: what numbers and the epoch depend on."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.core.agreed import METADATA6
from netnsmgr.core.ip import LINK_LOCAL, VERSIONS, IPAddress, IPNetwork, Version, mac_made
from netnsmgr.features import vif
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.scope import InstanceScope


def lists(scope: InstanceScope) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    """Return for each interface the digest of its list and its rules' own numbers, to have them numbered."""
    found: dict[str, tuple[str, tuple[int | None, ...]]] = {}
    for app, interface in scope.interfaces:
        rules = interface.acl
        if rules is None:
            found[vif.group(app, interface)] = ("open", (None,))
            continue
        written = [rule.model_dump(mode="json") for rule in rules]
        digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]
        found[vif.group(app, interface)] = (digest, tuple(rule.id for rule in rules))
    return found


def eids(scope: InstanceScope) -> set[IPAddress]:
    """Return the addresses that `eidset` stands for: those of applications, and of static names."""
    return {*holders(scope), *(a for found in scope.instance.spec.dns.hosts.values() for a in found)}


def versions(scope: InstanceScope) -> tuple[Version, ...]:
    """Return the versions of IP that applications have, or wait for."""
    return (*((4,) if scope.net4 is not None else ()), *((6,) if scope.instance.has_ipv6 else ()))


def subnets(scope: InstanceScope) -> tuple[IPNetwork, ...]:
    """Return the networks of which applications have addresses, also those that they are about to leave."""
    return (*(net.subnet for net in scope.nets), *(old.prefix for old in scope.old_prefixes))


def instances_own(scope: InstanceScope) -> frozenset[IPAddress]:
    """Return the addresses that nobody but the instance holds."""
    own = {scope.instance.gateway_in(subnet) for subnet in subnets(scope)}
    if scope.instance.has_ipv6:
        own |= {mac_made(LINK, bridge_mac(scope.instance.name)), *map(IPv6Address, METADATA6)}
        # That of all routers of a subnet (RFC 4291, 2.6.1).
        own |= {subnet[0] for subnet in subnets(scope) if subnet.version == 6}
    return frozenset(own)


def holders(scope: InstanceScope) -> dict[IPAddress, str]:
    """Return the interfaces by the addresses that they are known to hold; link-local ones are not among them."""
    known: list[dict[IPAddress, str]] = [{}, {}, {}]
    learned, leased, fixed = known
    inside, own = subnets(scope), instances_own(scope)
    groups = _groups(scope)
    # Where the instance gives all addresses, one that an application takes by itself is not its own.
    if scope.instance.addressing != "stateful":
        for each in scope.learned:
            if each.vif in groups:
                learned.setdefault(each.address, groups[each.vif])
    for app, interface in scope.interfaces:
        owner, mac = vif.group(app, interface), interface.mac_for(app.name)
        for lease in scope.leases_now:
            if lease.mac == mac:
                leased[lease.address] = owner
        for version in VERSIONS:
            if (address := interface.fixed(version)) is not None:
                fixed[address] = owner
    # A fixed address is its owner's even while somebody else's lease of it is not released yet.
    found = learned | leased | fixed
    return {
        address: owner
        for address, owner in found.items()
        if address not in own and any(address in subnet for subnet in inside)
    }


def made6(scope: InstanceScope) -> dict[IPAddress, str]:
    """Return the interfaces by further addresses of IPv6 that are nobody else's: link-local ones that they have taken, and
    those that a host makes of its MAC address.
    """
    if not scope.instance.has_ipv6:
        return {}
    groups = _groups(scope)
    found: dict[IPAddress, str] = {
        each.address: groups[each.vif]
        for each in reversed(scope.learned)
        if each.vif in groups and each.address in LINK_LOCAL
    }
    networks = [LINK]
    if scope.instance.addressing != "stateful":
        networks += [
            each for each in subnets(scope) if isinstance(each, IPv6Network) and each.prefixlen == 64
        ]
    for app, interface in scope.interfaces:
        for network in networks:
            found[mac_made(network, interface.mac_for(app.name))] = vif.group(app, interface)
    return {address: owner for address, owner in found.items() if address not in instances_own(scope)}


def _groups(scope: InstanceScope) -> dict[int, str]:
    """Return the interfaces that are there by their ids, as far as they have one yet."""
    there = {vif.group(*member) for member in scope.interfaces}
    return {number: group for group, number in scope.numbers.vifs.items() if group in there}


LINK = IPv6Network("fe80::/64")
"""Where link-local addresses are (RFC 4291, 2.5.6)."""
