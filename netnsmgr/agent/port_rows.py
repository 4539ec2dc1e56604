"""What the agent of the device's root namespace says of ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netnsmgr.config.device import Port
from netnsmgr.core.item import Ref
from netnsmgr.features.scope import GONE, PortFacts
from netnsmgr.items.link import link_ref


def port_names(ports: Iterable[tuple[Port, PortFacts]]) -> dict[Ref, str]:
    """Return what to call the links of ports: of a shared one, its bridge and its own."""
    return {
        link_ref(name): f"port {port.name}"
        for port, facts in ports
        for name in (facts.interface, port.ifname)
    }


def let_go(revision: int) -> dict[str, Any]:
    """Say that nothing of ours goes to a switch's namespace any more, which is being deleted since ``revision``."""
    return {"revision": revision, "state": GONE, "items": [], "reasons": [], "ports": [], "prefixes": []}


def _state(facts: PortFacts) -> str:
    if facts.lent:
        return "moved"  # whether it is up is told by the instance that has it
    return "missing" if not facts.present else "up" if facts.up and facts.carrier else "down"


def port_row(port: Port, facts: PortFacts) -> dict[str, Any]:
    """Return a port's row in ``DeviceNetworkStatus``."""
    return {
        "name": port.name,
        "interface": facts.interface,
        "labels": list(port.labels),
        "state": _state(facts),
        "addresses": [str(address) for address in facts.addresses],
        "gateways": [str(gateway) for gateway in facts.gateways],
        "dns": [str(server) for server in facts.dns],
        "ntp": [str(server) for server in facts.ntp],
        "mtu": facts.mtu,
        "cost": port.cost,
        **({"instance": facts.lent} if facts.lent else {}),
    } | (
        # Without the times, which are told anew with every renewal.
        {} if facts.delegated is None else {"delegated": [str(part.prefix) for part in facts.delegated]}
    )
