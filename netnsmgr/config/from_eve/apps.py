"""Application instances of EVE into Apps."""

from __future__ import annotations

from typing import Any

from netnsmgr.config import addresses, values
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.images import Images
from netnsmgr.config.from_eve.instances import NOT_ACTIVE, Instance, Instances, envelope, identity
from netnsmgr.config.from_eve.message import Message
from netnsmgr.config.from_eve.names import Names, label
from netnsmgr.config.from_eve.rules import Rules
from netnsmgr.config.from_eve.text import shown


class Apps:
    """Reads applications; ``attach`` is how those that are containers are attached, empty if nobody has said it."""

    def __init__(self, root: Message, instances: Instances, rules: Rules, attach: str) -> None:
        self._instances, self._rules, self._attach = instances, rules, attach
        self._images = Images(root)
        self._names = Names(label)
        self._uuids: set[str] = set()
        self.documents: list[dict[str, Any]] = []
        for each in root.messages("apps", fields.APP):
            self._read(each)

    def _read(self, each: Message) -> None:
        uuid, name = identity(each, self._names, "app")
        if uuid in self._uuids:
            each.wrong("uuidandversion", f"duplicate uuid {shown(uuid)}")
        self._uuids.add(uuid)
        resources = each.message("fixedresources", fields.RESOURCES)
        if resources:
            each.report.left(resources.where, fields.RUNNING)
        machine = self._images.is_machine(each, resources)
        interfaces = self._in_order(each, resources)
        if not each.flag("activate"):
            each.note("activate" if each.has("activate") else "", NOT_ACTIVE)
            return
        if not interfaces:
            each.note(
                "interfaces" if each.has("interfaces") else "",
                "not carried over: it has no interface in a network",
            )
            return
        stem = "tap" if machine and self._attach else "eth"
        found = [self._interface(message, f"{stem}{n}", ni) for n, (message, ni) in enumerate(interfaces)]
        spec: dict[str, Any] = {}
        if self._attach:
            spec["attach"] = {"tap": True} if machine else {self._attach: name}
        written = [interface for interface in found if interface is not None]
        if not written:
            each.note("interfaces", "not carried over: none of its networks is")
            return
        self.documents.append(envelope("App", name, uuid, spec | {"interfaces": written}))

    def _in_order(self, each: Message, resources: Message) -> list[tuple[Message, Instance | None]]:
        """Return the interfaces in the order in which EVE gives them to the application.

        It goes by `interfaceOrder` where that is asked for, or else by the first number of each access list.
        """
        asked = resources.flag("enforceNetworkInterfaceOrder")
        found: list[tuple[int, Message, Instance | None]] = []
        for message in each.messages("interfaces", fields.INTERFACE):
            uuid = message.text("networkId")
            instance = self._instances.get(uuid)
            if instance is None:
                what = f"there is no network instance {shown(uuid)}" if uuid else "is missing"
                message.wrong("networkId", what)
            numbers = [rule.number("id") for rule in message.messages("acls", fields.RULE)]
            first = next((number for number in numbers if number > 0), 0)
            found.append((message.number("interfaceOrder") if asked else first, message, instance))
        ordered = sorted(found, key=lambda one: one[0])
        if ordered != found:
            what = "interfaceOrder" if asked else "the first id of each access list"
            each.note("interfaces", f"the interfaces are in EVE's order, by {what}")
        return [(message, instance) for _, message, instance in ordered]

    def _interface(self, each: Message, name: str, instance: Instance | None) -> dict[str, Any] | None:
        if instance is None:
            return None
        acl = self._rules.read(each, instance)
        found: dict[str, Any] = {"name": name, "network": instance.name}
        mac = each.read("macAddress", values.mac_address)
        address = each.read("addr", addresses.address)
        vlan = each.number("accessVlanId")
        if mac is not None:
            found["mac"] = mac
        if address is not None and instance.is_switch:
            each.note("addr", "not carried over: a switch gives no addresses, the application sets it itself")
        elif address is not None:
            found["address" if address.version == 4 else "address6"] = str(address)
        if vlan and not 1 <= vlan <= 4094:
            each.wrong("accessVlanId", "must be from 1 to 4094")
        elif vlan and instance.is_switch:
            found["vlan"] = {"access": vlan}
        elif vlan:
            each.note("accessVlanId", "not carried over: only switches have VLANs, in EVE, too")
        if instance.document is None:
            each.note("", f"not carried over: its network {instance.name} is not")
            return None
        return found | {"acl": acl}
