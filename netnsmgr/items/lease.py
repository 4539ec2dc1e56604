"""DHCP leases of an instance, as dnsmasq keeps them.

*Ours* is every lease in the instance's lease file.  A lease is only ever taken away: of an application that has
left, or one that holds an address which now belongs to another (the flaw that every user of dnsmasq meets).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import ClassVar

from netnsmgr.core.ip import IPAddress
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class Lease(KernelItem):
    """An address that a client holds until ``expires`` (seconds since the epoch; 0: for ever)."""

    kind: ClassVar[str] = "lease"
    mac: str
    address: IPAddress
    link: str = field(default="", compare=False)
    hostname: str = field(default="", compare=False)
    expires: int = field(default=0, compare=False)
    server: Ref | None = field(default=None, compare=False)

    def key(self) -> str:
        return f"{self.address} {self.mac}"

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
        await system.processes.run(("dhcp_release", self.link, str(self.address), self.mac))


def parse(text: str, link: str, server: Ref) -> list[Lease]:
    """Read dnsmasq's lease file: ``expiry mac address name client-id`` in each line."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        with suppress(ValueError):  # a lease of IPv6, or what a power failure has left
            address, expires = IPv4Address(words[2]), int(words[0])
            found.append(Lease(words[1], address, link, words[3].strip("*"), expires, server))
    return found
