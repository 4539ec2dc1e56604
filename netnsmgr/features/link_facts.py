"""What the uplink agent tells an instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network, ip_address, ip_interface
from typing import Any

from netnsmgr.core.ip import IPAddress
from netnsmgr.features.nets import Delegated

DEFAULT_MTU = 1500


@dataclass(frozen=True)
class LinkFacts:
    """What the uplink agent tells an instance about its way out."""

    revision: int = 0
    state: str = "pending"
    reasons: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    mtu: int = DEFAULT_MTU
    addresses: tuple[IPAddress, ...] = ()
    """Of the ports that the instance leaves by, the cheapest first."""
    port_maps: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    """Protocol, port and addresses of the device that lead here."""
    delegated: tuple[Delegated, ...] = ()
    """The prefix that the instance has by delegation, and after it those that it replaced."""
    mtus: tuple[tuple[str, int], ...] = ()
    """MTU of each port by its name."""
    carriers: tuple[tuple[str, bool], ...] = ()
    """Of each port that a switch shares, by its name, whether the port itself has a carrier."""
    endpoints: Mapping[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    """Addresses of the hosts at the other ends of tunnels, by host as written; empty while they are not known."""
    told: bool = field(default=False, compare=False)
    """Whether anything was said since the instance began, maybe to an agent before this one."""

    @classmethod
    def of(cls, row: dict[str, Any] | None) -> LinkFacts:
        """Read a ``LinkStatus`` row."""
        if row is None:
            return cls(reasons=("the uplink agent has not answered yet",))
        ports = row["ports"]
        return cls(
            revision=row["revision"],
            told=True,
            state=row["state"],
            reasons=tuple(row["reasons"]),
            dns=tuple(dict.fromkeys(server for port in ports for server in port["dns"])),
            ntp=tuple(dict.fromkeys(server for port in ports for server in port["ntp"])),
            mtu=min((port["mtu"] for port in ports), default=DEFAULT_MTU),
            mtus=tuple((port["name"], port["mtu"]) for port in ports),
            carriers=tuple((port["name"], port["carrier"]) for port in ports if "carrier" in port),
            # A row kept from before an update of netnsmgr has none.
            addresses=tuple(ip_interface(a).ip for port in ports for a in port.get("addresses", ())),
            port_maps=tuple(
                (entry["protocol"], entry["port"], tuple(entry["on"])) for entry in row.get("portMaps", ())
            ),
            delegated=tuple(
                Delegated(IPv6Network(entry["prefix"]), entry["preferredUntil"], entry["validUntil"])
                for entry in row.get("prefixes", ())
            ),
            endpoints={
                host: tuple(map(ip_address, found)) for host, found in row.get("endpoints", {}).items()
            },
        )
