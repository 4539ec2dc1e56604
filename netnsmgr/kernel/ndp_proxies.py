"""Requests about proxied neighbours: a part of ``KernelRtnl``."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv6Address

from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.rtnl import RTM_GETNEIGH
from pyroute2.netlink.rtnl.ndmsg import NTF_PROXY, ndmsg

from netnsmgr.items.ndp_proxy import NdpProxy
from netnsmgr.items.system import OWNER_PROTOCOL
from netnsmgr.kernel.refusals import explained, index, listed
from netnsmgr.kernel.routing import RoutingRequests


class ProxyRequests(RoutingRequests):
    """What ``items.system.Rtnl`` says of proxied neighbours."""

    async def proxies(self) -> Sequence[tuple[NdpProxy, bool]]:
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        asked = ndmsg()
        # With anything else here the kernel lists the neighbours themselves (neigh_dump_info).
        asked["family"], asked["flags"] = socket.AF_INET6, NTF_PROXY
        dump = self._ip.nlm_request(asked, msg_type=RTM_GETNEIGH, msg_flags=NLM_F_REQUEST | NLM_F_DUMP)
        return [
            (
                NdpProxy(names[message["ifindex"]], IPv6Address(message.get("dst"))),
                message.get("protocol") == OWNER_PROTOCOL,
            )
            for message in await listed("proxied neighbours", dump)
            if message["ifindex"] in names
        ]

    async def add_proxy(self, proxy: NdpProxy) -> None:
        await self._proxy("replace", proxy)

    async def delete_proxy(self, proxy: NdpProxy) -> None:
        await self._proxy("del", proxy)

    async def _proxy(self, command: str, proxy: NdpProxy) -> None:
        with explained(f"proxied neighbour {proxy.key()}", gone_is_fine=command == "del"):
            await self._ip.neigh(
                command,
                ifindex=index(proxy.link),
                dst=str(proxy.address),
                family=socket.AF_INET6,
                flags=NTF_PROXY,
                protocol=OWNER_PROTOCOL,
            )
