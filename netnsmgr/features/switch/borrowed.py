"""The device's ports that have moved into a switch's namespace, and go back when it wants them no more."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.port import BorrowedPort


def items(scope: InstanceScope) -> list[Item]:
    """Return the ports that are here as they are; a shared one has but an end of a veth pair here."""
    return [BorrowedPort(port.ifname, port.mtu) for port in scope.ports if not port.shared]
