"""Which addresses DHCPv6 keeps for whom.

A client of DHCPv6 may ask for as many addresses as it likes, each under another number (IAID) or name (DUID), and
dnsmasq would give them until its range, or its thousand leases of both versions, are used up by one application.  So
there is no range that all share: each interface has some addresses of it for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.features.scope import InstanceScope

BLOCK = 4
"""Addresses for each interface.  An application that is installed anew comes with another DUID, while its old one still
holds an address; each can do so that often within the time of a lease."""
ROOMY = 1024
"""Addresses that a range has at least for such blocks; in a smaller one each interface has a single address."""
HOST_PARTS = IPv6Network("::/64")
"""Where the prefix is not known yet, dnsmasq puts it before the lower half of an address."""
DELEGATED = (0x1000, 0x1FFF)
"""The range in a delegated prefix."""


def reserved(scope: InstanceScope) -> dict[tuple[str, str], IPv6Network]:
    """Return the addresses of the range that are kept for each interface (application, name) without a fixed one.

    The same each time, made from the MAC; one whose place is taken goes on to the next, and who holds an address stays.
    """
    instance = scope.instance
    if instance.addressing != "stateful":
        return {}
    if instance.delegated or instance.subnet6 is None:
        subnet, (first, last) = HOST_PARTS, DELEGATED
    else:
        subnet = instance.subnet6
        first, last = map(int, instance.dhcp_range(subnet))
    size = BLOCK if last - first + 1 >= ROOMY else 1
    least, end = -(-first // size), (last + 1) // size
    owners = {i.mac_for(app.name): (app.name, i.name) for app, i in scope.interfaces if i.address6 is None}
    taken = {number // size for number in _taken(scope, subnet)}
    given: dict[tuple[str, str], int] = {}
    for lease in scope.leases_now:
        block = _within(lease.address, subnet) // size if isinstance(lease.address, IPv6Address) else -1
        owner = owners.get(lease.mac)
        if owner is not None and owner not in given and least <= block < end and block not in taken:
            given[owner] = block
            taken.add(block)
    for mac, owner in owners.items():
        if owner not in given and (free := _free(mac, range(least, end), taken)) is not None:
            given[owner] = free
            taken.add(free)
    length = 128 - (size - 1).bit_length()
    return {owner: IPv6Network((block * size, length)) for owner, block in given.items()}


def _taken(scope: InstanceScope, subnet: IPv6Network) -> Iterable[int]:
    """Yield the addresses that are nobody's to get: those of the instance, and fixed ones."""
    gateway = scope.instance.gateway_in(subnet)
    yield int(gateway)
    for _, interface in scope.interfaces:
        if interface.address6 is not None:
            yield _within(interface.address6, subnet)


def _within(address: IPv6Address, subnet: IPv6Network) -> int:
    """Return an address as a number: in a delegated prefix its lower half."""
    return int(address) & int(HOST_PARTS.hostmask) if subnet == HOST_PARTS else int(address)


def _free(mac: str, blocks: range, taken: set[int]) -> int | None:
    if not blocks:
        return None
    start = int.from_bytes(hashlib.sha256(mac.encode()).digest()[:8]) % len(blocks)
    places = (blocks[(start + n) % len(blocks)] for n in range(len(blocks)))
    return next((block for block in places if block not in taken), None)
