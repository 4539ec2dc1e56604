"""What is known of the device's ports: what is written of them, found on them, and told to them by their networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import TypeVar

from netnsmgr.agent.lent_ports import as_used, at_switch
from netnsmgr.config.device import Port
from netnsmgr.core.ip import LINK_LOCAL, VERSIONS, IPAddress, IPInterface, Version, interface
from netnsmgr.features import port_dhcp, port_dhcp6
from netnsmgr.features.port_dhcp import PortLease
from netnsmgr.features.port_dhcp6 import PortLease6
from netnsmgr.features.scope import PortFacts
from netnsmgr.items.system import LinkInfo
from netnsmgr.kernel.advertisements import Advertisements, solicit
from netnsmgr.kernel.system import KernelSystem

SOLICITATIONS = 3
SOLICIT_SECONDS = 4
"""How often a router is asked for, and the time between (RFC 4861, 10)."""

T = TypeVar("T")


@dataclass
class Found:
    """What the kernel has, by link."""

    addresses: dict[str, list[IPInterface]] = field(default_factory=dict)
    """Those that somebody else gave, without link-local ones of IPv6."""
    gateways: Mapping[str, Sequence[IPAddress]] = field(default_factory=dict)
    networks: Mapping[str, Sequence[IPv6Network]] = field(default_factory=dict)


class PortWatch:
    """Gathers the facts of all ports; ``changed`` is called when a router advertises other DNS servers."""

    def __init__(self, lease_dir: str, run_dir: str) -> None:
        self._lease_dir = lease_dir
        self._run_dir = run_dir
        self._advertisements: Advertisements | None = None
        self._leases: dict[str, PortLease | None] = {}
        self._leases6: dict[str, PortLease6 | None] = {}
        self._asked: dict[str, tuple[int, float]] = {}
        self.changed: Callable[[], object] = lambda: None

    async def facts(
        self, ports: Sequence[Port], system: KernelSystem, *, ipv6: bool, holders: Mapping[str, str]
    ) -> tuple[list[Port], list[PortFacts]]:
        """Return the ports as they can be used now, and what is known of each.

        ``holders`` says which switch shall have which.
        """
        used = [await as_used(port, system) for port in ports]
        ports = [port for port, _ in used]
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._leases = {port.name: self._lease(port, now) for port in ports if port.dhcp}
        # Also of ports without `dhcp6`: their instances may have asked for prefixes.
        self._leases6 = {port.name: self._lease6(port, now) for port in ports} if ipv6 else {}
        if self._advertisements is None and any(advertised(port) for port in ports):
            self._advertisements = Advertisements(f"{self._run_dir}/advertised.json", self.changed)
        links = await system.rtnl.links()
        found = await _found(ports, links, system, ipv6=ipv6)
        for port in ports:
            if advertised(port):
                self._ask(port, links.get(port.l3), found, system, now)
        facts = [self._facts(port, links.get(port.ifname), found, system, ipv6=ipv6) for port in ports]
        both = zip(used, facts, strict=True)
        return ports, [await at_switch(each, port, holders, system, why) for (port, why), each in both]

    def next_look(self) -> float | None:
        """Return when, in seconds since the device's start, something ends that nobody may have renewed."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        moments: list[float] = [lease.expires for lease in self._leases.values() if lease is not None]
        moments += [end for lease in self._leases6.values() if lease is not None for end in lease.ends()]
        moments += self._advertisements.ends() if self._advertisements is not None else []
        moments += [last + SOLICIT_SECONDS for count, last in self._asked.values() if count < SOLICITATIONS]
        return min((moment for moment in moments if moment > now), default=None)

    def _lease(self, port: Port, now: float) -> PortLease | None:
        lease = self._read(port_dhcp.lease_name(port), port_dhcp.parse)
        return lease if lease is not None and lease.expires > now else None

    def _lease6(self, port: Port, now: float) -> PortLease6 | None:
        lease = self._read(port_dhcp6.lease_name(port), port_dhcp6.parse)
        return lease.at(now) if lease is not None else None

    def _read(self, name: str, parse: Callable[[str], T | None]) -> T | None:
        with suppress(FileNotFoundError), open(f"{self._lease_dir}/{name}", encoding="utf-8") as file:
            return parse(file.read())
        return None

    def _ask(self, port: Port, link: LinkInfo | None, found: Found, system: KernelSystem, now: float) -> None:
        """Ask for a router where none is known: the kernel may have done so before it listened to the answer."""
        known = any(gateway.version == 6 for gateway in found.gateways.get(port.l3, ()))
        if link is None or not link.carrier or known or _conf6(port, "accept_ra", system) != 2:
            self._asked.pop(port.name, None)
            if known:
                self._asked[port.name] = SOLICITATIONS, now
            return
        count, last = self._asked.get(port.name, (0, 0.0))
        if count < SOLICITATIONS and now >= last + SOLICIT_SECONDS:
            self._asked[port.name] = count + 1, now
            solicit(port.l3)

    def _facts(
        self, port: Port, link: LinkInfo | None, found: Found, system: KernelSystem, *, ipv6: bool
    ) -> PortFacts:
        if link is None:
            return PortFacts(port.name, port.l3)
        lease, lease6 = self._leases.get(port.name), self._leases6.get(port.name)
        addresses: tuple[IPInterface, ...] = port.addresses
        gateways: tuple[IPAddress, ...] = port.gateways
        for version in VERSIONS if ipv6 else (4,):
            if _takes_found(port, version):
                here = found.addresses.get(port.l3, ())
                addresses += tuple(each for each in here if each.version == version and each not in addresses)
                if not any(gateway.version == version for gateway in port.gateways):
                    ways = found.gateways.get(port.l3, ())
                    gateways += tuple(each for each in ways if each.version == version)
        if lease is not None:
            addresses += (lease.address,)
            gateways += lease.gateways if not any(each.version == 4 for each in gateways) else ()
        told6: tuple[IPv6Address, ...] = ()
        if lease6 is not None and port.dhcp6:
            given = (interface(address, 128) for address, _ in lease6.addresses)
            addresses += tuple(each for each in given if each not in addresses)
        if lease6 is not None and advertised(port):
            told6 += lease6.dns
        if self._advertisements is not None and advertised(port):
            told6 += self._advertisements.servers(port.l3)
        dns = port.dns or (*(lease.dns if lease is not None else ()), *dict.fromkeys(told6))
        ntp: tuple[IPAddress, ...] = lease.ntp if lease is not None else ()
        if lease6 is not None and advertised(port):
            ntp += lease6.ntp
        return PortFacts(
            port.name,
            port.l3,
            present=True,
            up=link.up,
            carrier=link.carrier,
            mtu=port.mtu or link.mtu,
            addresses=addresses,
            gateways=gateways,
            dns=dns,
            ntp=port.ntp or ntp,
            onlink=_onlink(port, found) if ipv6 and _takes_found(port, 6) else None,
            accept_ra=_conf6(port, "accept_ra", system) if ipv6 else 0,
            addr_gen_mode=_conf6(port, "addr_gen_mode", system) if ipv6 else 0,
            delegated=lease6.prefixes if lease6 is not None else None,
        )


def advertised(port: Port) -> bool:
    """Say whether the port's routers are those that advertise themselves, because somebody wrote so."""
    return port.slaac or port.dhcp6


def _takes_found(port: Port, version: Version) -> bool:
    return port.as_found(version) or (version == 6 and advertised(port))


def _onlink(port: Port, found: Found) -> tuple[IPv6Network, ...]:
    # An address without a network around it has a route as well.
    here = found.networks.get(port.l3, ())
    return tuple(each for each in here if each.prefixlen < 128 and not each.subnet_of(LINK_LOCAL))


def _conf6(port: Port, parameter: str, system: KernelSystem) -> int:
    text = system.files.read(f"/proc/sys/net/ipv6/conf/{port.l3}/{parameter}")
    return int(text) if text else 0


async def _found(
    ports: Sequence[Port], links: Mapping[str, LinkInfo], system: KernelSystem, *, ipv6: bool
) -> Found:
    found = Found()
    there = [port for port in ports if port.l3 in links]
    wanted6 = ipv6 and any(_takes_found(port, 6) for port in there)
    if not wanted6 and not any(port.as_found(4) for port in there):
        return found
    for address, ours in await system.rtnl.addresses():
        # An address of ours that is no longer written, or leased, is not "found".
        if address.address.ip not in LINK_LOCAL and not (ours and address.address.version == 6):
            found.addresses.setdefault(address.link, []).append(address.address)
    found.gateways = await system.rtnl.gateways()
    if wanted6:
        found.networks = await system.rtnl.networks()
    return found
