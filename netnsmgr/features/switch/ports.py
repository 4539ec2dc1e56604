"""The device's ports in a switch's namespace, as ports of its bridge."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.link import ExternalLink


def items(scope: InstanceScope) -> list[Item]:
    """Return the ports; the uplink agent puts their links here."""
    return [ExternalLink(port.ifname) for port in scope.ports]
