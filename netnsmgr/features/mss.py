"""TCP MSS clamping: no connection offers segments that the way out cannot carry."""

from __future__ import annotations

from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.nft import NftTable


def items(scope: InstanceScope) -> list[Item]:
    """Return the table that lowers the MSS of forwarded connections to the route's MTU, unless switched off."""
    if not scope.instance.spec.tcp_mss_clamp:
        return []
    body = """
chain forward {
    type filter hook forward priority mangle; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
}"""
    return [NftTable.of("inet", "mss", body)]
