"""The instance's bridge with its gateway address, and forwarding in its namespace."""

from __future__ import annotations

import hashlib

from netnsmgr.core.ip import interface
from netnsmgr.core.item import Item
from netnsmgr.features.nets import Net
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.address import Address
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import Bridge, ExternalLink, LinkUp
from netnsmgr.items.sysctl import Sysctl

BRIDGE = "bn0"


def bridge_mac(name: str) -> str:
    """Return a fixed MAC: left alone, a bridge takes its lowest port's and changes it as applications come and go."""
    digest = hashlib.sha256(f"bridge/{name}".encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def gateway_address(net: Net) -> Address:
    """Return the instance's own address in a net, which its applications use as gateway and DNS server."""
    return Address(BRIDGE, net.iface)


def items(scope: InstanceScope) -> list[Item]:
    """Return the bridge, its addresses and the namespace's forwarding."""
    instance = scope.instance
    found: list[Item] = [
        ExternalLink("lo"),
        LinkUp("lo"),
        Bridge(BRIDGE, scope.mtu, bridge_mac(instance.name), alias=instance.name),
        Forwarding(BRIDGE),
    ]
    found += map(gateway_address, scope.nets)
    # Applications leave a prefix that was replaced while it still works.
    found += [
        # Deprecated, dnsmasq gives no addresses of it any more, and sends those who have one to the new.
        Address(BRIDGE, interface(instance.gateway_in(old.prefix), old.prefix.prefixlen), deprecated=True)
        for old in scope.old_prefixes
    ]
    if instance.has_ipv6:
        found += [
            # The gateway tells applications the way, and not the other way round.
            Sysctl(f"net/ipv6/conf/{BRIDGE}/accept_ra", "0", BRIDGE),
            Sysctl(f"net/ipv6/conf/{BRIDGE}/accept_dad", "0", BRIDGE),
            # For all links at once: the kernel does not look at the single one (Documentation/networking/ip-sysctl).
            Sysctl("net/ipv6/conf/all/forwarding", "1"),
        ]
    return found
