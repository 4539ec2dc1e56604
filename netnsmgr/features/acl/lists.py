"""Which lists an instance has, and who holds which address: what numbers and the epoch depend on."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Address

from netnsmgr.features import vif
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


def eids(scope: InstanceScope) -> set[IPv4Address]:
    """Return the addresses that `eidset` stands for: those of applications, and of static names."""
    return {*holders(scope), *(a for found in scope.instance.spec.dns.hosts.values() for a in found)}


def holders(scope: InstanceScope) -> dict[IPv4Address, str]:
    """Return the interfaces by the addresses that they are known to hold."""
    leased, fixed = {}, {}
    for app, interface in scope.interfaces:
        owner, mac = vif.group(app, interface), interface.mac_for(app.name)
        if interface.address is not None:
            fixed[interface.address] = owner
        for lease in scope.leases_now:
            if lease.mac == mac and lease.address in scope.instance.subnet:
                leased[lease.address] = owner
    # A fixed address is its owner's even while somebody else's lease of it is not released yet.
    found = leased | fixed
    # Nobody but the instance holds the gateway's.
    found.pop(scope.instance.gateway, None)
    return found
