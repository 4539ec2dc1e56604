"""Names of host rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Address

from netnsmgr.config.acl import AclRule
from netnsmgr.features.scope import InstanceScope


def host_domains(rules: Iterable[AclRule]) -> tuple[str, ...]:
    """Return the domains of host rules, each once, sorted."""
    return tuple(sorted({rule.match.host.lower() for rule in rules if rule.match.host is not None}))


def domains(scope: InstanceScope) -> tuple[str, ...]:
    """Return the domains of all host rules of the instance's applications."""
    return host_domains(rule for _, interface in scope.interfaces for rule in interface.acl or ())


def host_key(domain: str) -> str:
    """Return what the names of a domain's sets have in their middle."""
    return hashlib.sha256(domain.lower().encode()).hexdigest()[:8]


def covers(domain: str, name: str) -> bool:
    """Say whether a name equals a domain or lies below it."""
    name, domain = name.lower().rstrip("."), domain.lower()
    return name == domain or name.endswith(f".{domain}")


def static_addresses(scope: InstanceScope, domain: str) -> frozenset[IPv4Address]:
    """Return the addresses of a domain that no other server is asked for: static names, and those of applications."""
    own = scope.instance.domain
    found: set[IPv4Address] = set()
    for name, addresses in scope.instance.spec.dns.hosts.items():
        # "expand-hosts": a plain name is known below the instance's domain, too.
        if covers(domain, name) or ("." not in name and covers(domain, f"{name}.{own}")):
            found.update(addresses)
    leased = {lease.mac: lease.address for lease in scope.leases_now}
    for app, interface in scope.interfaces:
        name = scope.hostnames[app.name, interface.name]
        address = interface.address or leased.get(interface.mac_for(app.name))
        if address is not None and (covers(domain, name) or covers(domain, f"{name}.{own}")):
            found.add(address)
    return frozenset(found)


