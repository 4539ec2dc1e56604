"""Whose a lease is, and which leases may stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv6Network

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import VERSIONS, IPAddress, Version
from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.lease import TEMPORARY, Lease


def owned(
    leases: Iterable[Lease],
    interfaces: Iterable[tuple[App, AppInterface]],
    hostnames: Mapping[tuple[str, str], str],
) -> tuple[Lease, ...]:
    """Return the leases with the MACs of the interfaces that hold them.

    dnsmasq finds the interface of a DHCPv6 client by the kernel's neighbours and notes just the name of the host entry,
    which no two interfaces share; the MAC in a client's DUID is often that of another of its interfaces.
    """
    names, duids = {}, {}
    for app, interface in interfaces:
        mac = interface.mac_for(app.name)
        names[hostnames[app.name, interface.name]] = mac
        if interface.duid is not None:
            duids[interface.duid.lower()] = mac
    return tuple(
        replace(lease, mac=names.get(lease.hostname) or duids.get(lease.duid.lower()) or lease.mac)
        if lease.duid
        else lease
        for lease in leases
    )


def items(scope: InstanceScope) -> list[Item]:
    """Return the leases that may stay: of a known interface, at its own address where that is fixed, at nobody else's.

    Also those of a family that dnsmasq does not serve, as there is nobody to take them back.
    """
    fixed: dict[tuple[str, Version], IPAddress | None] = {}
    for app, interface in scope.interfaces:
        for version in VERSIONS:
            fixed[interface.mac_for(app.name), version] = interface.fixed(version)
    owners = {address: mac for (mac, _), address in fixed.items() if address is not None}

    # Of a delegated prefix that was replaced, applications use the address until they renew it.
    prefixes = [old.prefix for old in scope.old_prefixes]
    if scope.net6 is not None and isinstance(scope.net6.subnet, IPv6Network):
        prefixes.append(scope.net6.subnet)

    def may_stay(lease: Lease) -> bool:
        version = lease.address.version
        if version not in served(scope) or lease.iaid.startswith(TEMPORARY):
            return True
        if version == 6 and not any(lease.address in prefix for prefix in prefixes):
            return False
        return (
            (lease.mac, version) in fixed
            and fixed[lease.mac, version] in (None, lease.address)
            and owners.get(lease.address, lease.mac) == lease.mac
        )

    return [lease for lease in scope.leases_now if may_stay(lease)]


def served(scope: InstanceScope) -> frozenset[int]:
    """Return the families in which dnsmasq gives leases."""
    instance = scope.instance
    v4 = {4} if instance.spec.dhcp is not None and scope.net4 is not None else set()
    # Those that ask for options only are given their fixed address if they ask for one all the same.
    v6 = {6} if instance.addressing in ("stateful", "stateless") and scope.net6 is not None else set()
    return frozenset(v4 | v6)
