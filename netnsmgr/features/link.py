"""The instance's end of its link to the device's root namespace, and the way out over it."""

from __future__ import annotations

from netnsmgr.core.ip import any_network
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.address import Address
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.nft import NftTable
from netnsmgr.items.route import Route
from netnsmgr.items.sysctl import Sysctl

UPLINK = "uplink"
NAT = NftTable.of("inet", "nat", "").ref
"""The table of the source NAT (``nat.py``), on which the way out stands."""
VPN = "vpn"
VPN_GUARD = NftTable.of("inet", VPN, "").ref
"""The kill switch of an instance with tunnels (``vpn/guard.py``), on which it stands, too."""


def items(scope: InstanceScope) -> list[Item]:
    """Return what makes the inner half usable; an air-gapped instance gets no route over it, nor does one whose
    packets leave by tunnels alone.
    """
    addresses = [Address(UPLINK, link.iface(link.inner)) for link in scope.links]
    up = LinkUp(UPLINK, scope.mtu)
    found: list[Item] = [
        ExternalLink(UPLINK),
        up,
        *addresses,
        Forwarding(UPLINK),
        # The answer of a host whose address also is one of ours, here or in the site's network that has the
        # same subnet, comes in over this link: neither "martian" nor "wrong way round".
        Sysctl(f"net/ipv4/conf/{UPLINK}/accept_local", "1", UPLINK),
        Sysctl(f"net/ipv4/conf/{UPLINK}/rp_filter", "0", UPLINK),
        # The larger of the two counts, and a new namespace begins with what the device has for all links.
        Sysctl("net/ipv4/conf/all/rp_filter", "0"),
    ]
    if scope.instance.has_ipv6:
        found += [
            Sysctl(f"net/ipv6/conf/{UPLINK}/accept_ra", "0", UPLINK),
            Sysctl(f"net/ipv6/conf/{UPLINK}/accept_dad", "0", UPLINK),
        ]
    vpn = scope.instance.spec.vpn
    if not scope.instance.air_gapped:
        for link, address in zip(scope.links, addresses, strict=True):
            everything = any_network(link.version)
            if vpn is not None and (vpn.rest == "block" or everything in vpn.networks):
                continue
            # Nothing leaves before its address is translated: a flow that began without would go on without.
            after: frozenset[Ref] = frozenset(
                {up.ref, address.ref, NAT, *([] if vpn is None else [VPN_GUARD])}
            )
            found.append(Route(everything, link=UPLINK, via=link.outer, src=link.inner, after=after))
    return found
