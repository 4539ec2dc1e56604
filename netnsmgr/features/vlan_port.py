"""Ports of the device that are VLANs of its other ports."""

from __future__ import annotations

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.features.scope import PortFacts, UplinkScope
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.vlan import VlanLink


def own_link(scope: UplinkScope, port: Port) -> Item:
    """Return a port's own link: made by us where it is a VLAN, else somebody else's."""
    if port.vlan is None:
        return ExternalLink(port.ifname)
    parent, facts = _parent(scope, port.vlan.parent)
    # Larger than its parent's the kernel refuses (vlan_dev_change_mtu).
    mtu = min(port.mtu or facts.mtu, facts.mtu)
    return VlanLink.of(port.ifname, parent.ifname, port.vlan.id, mtu)


def _parent(scope: UplinkScope, name: str) -> tuple[Port, PortFacts]:
    return next((port, facts) for port, facts in scope.ports if port.name == name)
