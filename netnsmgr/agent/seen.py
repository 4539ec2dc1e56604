"""How an instance's links are: what its agent tells of them beside its items."""

from __future__ import annotations

from typing import Any

from netnsmgr.core.item import Ref
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.link import UPLINK
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import status as switch_status
from netnsmgr.items.link import link_ref
from netnsmgr.kernel.system import KernelSystem


def link_words(scope: InstanceScope) -> dict[Ref, str]:
    """Say in words which links others have to bring."""
    found = {link_ref(port.ifname): f"port {port.name}" for port in scope.ports}
    return found | {link_ref(UPLINK): "the link to the device's root namespace"}


async def seen_of(row: dict[str, Any], link: LinkFacts, system: KernelSystem) -> switch_status.Seen | None:
    """Return how a switch's links are; None for an instance of another type."""
    if row["instance"]["spec"].get("type") != "switch":
        return None
    links, ports, carriers = await system.rtnl.links(), system.bridges.ports(), dict(link.carriers)
    if BRIDGE not in links:
        return switch_status.Seen(links, ports, carriers=carriers)
    delay = system.bridges.options(BRIDGE).options.forward_delay
    return switch_status.Seen(links, ports, delay, links[BRIDGE].up, carriers)
