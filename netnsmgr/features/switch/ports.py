"""The device's ports in a switch's namespace, as ports of its bridge."""

from __future__ import annotations

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import vlans
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.port import BorrowedPort
from netnsmgr.items.sysctl import Sysctl


def guarded(scope: InstanceScope, port: Port) -> bool:
    """Whether a BPDU shuts a port of the device."""
    return not {port.name, *port.labels}.isdisjoint(scope.instance.spec.stp.bpdu_guard)


def items(scope: InstanceScope) -> list[Item]:
    """Return the device's ports; the uplink agent puts their links here, and takes them back."""
    found: list[Item] = []
    for port in scope.ports:
        name = port.ifname
        # It may have come before the namespace's default was set.
        silent = Sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1", name)
        port_vlans = vlans.of_port(scope, port)
        # Its MTU is set before it comes up.
        after = frozenset({silent.ref, BorrowedPort(name).ref})
        found += [
            ExternalLink(name),
            silent,
            BridgePort(name, BRIDGE, guarded(scope, port), port_vlans, after=after),
        ]
    return found
