"""The device's half of WireGuard tunnels: interfaces are born here, so that their UDP sockets stay here, and moved."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.core.linkname import birth_name
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.items.process import Process
from netnsmgr.items.tunnel import GO, Tunnel

PROGRAM = "wireguard-go"
QUIET = (("WG_PROCESS_FOREGROUND", "1"), ("LOG_LEVEL", "error"))
"""Without the first it says at length that other kernels need it not."""


def items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return an instance's tunnels, and the rule by which their packets take the instance's ports."""
    vpn = linked.instance.spec.vpn
    if vpn is None or not scope.wireguard:
        return []
    return [item for tunnel in vpn.wireguard for item in _tunnel(scope, linked.instance.name, tunnel.name)]


def _tunnel(scope: UplinkScope, instance: str, name: str) -> list[Item]:
    birth = birth_name(instance, name)
    found: list[Item] = [Tunnel(birth, instance, f"/run/netns/{instance}", name, scope.wireguard)]
    if scope.wireguard == GO:
        own = f"{scope.etc}/{birth}.{scope.netns_inode}.1.conf"
        found.append(Process(birth, (own, "-f", birth), stays=True, executable=PROGRAM, env=QUIET))
    return found
