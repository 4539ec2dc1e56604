"""Which VLANs a link of a switch carries."""

from __future__ import annotations

from netnsmgr.config.app import AppInterface
from netnsmgr.config.device import Port
from netnsmgr.config.vlan import Vlan
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.bridges import PortVlan

UNTAGGED = 1
"""The VLAN of frames without tag: the kernel's default PVID, and what others call the native VLAN."""

Vlans = frozenset[PortVlan]


def aware(scope: InstanceScope) -> bool:
    """Whether the switch tells VLANs apart: some link of it names one.  Otherwise tags pass like everything else."""
    return bool(scope.instance.spec.vlans) or any(
        interface.vlan is not None for _, interface in scope.interfaces
    )


def of_interface(scope: InstanceScope, interface: AppInterface) -> Vlans:
    """Return what an application's interface carries."""
    return _of(scope, interface.vlan) if aware(scope) else frozenset()


def written(scope: InstanceScope, port: Port) -> Vlan | None:
    """Return what is written for a port of the device, by its name or by a label."""
    words = scope.instance.spec.vlans
    return next((words[word] for word in (port.name, *port.labels) if word in words), None)


def of_port(scope: InstanceScope, port: Port) -> Vlans:
    """Return what a port of the device carries."""
    return _of(scope, written(scope, port)) if aware(scope) else frozenset()


def accessed(scope: InstanceScope) -> frozenset[int]:
    """Return the VLANs that some link of the switch is the access of."""
    links = [*scope.instance.spec.vlans.values(), *(interface.vlan for _, interface in scope.interfaces)]
    return frozenset(vlan.access for vlan in links if vlan is not None and vlan.access is not None)


def _of(scope: InstanceScope, vlan: Vlan | None) -> Vlans:
    if vlan is not None and vlan.access is not None:
        return frozenset({PortVlan(vlan.access, pvid=True, untagged=True)})
    tagged = accessed(scope) if vlan is None else vlan.trunk or ()
    beside = PortVlan(UNTAGGED, pvid=True, untagged=True)
    return frozenset({beside, *(PortVlan(vid) for vid in tagged if vid != UNTAGGED)})


def words(scope: InstanceScope, vlans: Vlans) -> str:
    """Say what a link carries; nothing where the switch does not tell VLANs apart."""
    if not aware(scope):
        return ""
    tagged = sorted(vlan.vid for vlan in vlans if not vlan.untagged)
    (untagged,) = (vlan.vid for vlan in vlans if vlan.untagged)
    if not tagged:
        return f"access {untagged}"
    return f"trunk {','.join(map(str, tagged))}"
