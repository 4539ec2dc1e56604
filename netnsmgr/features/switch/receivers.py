"""To whom a frame of a switch goes: the table ``bridge netnsmgr_vif``, which is asked only where there are lists.

A bridge knows the receiver only when it forwards, so this is a hook of the family ``bridge``, at the price that `guard`
tells of; ``gate`` is the part with that hook.  It adds the receiver's id to the mark.  An application's link without its parts
would count as a port of the device, which is not asked about; so it gets a mark of its own.  What is dropped here goes by
links, so that it does not matter whether this comes before or after the guard's marks.

A list sees what is in a frame, or behind the tag of a VLAN that the bridge looks at.  Behind another tag (a second one, one
of 802.1ad) nobody would be asked: such frames neither come from an interface with a list nor go to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from netnsmgr.core.item import Item
from netnsmgr.features.switch import frame, guard
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet

FAMILY = "bridge"


def items(ports: Iterable[str]) -> list[Item]:
    """Return the table for a switch with these ports of the device; by itself it sees no frame."""
    body = "\nmap to_vif { type ifname : verdict; }\nmap tagged { type ifname : verdict; }"
    there = NftSet(FAMILY, guard.TABLE, "ports", "type ifname", frozenset(ports))
    return [NftTable.of(FAMILY, guard.NAME, body, carries=True), there]


def gate(*, aware: bool = False) -> NftPart:
    """Return the part by which all forwarded frames pass; of a bridge that is ``aware`` of VLANs, or looks at no tag."""
    # The outer tag is the frame's own, as the kernel keeps it; what is behind it is its protocol.
    tags = "meta protocol { 8021q, 8021ad } jump @@_tagged"
    if not aware:
        tags += "\n    ether type { 8021q, 8021ad } jump @@_tagged"
    body = f"""
chain @@_tagged {{
    iifname vmap @tagged
    oifname vmap @tagged
}}
chain @@_forward {{
    type filter hook forward priority -300; policy accept;
    {tags}
    meta mark 0 iifname != @ports meta mark set {frame.STRANGER:#x}
    oifname vmap @to_vif
    oifname != @ports meta mark set meta mark or {frame.STRANGER << 16:#x}
}}"""
    needs = frozenset({NftSet(FAMILY, guard.TABLE, "ports", "", None).ref})
    return NftPart(FAMILY, guard.TABLE, "gate", body, (), needs=needs)


def part(link: str, number: int, *, listed: bool = False) -> NftPart:
    """Return the part of one interface; if it is ``listed``, nothing passes it that its list does not see."""
    body = f"\nchain @@_to {{ meta mark set meta mark or {number << 16:#010x}; accept; }}"
    links = [("to_vif", link, "goto @@_to")]
    if listed:
        body += "\nchain @@_hidden { drop; }"
        links.append(("tagged", link, "goto @@_hidden"))
    return NftPart(FAMILY, guard.TABLE, f"vif_{link}", body, tuple(links))
