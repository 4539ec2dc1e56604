"""Ports that switches share with the device: a bridge in the root namespace has the port and what the port had.

A bridge and a veth pair, because a macvlan takes only frames for its own MAC, so that no bridge can be behind it, and
its frames never reach the device itself.  The bridge is there while ``shared: true`` says so, with or without a switch:
one that comes or goes does not disturb the device.
"""

from __future__ import annotations

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.core.linkname import short_name
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.features.vlan_port import own_link
from netnsmgr.items.link import ExternalNetns, LinkUp, Veth
from netnsmgr.items.shared_port import SharedBridge, SharedPort
from netnsmgr.items.sysctl import Sysctl

LINK_PREFIX = "sw-"
ALL_GROUPS = 0xFFF8
"""Every group of 01:80:c2:00:00:0X that a bridge may forward: between port and switch the bridge is but a wire, and the
switch decides.  The kernel keeps 0 to 2 for itself (``BR_GROUPFWD_RESTRICTED``)."""


def bridge(port: Port, facts: PortFacts) -> SharedBridge:
    """Return the bridge; its MAC and MTU are the port's, so that the device stays who it is in its network."""
    return SharedBridge(port.l3, facts.mtu, facts.mac, alias=f"port {port.ifname}", groups=ALL_GROUPS)


def link(scope: UplinkScope, port: Port, facts: PortFacts) -> Item:
    """Return the link that has a port's addresses: its own, or the bridge; without the port there is none."""
    return bridge(port, facts) if port.shared and facts.present else own_link(scope, port)


def port_items(scope: UplinkScope, port: Port, facts: PortFacts) -> list[Item]:
    """Return what makes a shared port one of the bridge."""
    own = own_link(scope, port)
    if not facts.present:
        return [own]
    return [
        own,
        LinkUp(port.ifname, port.mtu),
        bridge(port, facts),
        SharedPort(port.ifname, port.l3, port.addresses),
    ]


def switch_items(port: Port, facts: PortFacts, linked: LinkedInstance, far: ExternalNetns) -> list[Item]:
    """Return the switch's way to a shared port: a veth pair, whose other end has the port's name there."""
    if not facts.present:
        return []
    name = short_name(LINK_PREFIX, port.ifname)
    veth = Veth(
        name,
        facts.mtu,
        master=port.l3,
        alias=f"{linked.instance.name}/{port.name}",
        far_netns=far.name,
        far_path=far.path,
        far_name=port.ifname,
    )
    # A port of a bridge is nobody in the network.
    return [veth, Sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1", name)]


def bridged(scope: UplinkScope) -> list[str]:
    """Return the names of the bridges of shared ports, as nftables quotes them."""
    return sorted(f'"{facts.interface}"' for port, facts in scope.ports if port.shared)


def passing(scope: UplinkScope) -> str:
    """Return the rules that let bridged frames pass a chain of ``forward``, with their line breaks; empty without any.

    Where bridge-nf-call-iptables is on (the kernel's default, and what container engines ask for), frames between the
    port and a switch pass the device's own chains.  They come in and leave by the same link, and are not for the
    device's MAC, which what it routes always is.  (``meta pkttype`` says ``host`` of both in this hook.)
    """
    return "".join(
        f'iifname "{facts.interface}" oifname "{facts.interface}" ether daddr != {facts.mac} accept\n    '
        for port, facts in scope.ports
        if port.shared and facts.mac
    )


def untouched(scope: UplinkScope, *pools: str) -> str:
    """Return the chain that keeps bridged frames from being taken for those of instances, by their source addresses.

    The network behind a port may use the addresses of our links, 169.254.0.0/16 above all: untracked, they are not
    translated.
    """
    if not (names := ", ".join(bridged(scope))):
        return ""
    rules = "".join(f"\n    iifname {{ {names} }} {pool} notrack" for pool in pools)
    return f"\nchain bridged {{\n    type filter hook prerouting priority raw; policy accept;{rules}\n}}"
