"""Network instances of EVE into those of netnsmgr."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netnsmgr.config.common import API_VERSION
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.addressing import mtu_of
from netnsmgr.config.from_eve.local import local
from netnsmgr.config.from_eve.message import Message
from netnsmgr.config.from_eve.names import Names, label
from netnsmgr.config.from_eve.ports import Port, Ports
from netnsmgr.config.from_eve.text import shown
from netnsmgr.config.from_eve.vpn import Tunnels
from netnsmgr.config.rules.instance import RESERVED

UUID_LABEL = "eve-uuid"
"""The label, in a document's metadata, that keeps what EVE knows the object by."""


@dataclass(eq=False)
class Instance:
    """A network instance, as the applications' interfaces find it."""

    message: Message
    name: str = ""
    kind: str = ""
    ports: list[Port] = field(default_factory=list)
    """Those that EVE would use."""
    label: str = ""
    """How EVE names them."""
    document: dict[str, Any] | None = None
    """None where the instance is not carried over."""

    @property
    def is_switch(self) -> bool:
        """Whether it is of layer 2."""
        return self.kind == fields.SWITCH


def envelope(kind: str, name: str, uuid: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a document."""
    metadata = {"name": name, **({"labels": {UUID_LABEL: uuid}} if uuid else {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


class Instances:
    """All network instances by their UUIDs, in EVE's order."""

    def __init__(self, root: Message, ports: Ports, tunnels: Tunnels) -> None:
        self._ports, self._tunnels = ports, tunnels
        self._names = Names(label, RESERVED)
        self._found: dict[str, Instance] = {}
        for each in root.messages("networkInstances", fields.INSTANCE):
            self._read(each)

    def get(self, uuid: str) -> Instance | None:
        """Return the instance of a UUID."""
        return self._found.get(uuid)

    def documents(self) -> list[dict[str, Any]]:
        """Return the documents."""
        return [each.document for each in self._found.values() if each.document is not None]

    def _read(self, each: Message) -> None:
        uuid, name = identity(each, self._names, "ni")
        found = Instance(each, name, each.choice("instType", fields.INSTANCE_TYPES))
        if uuid in self._found:
            each.wrong("uuidandversion", f"duplicate uuid {shown(uuid)}")
        self._found.setdefault(uuid, found)
        if found.kind not in {fields.LOCAL, fields.SWITCH, fields.CLOUD}:
            each.note(
                "instType" if each.has("instType") else "",
                "not carried over: EVE has no such network instances",
            )
            return
        if not each.flag("activate"):
            each.note("activate" if each.has("activate") else "", NOT_ACTIVE)
            return
        found.label = each.message("port", fields.ADAPTER).text("name")
        found.ports = self._choose(found)
        for port in found.ports:
            port.by_switch |= found.is_switch
            port.by_local |= not found.is_switch
        words = self._ports.words(found.label, found.ports)
        spec: dict[str, Any] = {"type": "switch" if found.is_switch else "local"}
        if words:
            spec["ports"] = words
        spec |= self._switch(found) if found.is_switch else local(each)
        if found.kind == fields.CLOUD:
            spec["vpn"] = self._tunnels.read(
                each.message("cfg", fields.OPAQUE), name, spec.get("subnets", [])
            )
        if mtu := mtu_of(each):
            spec["mtu"] = mtu
        if not each.flag("disableFlowlog"):
            spec["flowLog"] = True
        found.document = envelope("NetworkInstance", name, uuid, spec)

    def _choose(self, found: Instance) -> list[Port]:
        """Return the ports that EVE would use of those that the label names."""
        each, matching = found.message, self._ports.matching(found.label)
        if found.label and not matching:
            each.note(
                "port", f"no port has the name or label {shown(found.label)}: it is air-gapped, as in EVE"
            )
        chosen = [port for port in matching if not _unfit(found, port, len(matching))]
        if len(chosen) < len(matching):
            left = ", ".join(port.name for port in matching if port not in chosen)
            kind = "a switch" if found.is_switch else "a local network"
            each.note("port", f"without {left}, which EVE does not use in {kind}")
        return chosen

    def _switch(self, found: Instance) -> dict[str, Any]:
        each = found.message
        spec: dict[str, Any] = {}
        guard = each.message("stp", fields.STP).text("portsWithBpduGuard")
        if words := self._some(found, guard):
            spec["stp"] = {"bpduGuard": words}
        vlans: dict[str, Any] = {}
        for access in each.messages("vlanAccessPorts", fields.ACCESS_PORT):
            number = access.number("vlanId")
            if not 1 <= number <= 4094:
                access.wrong("vlanId", "must be from 1 to 4094")
            for word in self._some(found, access.text("accessPort")):
                if vlans.setdefault(word, {"access": number}) != {"access": number}:
                    access.wrong("accessPort", "has another VLAN already")
        if vlans:
            spec["vlans"] = vlans
        if each.flag("forwardLldp"):
            spec["forward"] = ["lldp"]
        if each.message("ip", fields.IP).has("subnet"):
            each.note("ip", "not carried over: a switch gives no addresses")
        return spec

    def _some(self, found: Instance, word: str) -> list[str]:
        """Return those of an instance's ports that a label names."""
        return self._ports.words(word, [port for port in self._ports.matching(word) if port in found.ports])


NOT_ACTIVE = "not carried over: it is not active (activate), so that EVE does not make it"


def identity(message: Message, names: Names, instead: str) -> tuple[str, str]:
    """Return the UUID of an object and its name here."""
    uuid = message.message("uuidandversion", fields.UUID_AND_VERSION).text("uuid")
    if not uuid:
        message.wrong("uuidandversion", "the uuid is missing")
    if uuid and not (len(uuid) <= 63 and uuid.isascii() and uuid.isprintable()):
        message.wrong("uuidandversion", f"{shown(uuid)} is no uuid")
    display = message.text("displayname")
    name = names.give(display, f"{instead}-{label(uuid)[:8]}".strip("-"), uuid)
    if name != display:
        message.note("displayname" if display else "", f"{shown(display)} is called {name} here")
    return uuid, name


def _unfit(found: Instance, port: Port, among: int) -> bool:
    """Whether EVE leaves a port out: no addresses in a local network; in a switch wireless, or one of several that the
    device uses itself.
    """
    if found.is_switch:
        return port.below.wireless or (among > 1 and (port.routed or port.carries_vlans))
    return not port.routed
