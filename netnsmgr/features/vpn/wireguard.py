"""WireGuard interfaces as they are in the instance: keys, peers, addresses."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope


def items(scope: InstanceScope) -> list[Item]:
    """Return the interfaces; nothing without tunnels."""
    return []
