"""Facts of the ports that switches have or share: where they are, and what keeps them from going there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv6Address

from netnsmgr.config.device import Port
from netnsmgr.core.ip import IPInterface, interface
from netnsmgr.features.port_links import obstacle
from netnsmgr.features.scope import PortFacts
from netnsmgr.items.port import lent_link, port_link
from netnsmgr.items.port_record import on_record
from netnsmgr.items.system import LinkInfo
from netnsmgr.kernel.system import KernelSystem

PERMANENT = 0x80
"""``IFA_F_PERMANENT`` of linux/if_addr.h: others the kernel has made of what routers advertise."""


async def at_switch(
    facts: PortFacts, port: Port, holders: Mapping[str, str], system: KernelSystem
) -> PortFacts:
    """Add what is to be known of a port that a switch shall have, or that is shared."""
    instance = holders.get(port.name, "")
    if not instance and not port.shared:
        return facts
    links = await system.rtnl.links()
    info = port_link(links, port.ifname, system.port_key)
    if port.shared:
        if info is None or not facts.present:
            return replace(facts, present=False)
        why = await _obstacle(port, info, links, "", system)
        # What stands on its bridge waits for that.
        return replace(facts, mac=info.mac, obstacle=why, present=not why)
    if (there := await lent_link(port.ifname, f"/run/netns/{instance}", system)) is not None:
        alone = replace(facts, present=False, addresses=(), gateways=())
        mtu = port.mtu or (on_record(there, system) or there).mtu
        return replace(alone, lent=instance, up=there.up, carrier=there.carrier, mtu=mtu)
    if info is None:
        return facts
    mtu = port.mtu or (on_record(info, system) or info).mtu
    why = await _obstacle(port, info, links, instance, system)
    return replace(facts, present=True, mtu=mtu, addresses=(), gateways=(), obstacle=why)


async def _obstacle(
    port: Port, info: LinkInfo, links: Mapping[str, LinkInfo], instance: str, system: KernelSystem
) -> str:
    told = [(each.address, ours) for each, ours in await system.rtnl.addresses() if each.link == info.name]
    # Those of ours that are still there go before it does; a shared port's go to its bridge.
    own = {address for address, ours in told if ours and port.shared}
    advertised = port.slaac or port.dhcp6
    found: set[IPInterface] = {address for address, _ in told if address.version == 4}
    for address, flags in _addresses6(info.name, system):
        if flags & PERMANENT or not (port.shared and advertised):
            found.add(address)
    wireless = _wireless(info.name, info.ifindex, system)
    return obstacle(port, info, links, found - own, instance=instance, wireless=wireless, key=system.port_key)


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
