"""To whom a frame of a switch goes: the table ``bridge netnsmgr_vif``, which is asked only where there are lists.

A bridge knows the receiver only when it forwards, so this is a hook of the family ``bridge``, at the price that `guard`
tells of; ``gate`` is the part with that hook.  It adds the receiver's id to the mark.  An application's link without its parts
would count as a port of the device, which is not asked about; so it gets a mark of its own.  Nothing is dropped here, so that
it does not matter whether this comes before or after the guard's marks.
"""

from __future__ import annotations

from collections.abc import Iterable

from netnsmgr.core.item import Item, Ref
from netnsmgr.features.switch import guard
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet

FAMILY = "bridge"
STRANGER = 0xFFFF
"""Stands for a link that nobody has told of: no list is its, so that nothing of it passes while lists are asked."""


def items(ports: Iterable[str]) -> list[Item]:
    """Return the table for a switch with these ports of the device; by itself it sees no frame."""
    body = "\nmap to_vif { type ifname : verdict; }"
    there = NftSet(FAMILY, guard.TABLE, "ports", "type ifname", frozenset(ports))
    return [NftTable.of(FAMILY, guard.NAME, body, carries=True), there]


def gate() -> NftPart:
    """Return the part by which all forwarded frames pass."""
    body = f"""
chain @@_forward {{
    type filter hook forward priority -300; policy accept;
    meta mark 0 iifname != @ports meta mark set {STRANGER:#x}
    oifname vmap @to_vif
    oifname != @ports meta mark set meta mark or {STRANGER << 16:#x}
}}"""
    needs = frozenset({NftSet(FAMILY, guard.TABLE, "ports", "", None).ref})
    return NftPart(FAMILY, guard.TABLE, "gate", body, (), needs=needs)


def ref(link: str) -> Ref:
    """Name the part of an interface."""
    return NftPart(FAMILY, guard.TABLE, f"vif_{link}", "", ()).ref


def part(link: str, number: int) -> NftPart:
    """Return the part of one interface."""
    body = f"\nchain @@_to {{ meta mark set meta mark or {number << 16:#010x}; accept; }}"
    return NftPart(FAMILY, guard.TABLE, f"vif_{link}", body, (("to_vif", link, "goto @@_to"),))
