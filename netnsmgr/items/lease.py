"""DHCP leases of an instance, as dnsmasq keeps them.

*Ours* is every lease in the instance's lease file.  A lease is only ever taken away: of an application that has
left, or one that holds an address which now belongs to another (the flaw that every user of dnsmasq meets).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import ClassVar

from netnsmgr.core.ip import IPAddress
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.process import Rights
from netnsmgr.items.system import KernelItem, System

RELEASE = Rights(("CAP_NET_RAW", "CAP_NET_BIND_SERVICE"))
"""Binding to a link, which needs no right since Linux 5.7, and to the port of DHCPv6's clients."""
TEMPORARY = "T"
"""With what dnsmasq begins the number of a temporary association (IA_TA), of which its clients say nothing more."""


@dataclass(frozen=True, eq=False)
class Lease(KernelItem):
    """An address that a client holds until ``expires`` (seconds since the epoch; 0: for ever).

    Two are the same lease when address and client are.  Of DHCPv6, ``duid`` and ``iaid`` (RFC 8415, 11 and 12) name the
    client, and ``mac`` is the one in its DUID, or that of the interface as far as it is known (``features/leases``).
    """

    kind: ClassVar[str] = "lease"
    mac: str
    address: IPAddress
    link: str = ""
    hostname: str = ""
    expires: int = 0
    server: Ref | None = None
    duid: str = ""
    iaid: str = ""
    server_duid: str = field(default="", repr=False)

    def key(self) -> str:
        return f"{self.address} {f'{self.duid} {self.iaid}' if self.duid else self.mac}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lease) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    # Stands on nothing, not even on its server: a server that is replaced or starts again keeps its leases.

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return system.leases()

    async def create(self, system: System) -> None:
        return None  # dnsmasq gives leases; that one is there again is for its client to ask

    async def delete(self, system: System) -> None:
        if self.server is not None and not any(i.name == self.server.key for i in system.processes.running()):
            return  # nobody hears us; the next pass finds the lease still there
        # The packet that the client would have sent; dnsmasq drops the lease at once and restarts nothing.
        if self.duid:
            ids = ("--client-id", self.duid, "--server-id", self.server_duid, "--iaid", self.iaid)
            argv: tuple[str, ...] = ("dhcp_release6", "--iface", self.link, *ids, "--ip", str(self.address))
        else:
            argv = ("dhcp_release", self.link, str(self.address), self.mac)
        await system.processes.run(argv, RELEASE)


def parse(text: str, link: str, server: Ref) -> list[Lease]:
    """Read dnsmasq's lease file: ``expiry mac address name client-id`` in each line.

    After a line ``duid SERVER`` those of DHCPv6: ``expiry iaid address name duid``.
    """
    found = []
    server_duid = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "duid":
            server_duid = words[1]
        if len(words) < 4:
            continue
        with suppress(ValueError, IndexError):  # what a power failure has left
            address, expires, name = ip_address(words[2]), int(words[0]), words[3].strip("*")
            if isinstance(address, IPv6Address):
                lease = Lease(
                    mac_of(words[4]), address, link, name, expires, server, words[4], words[1], server_duid
                )
            else:
                lease = Lease(words[1], address, link, name, expires, server)
            found.append(lease)
    return found


def mac_of(duid: str) -> str:
    """Return the Ethernet address in a DUID (RFC 8415, 11.2 and 11.4), or nothing where there is none."""
    octets = duid.lower().split(":")
    with_time = octets[:4] == ["00", "01", "00", "01"] and len(octets) == 14
    without = octets[:4] == ["00", "03", "00", "01"] and len(octets) == 10
    return ":".join(octets[-6:]) if with_time or without else ""
