"""Addresses that applications announce: by duplicate address detection (RFC 4862, 5.4.2), or by using them.

Read from packets that the table of addresses copies to a group; their mark tells the interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import NamedTuple

from netnsmgr.core.agreed import ND_GROUP
from netnsmgr.core.protocols import ICMPV6
from netnsmgr.kernel.nflog import Packet, PacketLog

SIZE = 80
"""Bytes of a packet with its IPv6 header and a neighbour solicitation's target."""
RECEIVE_BYTES = 64 << 10
"""Of the socket: some hundred packets."""
_SOLICITATION = 135
_NODES = IPv6Address("ff02::1:ff00:0").packed[:13]
"""Of each solicited-node address (RFC 4291, 2.7.1); its last three bytes are the target's."""


class Announcement(NamedTuple):
    """That the interface with this id has an address, or is about to."""

    vif: int
    address: IPv6Address


class Solicitations:
    """The group of this namespace.  Raises ``KernelError`` when somebody else listens to it already."""

    def __init__(self) -> None:
        self._log = PacketLog(ND_GROUP, SIZE, receive_bytes=RECEIVE_BYTES)
        self.fileno = self._log.fileno
        self.close = self._log.close
        self.overruns = self._log.overruns

    def receive(self, budget: int) -> Iterator[Announcement]:
        """Yield what has arrived, of at most ``budget`` packets."""
        for packet in self._log.receive(budget):
            if (found := announcement(packet)) is not None:
                yield found


def announcement(packet: Packet) -> Announcement | None:
    """Read what a packet says of its sender's address; None where it says nothing."""
    data, vif = packet.payload, packet.mark & 0xFFFF
    if len(data) < 40 or data[0] >> 4 != 6 or not vif:
        return None
    source = IPv6Address(data[8:24])
    if not source.is_unspecified:
        return None if source.is_multicast else Announcement(vif, source)
    if len(data) < 64 or data[6] != ICMPV6 or data[7] != 255 or data[40:42] != bytes([_SOLICITATION, 0]):
        return None
    # One for a holder who does not hear of it would be no detection at all.
    if data[24:40] != _NODES + data[61:64]:
        return None
    return Announcement(vif, IPv6Address(data[48:64]))
