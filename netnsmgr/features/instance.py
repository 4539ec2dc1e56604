"""All capabilities of a local instance, in one list."""

from __future__ import annotations

from netnsmgr.features import (
    bridge,
    dns64,
    dnsmasq,
    flowlog,
    leases,
    link,
    metadata,
    mss,
    names,
    nat,
    nat64,
    portmap_inside,
    radvd,
    vif,
)
from netnsmgr.features.acl import filter as acl
from netnsmgr.features.scope import InstanceScope, Intent

FEATURES = (
    bridge.items,
    link.items,
    nat.items,
    portmap_inside.items,
    mss.items,
    acl.items,
    dnsmasq.items,
    leases.items,
    radvd.items,
    names.items,
    nat64.items,
    dns64.items,
    flowlog.items,
    metadata.items,
)
APP_FEATURES = (vif.items, acl.app_items)


def intent(scope: InstanceScope) -> Intent:
    """Return everything that shall be in the instance's namespace, grouped by application interface."""
    groups: Intent = {"": [item for feature in FEATURES for item in feature(scope)]}
    for app, interface in scope.interfaces:
        groups[vif.group(app, interface)] = [
            item for feature in APP_FEATURES for item in feature(scope, app, interface)
        ]
    return groups
