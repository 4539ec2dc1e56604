"""The bridge of a switch: without an address, and without a word of its own but those of the spanning tree."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.bridge import BRIDGE, bridge_mac
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import vlans
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.switch_bridge import SwitchBridge
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.told import Told

NO_ARP = Sysctl("net/ipv4/conf/all/arp_ignore", "8")
"""Nobody is told of the addresses that are here: a frame to a group that bridges keep is heard by the port it came in by."""
NO_IPV6 = Sysctl("net/ipv6/conf/default/disable_ipv6", "1")
"""For all links that come after it.  They would make link-local addresses, and tell the site so."""


def spanning(scope: InstanceScope) -> bool:
    """Whether the switch runs the spanning tree protocol: with more than one port configured, there or not.

    A port that comes back must not close a loop for as long as it takes to notice.
    """
    return len(scope.ports) > 1


def groups(scope: InstanceScope) -> int:
    """Return the group addresses to forward, as the kernel's ``group_fwd_mask``."""
    return sum(1 << group for group in set(scope.instance.spec.forward))


def mtu_told(scope: InstanceScope) -> Told:
    """Return what the links wait for: an application's end is born with the MTU of then, and is nobody's to change later."""
    known = bool(scope.instance.spec.mtu) or not scope.ports or scope.link.told
    return Told("the MTU of the ports, by the uplink agent", known)


def items(scope: InstanceScope) -> list[Item]:
    """Return the bridge."""
    stp = scope.instance.spec.stp
    told = mtu_told(scope)
    return [
        ExternalLink("lo"),
        LinkUp("lo"),
        NO_ARP,
        NO_IPV6,
        told,
        SwitchBridge(
            BRIDGE,
            scope.mtu,
            bridge_mac(scope.instance.name),
            alias=scope.instance.name,
            after=frozenset({NO_ARP.ref, NO_IPV6.ref}),
            first=frozenset({told.ref}),
            stp=spanning(scope),
            priority=stp.priority,
            forward_delay=stp.forward_delay,
            vlans=vlans.aware(scope),
            groups=groups(scope),
        ),
    ]
