"""What is known of an instance's tunnels beside what is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netnsmgr.core.ip import IPAddress

COSTS = {
    "wireguard-go": "packets are encrypted outside of the kernel: more processor time for each, and some 4 MiB for each tunnel",
    "libipsec": "packets are encrypted outside of the kernel: more processor time for each, none larger than 1400 bytes",
}
"""What a backend costs that stands in for the kernel's own."""


@dataclass(frozen=True)
class VpnFacts:
    """Backends of the machine, and what other ends have told; compared with ``==`` to see whether anything changed."""

    esp: str = ""
    """What encrypts for IPsec: `kernel` (ESP behind an xfrm link), `libipsec` (charon itself behind a TUN); empty: nothing."""
    wireguard: str = ""
    """What encrypts for WireGuard: `kernel` or `wireguard-go`; empty: nothing."""
    endpoints: Mapping[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    """Addresses of the other ends' hosts, by the hosts as written; an address is its own."""
    places: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Where a WireGuard peer has to be looked for now (address:port), by tunnel and public key; others stay where they were
    heard of last."""
    virtual: tuple[IPAddress, ...] = ()
    """Our addresses that the other end of an IPsec connection has given."""
    dns: tuple[IPAddress, ...] = ()
    """DNS servers that it has told."""
    links: tuple[tuple[str, int], ...] = ()
    """The tunnels' links that are there, by name, with their indexes."""
