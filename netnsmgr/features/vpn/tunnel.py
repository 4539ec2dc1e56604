"""The device's half of WireGuard tunnels: interfaces are born here, so that their UDP sockets stay here, and moved."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import LinkedInstance, UplinkScope


def items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return an instance's tunnels, and the rule by which their packets take the instance's ports."""
    return []
