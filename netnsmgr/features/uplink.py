"""All capabilities of the device's root namespace, in one list."""

from __future__ import annotations

from netnsmgr.features import (
    egress6,
    forwarding,
    port_dhcp,
    port_dhcp6,
    port_links,
    portmap,
    ports,
    uplink_links,
)
from netnsmgr.features.scope import Intent, UplinkScope
from netnsmgr.features.vpn import tunnel

FEATURES = (
    ports.items,
    port_dhcp.items,
    port_dhcp6.items,
    forwarding.items,
    portmap.items,
    egress6.items,
)


def intent(scope: UplinkScope) -> Intent:
    """Return everything of ours that shall be in the device's root namespace, grouped by instance."""
    groups: Intent = {"": [item for feature in FEATURES for item in feature(scope)]}
    for linked in scope.instances:
        groups[linked.instance.name] = [
            *uplink_links.items(scope, linked),
            *egress6.link_items(scope, linked),
            *tunnel.items(scope, linked),
        ]
    for switch in scope.switches:
        groups[switch.instance.name] = port_links.items(scope, switch)
    return groups
