"""Facts of the ports that switches have or share: where they are, and what keeps them from going there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv6Address
from typing import NamedTuple

from netnsmgr.config.device import Port
from netnsmgr.core.ip import LINK_LOCAL, IPInterface, interface
from netnsmgr.features.port_links import foreign, obstacle, remark
from netnsmgr.features.scope import PortFacts
from netnsmgr.items.port import lent_link, port_link
from netnsmgr.items.port_record import on_record
from netnsmgr.items.system import LinkInfo
from netnsmgr.kernel.system import KernelSystem

PERMANENT = 0x80
"""``IFA_F_PERMANENT`` of linux/if_addr.h: others are from routers or by DHCPv6, and end."""


class Hindrance(NamedTuple):
    """What is in a port's way to a switch or to its bridge, or only remarkable; see ``PortFacts``."""

    obstacle: str = ""
    remark: str = ""
    foreign6: bool = False


NOTHING = Hindrance()


async def as_used(port: Port, system: KernelSystem) -> tuple[Port, Hindrance]:
    """Return a port as it can be used now, and why that is not as written.

    One that cannot be shared keeps what it has until it can: it is used as if it were not to be shared.  One that is
    shared stays so: an address that somebody gives it must not cost the device its own.
    """
    links = await system.rtnl.links() if port.shared else {}
    info = port_link(links, port.ifname, system.port_key)
    if info is None:
        return port, NOTHING
    if info.master == port.l3 and on_record(info, system) is not None:
        addresses = await _addresses(port, info, system)
        used = foreign(port, addresses)
        return port, Hindrance("", remark(port, addresses), any(each.version == 6 for each in used))
    why = await _hindrance(port, info, links, "", system)
    return port.model_copy(update={"shared": False}) if why.obstacle else port, why


async def at_switch(
    facts: PortFacts,
    port: Port,
    holders: Mapping[str, str],
    system: KernelSystem,
    hindered: Hindrance = NOTHING,
) -> PortFacts:
    """Add what is to be known of a port that a switch shall have, or that is shared.

    ``port`` and ``hindered`` are what ``as_used`` returned.
    """
    if not port.shared and hindered.obstacle:
        return replace(facts, unshared=True, **hindered._asdict())
    instance = holders.get(port.name, "")
    if not instance and not port.shared:
        return facts
    links = await system.rtnl.links()
    info = port_link(links, port.ifname, system.port_key)
    if port.shared:
        if info is None or not facts.present:
            return replace(facts, present=False)
        return replace(facts, mac=info.mac, **hindered._asdict())
    if (there := await lent_link(port.ifname, f"/run/netns/{instance}", system)) is not None:
        alone = replace(facts, present=False, addresses=(), gateways=())
        mtu = port.mtu or (on_record(there, system) or there).mtu
        return replace(alone, lent=instance, up=there.up, carrier=there.carrier, mtu=mtu)
    if info is None:
        return facts
    mtu = port.mtu or (on_record(info, system) or info).mtu
    why = await _hindrance(port, info, links, instance, system)
    return replace(facts, present=True, mtu=mtu, addresses=(), gateways=(), **why._asdict())


async def _hindrance(
    port: Port, info: LinkInfo, links: Mapping[str, LinkInfo], instance: str, system: KernelSystem
) -> Hindrance:
    found = await _addresses(port, info, system)
    wireless = _wireless(info.name, info.ifindex, system)
    why = obstacle(port, info, links, found, instance=instance, wireless=wireless, key=system.port_key)
    return Hindrance(why, foreign6=bool(why) and any(each.version == 6 for each in foreign(port, found)))


async def _addresses(port: Port, info: LinkInfo, system: KernelSystem) -> set[IPInterface]:
    """Return the addresses that a port would lose: those that neither we nor the kernel gave it."""
    told = [(each.address, ours) for each, ours in await system.rtnl.addresses() if each.link == info.name]
    # Those of ours that are still there go before it does; a shared port's go to its bridge.
    own = {address for address, ours in told if ours and port.shared}
    found: set[IPInterface] = {address for address, _ in told if address.version == 4}
    passing: set[IPInterface] = set()
    for address, flags in _addresses6(info.name, system):
        if flags & PERMANENT:
            found.add(address)
        elif address.ip not in LINK_LOCAL and not (port.shared and (port.slaac or port.dhcp6)):
            passing.add(address)
    # What the kernel has made of advertisements it makes again where it hears them, and nobody misses it.
    found |= passing - await system.rtnl.advertised(info.name) if passing else passing
    return found - own


def _addresses6(name: str, system: KernelSystem) -> Iterator[tuple[IPInterface, int]]:
    """Read a link's IPv6 addresses and flags from where they are told to agents, too, that do not listen to IPv6."""
    for line in (system.files.read("/proc/net/if_inet6") or "").splitlines():
        digits, _, length, _, flags, link = line.split()
        if link == name:
            yield interface(IPv6Address(int(digits, 16)), int(length, 16)), int(flags, 16)


def _wireless(name: str, ifindex: int, system: KernelSystem) -> bool:
    # /sys shows the links of the namespace in which it was mounted; that need not be this one.
    here = f"/sys/class/net/{name}"
    same = (system.files.read(f"{here}/ifindex") or "").strip() == str(ifindex)
    return same and system.files.read(f"{here}/phy80211/index") is not None
