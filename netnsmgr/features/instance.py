"""All capabilities of an instance of each type, in one list."""

from __future__ import annotations

from netnsmgr.core.item import Item
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
from netnsmgr.features.switch import borrowed
from netnsmgr.features.switch import bridge as switch_bridge
from netnsmgr.features.switch import filter as switch_filter
from netnsmgr.features.switch import groups as switch_groups
from netnsmgr.features.switch import metadata as switch_metadata
from netnsmgr.features.switch import names as switch_names
from netnsmgr.features.switch import observe as switch_observe
from netnsmgr.features.switch import ports as switch_ports
from netnsmgr.features.switch import vif as switch_vif
from netnsmgr.features.vpn import guard as vpn_guard
from netnsmgr.features.vpn import ipsec, wireguard
from netnsmgr.features.vpn import routes as vpn_routes

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
    vpn_guard.items,
    vpn_routes.items,
    wireguard.items,
    ipsec.items,
    flowlog.items,
    metadata.items,
)
APP_FEATURES = (vif.items, acl.app_items)
SWITCH_FEATURES = (
    borrowed.items,
    switch_bridge.items,
    switch_ports.items,
    switch_groups.items,
    switch_filter.items,
    switch_observe.items,
    switch_names.items,
    flowlog.items,
    switch_metadata.items,
)
SWITCH_APP_FEATURES = (switch_vif.items, switch_filter.app_items, switch_metadata.app_items)


def intent(scope: InstanceScope) -> Intent:
    """Return everything that shall be in the instance's namespace, grouped by application interface."""
    switch = scope.instance.is_switch
    features = SWITCH_FEATURES if switch else FEATURES
    groups: Intent = {"": [item for feature in features for item in feature(scope)]}
    for app, interface in scope.interfaces:
        groups[vif.group(app, interface)] = [
            item
            for feature in (SWITCH_APP_FEATURES if switch else APP_FEATURES)
            for item in feature(scope, app, interface)
        ]
    return groups


def frames(scope: InstanceScope) -> list[Item]:
    """Return what filters an instance that is going: it outlives the links."""
    if scope.instance.is_switch:
        return switch_filter.frames(scope)
    return [*acl.frames(scope), *vpn_guard.frames(scope)]
