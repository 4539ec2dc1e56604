"""The instance's bridge with its gateway address, and forwarding in its namespace."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Interface

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.address import Address
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import Bridge, ExternalLink, LinkUp

BRIDGE = "bn0"


def bridge_mac(name: str) -> str:
    """Return a fixed MAC: left alone, a bridge takes its lowest port's and changes it as applications come and go."""
    digest = hashlib.sha256(f"bridge/{name}".encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def gateway_address(instance: NetworkInstance) -> Address:
    """Return the instance's own address, which its applications use as gateway and DNS server."""
    return Address(BRIDGE, IPv4Interface((instance.gateway, instance.prefixlen)))


def items(scope: InstanceScope) -> list[Item]:
    """Return the bridge, its address and the namespace's forwarding."""
    instance = scope.instance
    return [
        ExternalLink("lo"),
        LinkUp("lo"),
        Bridge(BRIDGE, scope.mtu, bridge_mac(instance.name), alias=instance.name),
        gateway_address(instance),
        Forwarding(BRIDGE),
    ]
