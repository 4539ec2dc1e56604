"""Link-local groups that a switch forwards: between applications and ports, and not from port to port.

A neighbour that is told by LLDP of another one two links away would take the device for a cable.  The kernel's mask of
groups (`bridge.groups`) knows only where a frame comes in, so that this is a rule.
"""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.nft import NftTable

NAME = "groups"


def items(scope: InstanceScope) -> list[Item]:
    """Return the rule; without groups to forward, or a second port, packets do not pay for it."""
    if len(scope.ports) < 2 or not scope.instance.spec.forward:
        return []
    ports = ", ".join(f'"{port.ifname}"' for port in scope.ports)
    body = f"""
chain forward {{
    type filter hook forward priority -310; policy accept;
    ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname {{ {ports} }} oifname {{ {ports} }} drop
}}"""
    return [NftTable.of("bridge", NAME, body)]
