"""All capabilities of the device's root namespace, in one list."""

from __future__ import annotations

from netnsmgr.features import forwarding, port_dhcp, portmap, ports, uplink_links
from netnsmgr.features.scope import Intent, UplinkScope

FEATURES = (ports.items, port_dhcp.items, forwarding.items, portmap.items)


def intent(scope: UplinkScope) -> Intent:
    """Return everything of ours that shall be in the device's root namespace, grouped by instance."""
    groups: Intent = {"": [item for feature in FEATURES for item in feature(scope)]}
    for linked in scope.instances:
        groups[linked.instance.name] = uplink_links.items(scope, linked)
    return groups
