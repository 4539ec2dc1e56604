"""The bridge of a switch: without an address, and without forwarding above layer 2."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.bridge import BRIDGE, bridge_mac
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.link import Bridge, ExternalLink, LinkUp


def items(scope: InstanceScope) -> list[Item]:
    """Return the bridge."""
    return [
        ExternalLink("lo"),
        LinkUp("lo"),
        Bridge(BRIDGE, scope.mtu, bridge_mac(scope.instance.name), alias=scope.instance.name),
    ]
