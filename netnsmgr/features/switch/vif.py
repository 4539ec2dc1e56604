"""The applications' interfaces on a switch: links that join its bridge when all that filters them is there."""

from __future__ import annotations

from dataclasses import replace

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import guard, vlans
from netnsmgr.features.switch.bridge import mtu_told
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.link import Link


def filters(app: App, interface: AppInterface) -> frozenset[Ref]:
    """Return what has to be there before the first frame of an interface passes, as far as there is any of it."""
    name = vif.vif_name(app, interface)
    return vif.FILTERED | {
        Ref("nft-part", f"netdev netnsmgr_vif vif_{name}"),
        Ref("nft-part", f"bridge netnsmgr_vif vif_{name}"),
        Ref("nft-part", f"inet netnsmgr_acl list_{name}"),
    }


def items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the link, and how the bridge treats it: nobody behind it takes part in the spanning tree.

    With `antiSpoofing` the bridge itself takes only frames with the interface's own MAC address from it, and gives it
    no frames for others: that costs nothing, other than a rule.
    """
    name = vif.vif_name(app, interface)
    mac = interface.mac_for(app.name) if interface.anti_spoofing else ""
    first = frozenset({mtu_told(scope).ref})
    links = [
        replace(item, master="", joins=True, after=frozenset(), first=first)
        if isinstance(item, Link)
        else item
        for item in vif.items(scope, app, interface)
    ]
    port = BridgePort(
        name,
        BRIDGE,
        guard=True,
        vlans=vlans.of_interface(scope, interface),
        mac=mac,
        after=filters(app, interface),
        needs=frozenset({guard.ref(name)}),
    )
    return [*links, port]
