"""The ports that switches use: moved into the switch's namespace, or shared by a bridge of the root namespace."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.items.link import ExternalNetns


def items(_scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return what brings the ports of one switch into its namespace."""
    return [ExternalNetns(linked.instance.name, f"/run/netns/{linked.instance.name}")]
