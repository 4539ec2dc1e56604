"""Requests that move links from one namespace to another: the last part of ``KernelRtnl``."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping

from pyroute2 import IPRoute
from pyroute2.netlink import NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_GETLINK, RTM_SETLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from netnsmgr.errors import KernelError
from netnsmgr.items.port_record import Record
from netnsmgr.items.system import FarLink, LinkInfo
from netnsmgr.kernel.far_links import far_links
from netnsmgr.kernel.link_messages import SKIP_STATISTICS, link_info, new_link
from netnsmgr.kernel.ndp_proxies import ProxyRequests
from netnsmgr.kernel.refusals import explained, index, index_or_none, opened

NO_WIREGUARD = (
    "this kernel makes no WireGuard interfaces any more (module wireguard): load it (modprobe wireguard)"
)


class MoveRequests(ProxyRequests):
    """What ``items.system.Rtnl`` says of links in other namespaces; ``home`` is an open file of the device's root one.

    Nobody enters the other namespace: the kernel looks, and moves, for who may administer both.
    """

    def __init__(self, home: int | None = None) -> None:
        super().__init__()
        self._home = home

    async def link_in(self, path: str, name: str) -> LinkInfo | None:
        """Return the link called ``name`` in the namespace at ``path``; None where there is none."""
        # A namespace that nothing of ours ever went to has no id; one that has got a link from here does.
        nsid = await self.netns_id(path)
        if nsid is None:
            return None
        message = ifinfmsg()
        message["attrs"] = [
            ("IFLA_IFNAME", name),
            ("IFLA_IF_NETNSID", nsid),
            ("IFLA_EXT_MASK", SKIP_STATISTICS),
        ]
        try:
            answer = await self._ip.nlm_request(message, RTM_GETLINK, NLM_F_REQUEST)
            found = [each async for each in answer]
        except NetlinkError as error:
            if error.code in (errno.ENODEV, errno.EINVAL):  # EINVAL: the namespace has gone this moment
                return None
            raise KernelError(f"link {name} in {path}: {error}") from error
        return link_info(found[0], {}) if found else None

    async def move_link(self, name: str, path: str, new: str = "", alias: str = "") -> None:
        """Move a link into the namespace at ``path``, where it is down; it keeps its MAC, and name and alias unless others
        are given: it has those at once when it is there.
        """
        with opened(path) as far, explained(f"link {name} to {path}"):
            await self._move(index(name), far, new, alias)

    async def far_links(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], FarLink]:
        """Return those of these links, by path of the namespace and name, that are there."""
        return far_links(wanted)

    async def delete_in(self, path: str, name: str) -> None:
        """Remove a link of the namespace at ``path``; fine if it has gone."""
        nsid = await self.netns_id(path)
        if nsid is None:
            return
        message = ifinfmsg()
        message["attrs"] = [("IFLA_IFNAME", name), ("IFLA_IF_NETNSID", nsid)]
        with explained(f"link {name} in {path}", gone_is_fine=True):
            await self._request(message, RTM_DELLINK, 0)

    async def has_link(self, name: str) -> bool:
        """Say whether there is a link of this name now, whatever was listed before."""
        return index_or_none(name) is not None

    async def add_wireguard(self, name: str) -> None:
        """Make a WireGuard interface; it is down, and nothing is set on it."""
        try:
            message = new_link(name, "wireguard", mac="", up=False)
            await self._create(message, f"link {name}", unless=lambda there: there.kind == "wireguard")
        except KernelError as error:
            if isinstance(error.__cause__, NetlinkError) and error.__cause__.code == errno.EOPNOTSUPP:
                raise KernelError(f"link {name}: {NO_WIREGUARD}") from error
            raise

    async def give_back(self, name: str) -> None:
        """Move a link to the device's root namespace; where its name is taken there, it is ``dev0`` or so."""
        if self._home is None:
            raise KernelError(f"link {name}: the device's root namespace is not known here")
        with explained(f"link {name} to the device's root namespace", gone_is_fine=True):
            here = index(name)
            try:
                await self._move(here, self._home)
            except NetlinkError as error:
                if error.code != errno.EEXIST:
                    raise
                await self._move(here, self._home, "dev%d")

    async def _move(self, number: int, namespace: int, name: str = "", alias: str = "") -> None:
        message = ifinfmsg()
        message["index"] = number
        message["attrs"] = [("IFLA_NET_NS_FD", namespace)]
        if name:
            message["attrs"].append(("IFLA_IFNAME", name))
        if alias:
            message["attrs"].append(("IFLA_IFALIAS", alias))
        try:
            await self._request(message, RTM_SETLINK, 0)
        finally:
            self.refresh()

    async def rename_link(self, name: str, new: str) -> None:
        """Give a link another name; it is down afterwards, as kernels before 6.2 rename no other."""
        if new in (await self.links()):
            raise KernelError(f"another link is called {new}")
        number = index(name)
        await self.set_link(name, up=False)
        with explained(f"link {name}"):
            await self._ip.link("set", index=number, ifname=new)
        self.refresh()


def borrows(instance: str, key: bytes) -> bool:
    """Say whether a link of this namespace is a port that we lent to ``instance``; asked before there is a loop."""
    with IPRoute() as asking:
        infos = [link_info(message, {}) for message in asking.link("dump", ext_mask=SKIP_STATISTICS)]
    return any((record := Record.of(info, key)) is not None and record.instance == instance for info in infos)
