"""Which lists an instance has, and who holds which address: what numbers and the epoch depend on."""

from __future__ import annotations

import hashlib
import json

from netnsmgr.core.ip import IPAddress
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


def eids(scope: InstanceScope) -> set[IPAddress]:
    """Return the addresses that `eidset` stands for: those of applications, and of static names."""
    return {*holders(scope), *(a for found in scope.instance.spec.dns.hosts.values() for a in found)}


def holders(scope: InstanceScope) -> dict[IPAddress, str]:
    """Return the interfaces by the addresses that they are known to hold."""
    leased: dict[IPAddress, str] = {}
    fixed: dict[IPAddress, str] = {}
    for app, interface in scope.interfaces:
        owner, mac = vif.group(app, interface), interface.mac_for(app.name)
        if interface.address is not None:
            fixed[interface.address] = owner
        for lease in scope.leases_now:
            if lease.mac == mac and any(lease.address in net.subnet for net in scope.nets):
                leased[lease.address] = owner
    # A fixed address is its owner's even while somebody else's lease of it is not released yet.
    found = leased | fixed
    # Nobody but the instance holds the gateway's.
    for net in scope.nets:
        found.pop(net.gateway, None)
    return found
