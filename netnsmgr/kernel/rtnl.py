"""Links, addresses, routes and rules through rtnetlink(7), by pyroute2."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWLINK, RTM_SETLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from netnsmgr.errors import KernelError
from netnsmgr.items.address import Address
from netnsmgr.items.link import Bridge, Tap, Veth
from netnsmgr.items.route import LOCAL, MAIN, Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.system import OWNER_PROTOCOL, LinkInfo
from netnsmgr.kernel.link_messages import SKIP_STATISTICS, link_info, new_link, set_forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL_PROTOCOL = 2
ROUTE_TYPES = {"unicast": 1, "local": 2, "unreachable": 7}
TYPE_NAMES = {number: name for name, number in ROUTE_TYPES.items()}
GONE = (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO)


class KernelRtnl:
    """One rtnetlink socket of the namespace that the process lives in; see ``items.system.Rtnl``."""

    def __init__(self) -> None:
        self._ip = AsyncIPRoute()
        self._links: dict[str, LinkInfo] | None = None

    async def __aenter__(self) -> Self:
        await self._ip.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ip.__aexit__(kind, error, trace)

    def refresh(self) -> None:
        """Forget what was listed: the next question asks the kernel again."""
        self._links = None

    async def links(self) -> Mapping[str, LinkInfo]:
        if self._links is None:
            messages = await _listed("links", self._ip.link("dump", ext_mask=SKIP_STATISTICS))
            names = {message["index"]: message.get("ifname") for message in messages}
            self._links = {info.name: info for info in (link_info(m, names) for m in messages)}
        return self._links

    async def add_bridge(self, bridge: Bridge) -> None:
        message = new_link(bridge.name, "bridge", mac=bridge.mac)
        await self._create(message, f"bridge {bridge.name}", unless=lambda there: there.kind == "bridge")
        # The MTU by a change, not at birth: a bridge that was only born with one follows that of its ports.
        await self.set_link(
            bridge.name, up=True, mtu=bridge.mtu, mac=bridge.mac or None, alias=bridge.full_alias
        )

    async def add_veth(self, veth: Veth) -> None:
        with _opened(veth.far_path) as far:
            peer = [("IFLA_IFNAME", veth.far_name), ("IFLA_MTU", veth.mtu), ("IFLA_NET_NS_FD", far)]
            if veth.far_mac:
                peer.append(("IFLA_ADDRESS", veth.far_mac))
            message = new_link(
                veth.name,
                "veth",
                mtu=veth.mtu,
                mac=veth.mac,
                master=_index(veth.master) if veth.master else 0,
                data=[("VETH_INFO_PEER", {"attrs": peer})],
            )
            what = f"veth {veth.name} with {veth.far_name} in {veth.far_netns}"
            # The alias is what is written last, so a pair that has it is complete.
            await self._create(message, what, unless=lambda there: there.alias == veth.full_alias)
        # The alias is set by request, not at birth: RTM_NEWLINK ignores IFLA_IFALIAS for a new link.
        await self.set_link(veth.name, alias=veth.full_alias)

    async def add_tap(self, tap: Tap) -> None:
        with _explained(f"TAP {tap.name}"):
            await self._ip.link("add", ifname=tap.name, kind="tuntap", mode="tap")
        self.refresh()
        await self.set_link(
            tap.name, up=True, mtu=tap.mtu, mac=tap.mac or None, master=tap.master, alias=tap.full_alias
        )

    async def _create(self, message: ifinfmsg, what: str, *, unless: Callable[[LinkInfo], bool]) -> None:
        """Make a link; fine if one of the name is there that ``unless`` accepts as the same."""
        with _explained(what):
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
        change: dict[str, Any] = {"index": _index(name)}
        if up is not None:
            change["state"] = "up" if up else "down"
        if mtu is not None:
            change["mtu"] = mtu
        if mac is not None:
            change["address"] = mac
        if master is not None:
            change["master"] = _index(master) if master else 0
        if alias is not None:
            change["ifalias"] = alias
        with _explained(f"link {name}"):
            await self._ip.link("set", **change)
        self.refresh()

    async def forward(self, name: str) -> None:
        with _explained(f"forwarding of {name}"):
            await self._request(set_forwarding(_index(name)), RTM_SETLINK, 0)

    async def delete_link(self, name: str) -> None:
        with _explained(f"link {name}", gone_is_fine=True):
            await self._ip.link("del", index=_index(name))
        self.refresh()

    async def netns_id(self, path: str) -> int | None:
        """Return the kernel's id of the namespace at ``path``, or None where there is no namespace or no id."""
        try:
            with _opened(path) as fd:
                answer = await self._ip.get_netnsid(fd=fd)
        except (KernelError, NetlinkError):
            return None
        nsid = answer["nsid"] if answer else None
        return nsid if isinstance(nsid, int) and nsid >= 0 else None

    async def addresses(self) -> Sequence[tuple[Address, bool]]:
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found = []
        for message in await _listed("addresses", self._ip.get_addr(family=socket.AF_INET)):
            # IFA_LOCAL is the address; IFA_ADDRESS would be the peer of a point-to-point link.
            text = f"{message.get('local')}/{message['prefixlen']}"
            link = names.get(message["index"])
            if link is not None:
                found.append((Address(link, IPv4Interface(text)), message.get("proto") == OWNER_PROTOCOL))
        return found

    async def add_address(self, address: Address) -> None:
        await self._address("replace", address)

    async def delete_address(self, address: Address) -> None:
        await self._address("del", address)

    async def _address(self, command: str, address: Address) -> None:
        ip = address.address
        with _explained(f"address {address.key()}", gone_is_fine=command == "del"):
            proto = {"proto": OWNER_PROTOCOL} if command != "del" else {}
            await self._ip.addr(
                command,
                index=_index(address.link),
                address=str(ip.ip),
                prefixlen=ip.network.prefixlen,
                family=socket.AF_INET,
                **proto,
            )

    async def routes(self) -> Sequence[Route]:
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found = []
        for message in await _listed(
            "routes", self._ip.get_routes(family=socket.AF_INET, proto=OWNER_PROTOCOL)
        ):
            via, src, oif = message.get("gateway"), message.get("prefsrc"), message.get("oif")
            found.append(
                Route(
                    dst=IPv4Network(f"{message.get('dst') or '0.0.0.0'}/{message['dst_len']}"),
                    table=message.get("table"),
                    metric=message.get("priority") or 0,
                    link=names.get(oif, "") if oif else "",
                    via=IPv4Address(via) if via else None,
                    type=TYPE_NAMES.get(message["type"], str(message["type"])),
                    src=IPv4Address(src) if src else None,
                )
            )
        return found

    async def gateways(self) -> Mapping[str, Sequence[IPv4Address]]:
        """Return the gateways of default routes in the main table that are not ours, best first, by link."""
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found: list[tuple[int, str, IPv4Address]] = []
        for message in await _listed("routes", self._ip.get_routes(family=socket.AF_INET, table=MAIN)):
            via, name = message.get("gateway"), names.get(message.get("oif") or 0)
            if message["dst_len"] == 0 and via and name and message["proto"] != OWNER_PROTOCOL:
                found.append((message.get("priority") or 0, name, IPv4Address(via)))
        by_link: dict[str, list[IPv4Address]] = {}
        for _, name, gateway in sorted(found):
            by_link.setdefault(name, []).append(gateway)
        return by_link

    async def replace_route(self, route: Route) -> None:
        await self._route("replace", route)

    async def delete_route(self, route: Route) -> None:
        await self._route("del", route)

    async def _route(self, command: str, route: Route) -> None:
        spec: dict[str, Any] = {
            "family": socket.AF_INET,
            "dst": str(route.dst),
            "table": route.table,
            "type": ROUTE_TYPES[route.type],
            "proto": OWNER_PROTOCOL,
        }
        if route.metric:
            spec["priority"] = route.metric
        if route.link:
            spec["oif"] = _index(route.link) if command != "del" else _index_or_none(route.link)
        if route.via is not None:
            spec |= {"gateway": str(route.via), "flags": ["onlink"]}
        elif route.type == "unicast":
            spec["scope"] = 253  # RT_SCOPE_LINK: the destination is on the link itself
        elif route.type == "local":
            spec["scope"] = 254  # RT_SCOPE_HOST
        if route.src is not None:
            spec["prefsrc"] = str(route.src)
        if command == "del" and spec.get("oif", 0) is None:
            return  # the kernel has removed the route together with its link
        with _explained(f"route {route.key()}", gone_is_fine=command == "del"):
            await self._ip.route(command, **spec)

    async def rules(self) -> Sequence[tuple[Rule, bool]]:
        found = []
        for message in await _listed("rules", self._ip.get_rules(family=socket.AF_INET)):
            if message["action"] != 1 or message.get("fwmark") or message.get("dst"):
                continue  # not of the form that we make
            src = message.get("src")
            rule = Rule(
                priority=message.get("priority") or 0,
                table=message.get("table"),
                iif=message.get("iifname") or "",
                src=IPv4Address(src) if src else None,
            )
            protocol = message.get("protocol")
            moved = rule.table == LOCAL and rule.priority != 0 and protocol == KERNEL_PROTOCOL
            found.append((rule, moved or protocol == OWNER_PROTOCOL))
        return found

    async def add_rule(self, rule: Rule) -> None:
        await self._rule("add", rule, ours=True)

    async def delete_rule(self, rule: Rule, *, ours: bool = True) -> None:
        await self._rule("del", rule, ours=ours)

    async def _rule(self, command: str, rule: Rule, *, ours: bool) -> None:
        spec: dict[str, Any] = {"family": socket.AF_INET, "priority": rule.priority, "table": rule.table}
        if command == "add":
            # The lookup of "local" stays the kernel's wherever it is: others (systemd-networkd, at its start) remove
            # rules that they do not know, and without this one the device would not even reach itself.
            spec["protocol"] = KERNEL_PROTOCOL if rule.table == LOCAL else OWNER_PROTOCOL
        elif ours and rule.table != LOCAL:
            spec["protocol"] = OWNER_PROTOCOL
        if rule.iif:
            spec["iifname"] = rule.iif
        if rule.src is not None:
            spec |= {"src": str(rule.src), "src_len": 32}
        with _explained(f"rule {rule.key()}", gone_is_fine=command == "del"):
            try:
                await self._ip.rule(command, **spec)
            except NetlinkError as error:
                if not (command == "add" and error.code == errno.EEXIST):
                    raise


async def _listed(what: str, dump: Awaitable[AsyncIterator[Any]]) -> list[Any]:
    with _explained(f"list of {what}"):
        return [message async for message in await dump]


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise KernelError(f"there is no link {name}") from error


def _index_or_none(name: str) -> int | None:
    with suppress(KernelError):
        return _index(name)
    return None


@contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"network namespace {path}: {error.strerror}") from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _explained(what: str, *, gone_is_fine: bool = False) -> Iterator[None]:
    """Turn the kernel's refusal into a sentence that names the object."""
    try:
        yield
    except NetlinkError as error:
        if not (gone_is_fine and error.code in GONE):
            raise KernelError(f"{what}: {os.strerror(error.code)}") from error
    except KernelError:
        if not gone_is_fine:
            raise
