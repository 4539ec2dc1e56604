"""Facts of the ports that switches shall have: where they are, and what keeps them from going there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv6Address

from netnsmgr.config.device import Port
from netnsmgr.core.ip import IPInterface, interface
from netnsmgr.features.port_links import obstacle
from netnsmgr.features.scope import PortFacts
from netnsmgr.items.port import Record, port_link
from netnsmgr.kernel.system import KernelSystem


async def at_switch(
    facts: PortFacts, port: Port, holders: Mapping[str, str], system: KernelSystem
) -> PortFacts:
    """Add what is to be known of a port for the switch that shall have it, if one shall."""
    instance = holders.get(port.name)
    if instance is None or port.shared:
        return facts
    links = await system.rtnl.links()
    info = port_link(links, port.ifname)
    if info is None:
        there = await system.rtnl.link_in(f"/run/netns/{instance}", port.ifname)
        record = Record.of(there) if there is not None else None
        if there is None or record is None:
            return facts
        return replace(
            facts,
            lent=instance,
            up=there.up,
            carrier=there.carrier,
            mtu=record.mtu,
            addresses=(),
            gateways=(),
        )
    addresses = [each.address for each, _ in await system.rtnl.addresses() if each.link == info.name]
    return replace(
        facts,
        present=True,
        mtu=(Record.of(info) or info).mtu,
        addresses=(),
        gateways=(),
        obstacle=obstacle(
            port,
            info,
            links,
            {*addresses, *_addresses6(info.name, system)},
            instance=instance,
            wireless=_wireless(info.name, info.ifindex, system),
        ),
    )


def _addresses6(name: str, system: KernelSystem) -> Iterator[IPInterface]:
    """Read a link's IPv6 addresses from where they are told to agents, too, that do not listen to IPv6."""
    for line in (system.files.read("/proc/net/if_inet6") or "").splitlines():
        digits, _, length, _, _, link = line.split()
        if link == name:
            yield interface(IPv6Address(int(digits, 16)), int(length, 16))


def _wireless(name: str, ifindex: int, system: KernelSystem) -> bool:
    # /sys shows the links of the namespace in which it was mounted; that need not be this one.
    here = f"/sys/class/net/{name}"
    same = (system.files.read(f"{here}/ifindex") or "").strip() == str(ifindex)
    return same and system.files.read(f"{here}/phy80211/index") is not None
