"""System adapters of EVE into the ports of a Device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.addressing import addressing
from netnsmgr.config.from_eve.hardware import Below, Hardware
from netnsmgr.config.from_eve.message import NIL_UUID, Message
from netnsmgr.config.from_eve.names import Names, simple
from netnsmgr.config.from_eve.text import shown

ALL, UPLINK, FREE = "all", "uplink", "freeuplink"
"""Labels that EVE gives by itself: to each port, to those for management, to those of them that cost nothing."""


@dataclass(eq=False)
class Port:
    """A port, as EVE sees it and as it is called here."""

    label: str
    """EVE's own name of it."""
    name: str
    """Ours."""
    below: Below
    spec: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    """As EVE has them, its own among them."""
    routed: bool = False
    """Whether it has addresses, so that local instances may use it."""
    carries_vlans: bool = False
    by_switch: bool = False
    by_local: bool = False


class Ports:
    """All ports, and how instances name them."""

    def __init__(self, root: Message) -> None:
        self._hardware = Hardware(root)
        self._networks = self._read_networks(root)
        self._names = Names(simple, (ALL, UPLINK, FREE))
        self._ports: list[Port] = []
        self._used: set[str] = set()
        adapters = root.messages("systemAdapterList", fields.SYSTEM_ADAPTER)
        # Without any that says so, all are for management: of controllers older than that field.
        self._told = any(each.flag("uplink") for each in adapters)
        for n, each in enumerate(adapters):
            self._adapter(each, n)
        self._parents()
        self._labels = Names(simple, (ALL, UPLINK, FREE, *(port.name for port in self._ports)))
        self._words = {each: each for each in (ALL, UPLINK, FREE)}
        for word in (word for port in self._ports for word in port.labels if word not in self._words):
            self._words.setdefault(word, self._labels.give(word, "label"))

    def matching(self, word: str) -> list[Port]:
        """Return the ports that EVE finds by a logical or shared label."""
        return [port for port in self._ports if word and (port.label == word or word in port.labels)]

    def words(self, word: str, chosen: Iterable[Port]) -> list[str]:
        """Return how to name ports that were chosen among those of a label: by it, if it names no others here."""
        ports = list(chosen)
        alike = [port for port in self._ports if word in port.labels]
        if ports and ports == alike and all(port.label != word for port in self._ports):
            self._used.add(word)
            return [self._words[word]]
        return [port.name for port in ports]

    def word(self, chosen: Iterable[Port]) -> str | None:
        """Return one word that names these ports and no others; None where there is none."""
        ports = list(chosen)
        if len(ports) == 1:
            return ports[0].name
        return next((found[0] for word in self._words if len(found := self.words(word, ports)) == 1), None)

    def covers(self, chosen: Iterable[Port]) -> bool:
        """Whether these are all ports of the device that have addresses."""
        return {id(port) for port in self._ports if port.routed} <= {id(port) for port in chosen}

    def documents(self) -> list[dict[str, Any]]:
        """Return the ports of the Device; to be asked when the instances are done, who name and share them."""
        return [self._document(port) for port in self._ports]

    def _document(self, port: Port) -> dict[str, Any]:
        spec: dict[str, Any] = {"name": port.name}
        if port.below.interface and port.below.interface != port.name:
            spec["interface"] = port.below.interface
        own = [word for word in port.labels if word not in {ALL, FREE} or word in self._used]
        if own:
            spec["labels"] = [self._words[word] for word in own]
        spec.update(port.spec)
        if port.by_switch and (port.routed or port.by_local):
            spec["shared"] = True
        return spec

    # --- reading -------------------------------------------------------------------------------------------

    def _read_networks(self, root: Message) -> dict[str, Message]:
        found: dict[str, Message] = {}
        for each in root.messages("networks", fields.NETWORK):
            key = each.text("id")
            if not key:
                each.wrong("id", "is missing")
            elif key in found:
                each.wrong("id", f"duplicate id {shown(key)}")
            found.setdefault(key, each)
        return found

    def _adapter(self, each: Message, number: int) -> None:
        label = each.text("name")
        if not label:
            each.wrong("name", "is missing; network instances refer to it")
        elif any(port.label == label for port in self._ports):
            each.wrong("name", f"duplicate name {shown(label)}")
        lower = each.text("lowerLayerName") or label
        field_of = "lowerLayerName" if each.has("lowerLayerName") else "name"
        below = self._hardware.get(lower)
        if below is None:
            known = lower in self._hardware.labels
            what = "is no network port" if known else "is no PhysicalIO, VLAN or bond of this device"
            if label:
                each.wrong(field_of, f"{shown(lower)} {what}")
            return
        port = Port(label, self._name(each, label, number), below)
        key = each.text("networkUUID")
        if key and key != NIL_UUID:
            if key in self._networks:
                port.routed, port.spec = addressing(each, self._networks[key])
            else:
                each.wrong("networkUUID", f"there is no network {shown(key)}")
        cost = self._cost(each, below)
        if cost and port.routed:
            port.spec["cost"] = cost
        managed = each.flag("uplink") or not self._told
        own = [word for word in each.texts("sharedLabels") if word not in {ALL, UPLINK, FREE}]
        given = [ALL, *([UPLINK] if managed else []), *([FREE] if managed and not cost else [])]
        port.labels = tuple(dict.fromkeys([*own, *given]))
        self._ports.append(port)
        if not below.interface:
            each.note(field_of, "EVE finds this modem by its place on a bus; write its 'interface'")

    def _name(self, each: Message, label: str, number: int) -> str:
        name = self._names.give(label, f"port{number}")
        if name != label and label:
            each.note("name", f"port {shown(label)} is called {name} here")
        return name

    def _cost(self, each: Message, below: Below) -> int:
        """Return what a port costs, also as controllers said it that had no costs yet."""
        cost = min(each.number("cost"), 255)
        if not self._told:
            return 0
        if cost or below.free or each.flag("freeUplink"):
            return max(cost, 0)
        return int(self._hardware.free())

    def _parents(self) -> None:
        """Make the ports that VLANs are of, where they are no ports already."""
        for port in [port for port in self._ports if port.below.parent]:
            parent = next((each for each in self._ports if each.below.label == port.below.parent), None)
            below = self._hardware.get(port.below.parent)
            if parent is None and below is not None:
                parent = Port(below.label, self._names.give(below.label, "parent"), below)
                self._ports.append(parent)
            if parent is not None:
                parent.carries_vlans = True
                port.spec = {"vlan": {"parent": parent.name, "id": port.below.vlan}} | port.spec
