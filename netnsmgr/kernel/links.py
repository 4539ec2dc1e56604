"""Requests about links: the half of ``KernelRtnl`` that makes, changes and removes them."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWLINK, RTM_SETLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from netnsmgr.errors import KernelError
from netnsmgr.items.link import HERE, Bridge, Tap, Tun, Veth
from netnsmgr.items.system import LinkInfo
from netnsmgr.items.vlan import VlanLink
from netnsmgr.items.xfrm import XfrmLink
from netnsmgr.kernel.link_messages import SKIP_STATISTICS, link_info, new_bridge, new_link, set_forwarding
from netnsmgr.kernel.refusals import explained, index, listed, opened

NO_VLANS = (
    "this kernel makes no VLAN links (module 8021q, CONFIG_VLAN_8021Q): load or install the module, or take the port "
    "with `vlan` out of the Device"
)


class LinkRequests:
    """What ``items.system.Rtnl`` says of links, and one listing of them, kept until ``refresh``."""

    def __init__(self) -> None:
        self._ip = AsyncIPRoute()
        self._links: dict[str, LinkInfo] | None = None

    def refresh(self) -> None:
        """Forget what was listed: the next question asks the kernel again."""
        self._links = None

    async def links(self) -> Mapping[str, LinkInfo]:
        if self._links is None:
            messages = await listed("links", self._ip.link("dump", ext_mask=SKIP_STATISTICS))
            names = {message["index"]: message.get("ifname") for message in messages}
            self._links = {info.name: info for info in (link_info(m, names) for m in messages)}
        return self._links

    async def add_bridge(self, bridge: Bridge) -> None:
        message = new_bridge(bridge.name, bridge.mac)
        await self._create(message, f"bridge {bridge.name}", unless=lambda there: there.kind == "bridge")
        # The MTU by a change, not at birth: a bridge that was only born with one follows that of its ports.
        await self.set_link(
            bridge.name, up=True, mtu=bridge.mtu, mac=bridge.mac or None, alias=bridge.full_alias
        )

    async def add_veth(self, veth: Veth) -> None:
        with opened(veth.far_path) as far:
            peer = [("IFLA_IFNAME", veth.far_name), ("IFLA_MTU", veth.mtu), ("IFLA_NET_NS_FD", far)]
            if veth.far_mac:
                peer.append(("IFLA_ADDRESS", veth.far_mac))
            message = new_link(
                veth.name,
                "veth",
                mtu=veth.mtu,
                mac=veth.mac,
                master=index(veth.master) if veth.master else 0,
                data=[("VETH_INFO_PEER", {"attrs": peer})],
                up=not veth.joins,
                arp=veth.arp,
            )
            what = f"veth {veth.name} with {veth.far_name} in {veth.far_netns}"
            # The alias is what is written last, so a pair that has it is complete.
            try:
                await self._create(message, what, unless=lambda there: there.alias == veth.full_alias)
            except KernelError as error:
                cause = error.__cause__
                taken = isinstance(cause, NetlinkError) and cause.code == errno.EEXIST
                if taken and veth.name not in await self.links():
                    raise KernelError(
                        f"network namespace {veth.far_netns} has an interface {veth.far_name} already, which is not netnsmgr's: rename or "
                        f"remove it there, or name the application's interface otherwise"
                    ) from error
                raise
        if veth.far_path == HERE:
            await self.set_link(veth.far_name, up=True)
        # The alias is set by request, not at birth: RTM_NEWLINK ignores IFLA_IFALIAS for a new link.
        await self.set_link(veth.name, alias=veth.full_alias)

    async def add_tap(self, tap: Tap) -> None:
        await self._add_tuntap(tap, "tap")

    async def add_tun(self, tun: Tun) -> None:
        await self._add_tuntap(tun, "tun")

    async def _add_tuntap(self, link: Tap | Tun, mode: str) -> None:
        with explained(f"{mode.upper()} {link.name}"):
            await self._ip.link("add", ifname=link.name, kind="tuntap", mode=mode)
        self.refresh()
        await self.set_link(
            link.name,
            up=None if link.joins else True,
            mtu=link.mtu,
            mac=link.mac or None,
            master=None if link.joins else link.master,
            alias=link.full_alias,
        )

    async def add_vlan(self, vlan: VlanLink) -> None:
        message = new_link(
            vlan.name,
            "vlan",
            mtu=vlan.mtu,
            mac=vlan.mac,
            data=[("IFLA_VLAN_ID", vlan.vid)],
            lower=index(vlan.parent),
        )
        # Down until it has its alias: only so it is known for ours, if we are cut off.
        message["flags"] = message["change"] = 0
        what = f"VLAN {vlan.vid} of {vlan.parent}"
        try:
            await self._create(message, what, unless=lambda there: vlan.is_it(there, there.alias))
        except KernelError as error:
            if isinstance(error.__cause__, NetlinkError) and error.__cause__.code == errno.EOPNOTSUPP:
                raise KernelError(f"{what}: {NO_VLANS}") from error
            raise
        await self.set_link(vlan.name, alias=vlan.full_alias)
        await self.set_link(vlan.name, up=True)

    async def add_xfrm(self, link: XfrmLink) -> None:
        message = new_link(link.name, "xfrm", mtu=link.mtu, mac="", data=[("IFLA_XFRM_IF_ID", link.if_id)])
        await self._create(message, f"xfrm link {link.name}", unless=lambda there: there.kind == "xfrm")
        await self.set_link(link.name, up=True, mtu=link.mtu, alias=link.full_alias)

    async def _create(self, message: ifinfmsg, what: str, *, unless: Callable[[LinkInfo], bool]) -> None:
        """Make a link; fine if one of the name is there that ``unless`` accepts as the same."""
        with explained(what):
            try:
                await self._request(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
            except NetlinkError as error:
                self.refresh()
                there = (await self.links()).get(message.get_attr("IFLA_IFNAME"))
                if error.code != errno.EEXIST or there is None or not unless(there):
                    raise
        self.refresh()

    async def _request(self, message: ifinfmsg, kind: int, flags: int) -> None:
        answer: AsyncIterator[Any] = await self._ip.nlm_request(
            message, kind, NLM_F_REQUEST | NLM_F_ACK | flags
        )
        async for _ in answer:
            pass

    async def set_link(
        self,
        name: str,
        *,
        up: bool | None = None,
        mtu: int | None = None,
        mac: str | None = None,
        master: str | None = None,
        alias: str | None = None,
    ) -> None:
        change: dict[str, Any] = {"index": index(name)}
        if up is not None:
            change["state"] = "up" if up else "down"
        if mtu is not None:
            change["mtu"] = mtu
        if mac is not None:
            change["address"] = mac
        if master is not None:
            change["master"] = index(master) if master else 0
        if alias is not None:
            change["ifalias"] = alias
        with explained(f"link {name}"):
            await self._ip.link("set", **change)
        self.refresh()

    async def forward(self, name: str) -> None:
        with explained(f"forwarding of {name}"):
            await self._request(set_forwarding(index(name)), RTM_SETLINK, 0)

    async def delete_link(self, name: str) -> None:
        with explained(f"link {name}", gone_is_fine=True):
            await self._ip.link("del", index=index(name))
        self.refresh()

    async def netns_id(self, path: str) -> int | None:
        """Return the kernel's id of the namespace at ``path``, or None where there is no namespace or no id."""
        try:
            with opened(path) as fd:
                answer = await self._ip.get_netnsid(fd=fd)
        except (KernelError, NetlinkError):
            return None
        nsid = answer["nsid"] if answer else None
        return nsid if isinstance(nsid, int) and nsid >= 0 else None
