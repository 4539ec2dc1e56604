"""Source NAT at the instance's end of its link.

Always on, not only where subnets collide now: a collision may be configured at any later time, and translating
then would cut every established flow.  In the device's root namespace each instance so is one address of the link
pool, and two instances with equal subnets cannot be confused there.
"""

from __future__ import annotations

from netnsmgr.core.ip import VERSIONS, IPAddress
from netnsmgr.core.item import Item
from netnsmgr.features.egress6 import translations
from netnsmgr.features.link import UPLINK
from netnsmgr.features.nets import LinkEnds, Net
from netnsmgr.features.portmap import IP
from netnsmgr.features.portmap_inside import chain
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.upstream import TWIN_DNS_PORT
from netnsmgr.features.vpn.lanes import Lane, apart, lanes, of_version
from netnsmgr.items.nft import NftTable


def ip(link: LinkEnds | Net) -> str:
    """Return the name that nft gives to the protocol."""
    return "ip" if link.version == 4 else "ip6"


def items(scope: InstanceScope) -> list[Item]:
    """Return the table that translates what leaves, and what comes by a port map; none for an air-gapped instance."""
    if scope.instance.air_gapped:
        return []
    sources = "\n".join(
        f'    oifname "{UPLINK}" {ip(link)} saddr != {link.inner} snat {ip(link)} to {link.inner}'
        for link in scope.links
        if link.version == 4 or scope.instance.spec.ipv6.uplink == "nat66"
    )
    sources += "".join(_into(lane) for lane in lanes(scope))
    arriving, leaving = translations(scope)
    body = chain(scope)
    if arriving:
        body += f"""
chain npt {{
    type nat hook prerouting priority dstnat; policy accept;{arriving}
}}"""
    body += f"""
chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
{sources}{leaving}
}}"""
    twins = "\n".join(
        f'    oifname "{UPLINK}" {ip(net)} daddr {net.gateway} meta l4proto {{ tcp, udp }} th dport {TWIN_DNS_PORT}'
        f" dnat {ip(net)} to {_with_port(net.gateway, 53)}"
        for net in scope.nets
        if str(net.gateway) in scope.dns_servers
    )
    if twins:
        body += f"""
chain output {{
    type nat hook output priority -100; policy accept;
{twins}
}}"""
    return [NftTable.of("inet", "nat", body, carries=True)]


def _into(lane: Lane) -> str:
    """Return how what leaves by a tunnel gets our address there."""
    return "".join(
        f'\n    oifname "{lane.link}" {IP[source.version]} daddr {{ {led} }} {IP[source.version]} saddr != {source}'
        f" snat {IP[source.version]} to {source}"
        for version in VERSIONS
        if (source := lane.source(version)) is not None
        and (led := ", ".join(map(str, apart(of_version(lane.networks, version)))))
    )


def _with_port(address: IPAddress, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
