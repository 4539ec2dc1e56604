"""What is told of a switch's links, from how they are: for people, and for who waits until frames pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netnsmgr.config.device import Port
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import vlans
from netnsmgr.features.switch.bridge import spanning
from netnsmgr.items.bridges import PortInfo
from netnsmgr.items.system import LinkInfo

WAITING = {"listening": 2, "learning": 1}
"""States of the spanning tree in which a link waits, and how many forward delays until its frames pass."""

SHUT = (
    "shut by BPDU guard: something behind it takes part in the spanning tree; "
    "it opens when its carrier goes and comes back"
)


@dataclass(frozen=True)
class Seen:
    """The links of a switch's namespace, and its bridge's ports, as they are now."""

    links: Mapping[str, LinkInfo]
    ports: Mapping[str, PortInfo]
    delay: int = 15
    """Seconds that the root of the spanning tree has links listen, and learn."""
    up: bool = True
    """Whether the bridge is up; where it is not, no port passes anything, and why is said of the bridge."""
    carriers: Mapping[str, bool] = field(default_factory=dict)
    """Of shared ports by their names, whether the port itself has a carrier: its link here always has one."""

    def carrier(self, port: Port) -> bool:
        """Say whether somebody is on the other side of a port."""
        info = self.links.get(port.ifname)
        return info is not None and info.carrier and self.carriers.get(port.name, True)

    def waits(self, link: str) -> str:
        """Say why no frames of a link pass yet, or any more; nothing where they do, or nobody is on the other side."""
        port, info = self.ports.get(link), self.links.get(link)
        if port is None or info is None or not info.running or not self.up:
            return ""
        if (delays := WAITING.get(port.stp)) is not None:
            return f"spanning tree: {port.stp}, frames pass within {delays * self.delay} s"
        return SHUT if port.stp == "disabled" and port.guard else ""


def mtus(
    links: Mapping[str, LinkInfo], ports: Iterable[Mapping[str, Any]], told: Iterable[tuple[str, int]]
) -> tuple[int, ...]:
    """Return the MTU of each port, given as documents: as written, of its link, or what was told of one that is not here."""
    known = dict(told)
    found = []
    for port in ports:
        info = links.get(port.get("interface") or port["name"])
        if port.get("mtu") and not port.get("shared"):
            found.append(port["mtu"])
            continue
        if info is not None or port["name"] in known:
            found.append(known[port["name"]] if info is None else info.mtu)
    return tuple(found)


def port_row(scope: InstanceScope, port: Port, seen: Seen) -> dict[str, Any]:
    """Return the row of one of the device's ports in ``InstanceStatus``."""
    name = port.ifname
    info, state = seen.links.get(name), seen.ports.get(name)
    stp = ("disabled" if state is None else state.stp) if spanning(scope) else "off"
    return {
        "name": port.name,
        "interface": name,
        "mode": "shared" if port.shared else "moved",
        "state": "missing" if info is None else "up" if info.up and seen.carrier(port) else "down",
        "stp": stp,
        "vlan": vlans.words(scope, vlans.of_port(scope, port)),
        "mtu": None if info is None else info.mtu,
        "reasons": _port_reasons(scope, port, seen, stp),
    }


def _port_reasons(scope: InstanceScope, port: Port, seen: Seen, stp: str) -> list[str]:
    info = seen.links.get(port.ifname)
    if info is None:
        return [f"its link {port.ifname} is not here"]
    found = []
    # The kernel tells no carrier of a link that is down; why it is down is told of what would bring it up.
    if info.up and not seen.carrier(port):
        found.append("no carrier: there is no cable, or nothing on its other end")
    if stp == "blocking":
        found.append("spanning tree: blocked, another port leads to the same network")
    if waits := seen.waits(port.ifname):
        found.append(waits)
    if info.mtu < scope.mtu:
        found.append(
            f"packets of more than {info.mtu} bytes do not pass: the instance's MTU is {scope.mtu}, "
            "larger than the port's; lower `mtu`, or raise the port's"
        )
    return found


def reasons(scope: InstanceScope, seen: Seen) -> list[str]:
    """Say what is the matter with the ports, as far as nobody says it anyhow: a link that is missing is an item's."""
    return [
        f"port {port.name}: {reason}"
        for port in scope.ports
        if port.ifname in seen.links
        for reason in port_row(scope, port, seen)["reasons"]
    ]


def troubled(scope: InstanceScope, seen: Seen) -> bool:
    """Say whether a port was shut."""
    return any(seen.waits(port.ifname) == SHUT for port in scope.ports)
