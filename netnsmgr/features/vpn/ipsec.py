"""IPsec: a charon for each instance, and the link by which packets reach it."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope


def items(scope: InstanceScope) -> list[Item]:
    """Return daemon, its configuration and its link; nothing without tunnels."""
    return []
