"""What is below EVE's system adapters: physical ports, VLANs and bonds, by their logical names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netnsmgr.config import values
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.message import Message
from netnsmgr.config.from_eve.text import shown

_NETWORK = {fields.ETHERNET, fields.WLAN, fields.WWAN, "PhyIoNetEthPF", "PhyIoNetEthVF"}


@dataclass(frozen=True)
class Below:
    """A link that a port stands on."""

    label: str
    interface: str
    """The kernel's name; empty where EVE finds the link by its place on a bus."""
    message: Message
    wireless: bool = False
    free: bool = False
    """That it costs nothing, as controllers said it once."""
    parent: str = ""
    """Of a VLAN: the label of what carries it."""
    vlan: int = 0


class Hardware:
    """All of them."""

    def __init__(self, root: Message) -> None:
        self._found: dict[str, Below] = {}
        self.labels: set[str] = set()
        for each in root.messages("deviceIoList", fields.PHYSICAL):
            self._physical(each)
        for each in root.messages("bonds", fields.BOND):
            self._add(Below(each.text("logicallabel"), _interface(each), each))
            each.note(
                "logicallabel",
                "netnsmgr makes no bonds: make the link by other means, it is used as it is found",
            )
        for each in root.messages("vlans", fields.VLAN):
            vlan = each.number("vlanId")
            if not 1 <= vlan <= 4094:
                each.wrong("vlanId", "must be from 1 to 4094")
            below = Below(
                each.text("logicallabel"),
                _interface(each),
                each,
                parent=each.text("lowerLayerName"),
                vlan=vlan,
            )
            self._add(below)
            if below.parent not in self._found or self._found[below.parent].vlan:
                each.wrong("lowerLayerName", f"there is no physical port or bond {shown(below.parent)}")

    def _physical(self, each: Message) -> None:
        # Devices of old models have no logical label; EVE falls back to the physical one.
        label = each.text("logicallabel") or each.text("phylabel")
        free = each.message("usagePolicy", fields.POLICY).flag("freeUplink")
        kind = each.choice("ptype", fields.HARDWARE_TYPES)
        if label in self.labels:
            each.wrong("logicallabel", f"duplicate logical label {shown(label)}")
        self.labels.add(label)
        if kind not in _NETWORK:
            each.report.left(each.where, fields.HARDWARE)
            return
        addresses = {key.lower(): value for key, value in each.pairs("phyaddrs").items()}
        interface = addresses.get("ifname", "")
        if not interface and kind != fields.WWAN:
            interface = label
        if interface:
            each.reading("phyaddrs", interface, values.link_name)
        self._add(Below(label, interface, each, kind in {fields.WLAN, fields.WWAN}, free))

    def _add(self, below: Below) -> None:
        if not below.label:
            below.message.wrong("logicallabel", "is missing; ports refer to it")
        elif below.label in self._found:
            below.message.wrong("logicallabel", f"duplicate logical label {shown(below.label)}")
        self._found.setdefault(below.label, below)

    def get(self, label: str) -> Below | None:
        """Return the network link of a label."""
        return self._found.get(label)

    def free(self) -> bool:
        """Whether a controller of old speaks, which says of ports that they are free in place of what they cost."""
        return any(each.free for each in self._found.values())

    def __iter__(self) -> Iterator[Below]:
        return iter(self._found.values())


def _interface(each: Message) -> str:
    return each.read("interfaceName", values.link_name) or each.text("logicallabel")
