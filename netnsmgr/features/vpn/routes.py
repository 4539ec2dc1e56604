"""Ways into the tunnels, and around them for what carries them."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope


def items(scope: InstanceScope) -> list[Item]:
    """Return routes, rules and translations; nothing without tunnels."""
    return []
