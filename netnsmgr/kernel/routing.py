"""Requests about addresses, routes and rules: the other half of ``KernelRtnl``."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network, ip_address, ip_interface, ip_network
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from netnsmgr.core.ip import VERSIONS, IPAddress, IPInterface, Version, any_network, interface
from netnsmgr.items.address import Address
from netnsmgr.items.route import MAIN, Route
from netnsmgr.items.rule import WHOLE_MARK, Rule
from netnsmgr.items.system import OWNER_PROTOCOL
from netnsmgr.kernel.links import LinkRequests
from netnsmgr.kernel.refusals import explained, index, index_or_none, listed

KERNEL_PROTOCOL = 2
TEMPORARY, NODAD, DEPRECATED = 0x01, 0x02, 0x20  # IFA_F_…, linux/if_addr.h
KERNEL_RA = 2
"""``IFAPROT_KERNEL_RA`` of linux/if_addr.h: the kernel has made the address of what a router advertises."""
PREFERENCE = {1: 0, 0: 1, 3: 2}
"""Of routers, as they advertise it: high, medium, low (RFC 4191, 2.1; ``RTA_PREF``) → their order."""
IPV6_METRIC = 1024
"""What the kernel makes of a route's metric 0 in IPv6 (``IP6_RT_PRIO_USER`` of net/ipv6_route.h)."""
ROUTE_TYPES = {"unicast": 1, "local": 2, "unreachable": 7}
TYPE_NAMES = {number: name for name, number in ROUTE_TYPES.items()}
FAMILY: Mapping[Version, int] = {4: socket.AF_INET, 6: socket.AF_INET6}


class RoutingRequests(LinkRequests):
    """What ``items.system.Rtnl`` says of addresses, routes and rules; they name links, the kernel numbers them.

    ``ipv6`` says whether those of IPv6 are listed, too: each listing costs, and most instances have none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ipv6 = True

    @property
    def _versions(self) -> tuple[Version, ...]:
        return VERSIONS if self.ipv6 else (4,)

    async def addresses(self) -> Sequence[tuple[Address, bool]]:
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found = []
        for version in self._versions:
            messages = await listed("addresses", self._ip.get_addr(family=FAMILY[version]))
            # Those that shall not be used any more come last: an advertised prefix that was replaced (RFC 4862, 5.5.4).
            for message in sorted(messages, key=lambda each: bool((each.get("flags") or 0) & DEPRECATED)):
                # IFA_LOCAL is the address; IFA_ADDRESS would be the peer of a point-to-point link.  IPv6 has the latter.
                text = f"{message.get('local') or message.get('address')}/{message['prefixlen']}"
                link = names.get(message["index"])
                if link is not None:
                    old = bool((message.get("flags") or 0) & DEPRECATED)
                    address = Address(link, ip_interface(text), deprecated=old)
                    found.append((address, message.get("proto") == OWNER_PROTOCOL))
        return found

    async def advertised(self, link: str) -> frozenset[IPInterface]:
        """Return a link's IPv6 addresses that the kernel has made of router advertisements; whatever ``ipv6`` says.

        Only the kernel makes temporary ones: it ignores that flag in requests (``inet6_rtm_newaddr``).
        """
        messages = await listed("addresses", self._ip.get_addr(family=socket.AF_INET6))
        number = index(link)
        return frozenset(
            interface(ip_address(message.get("address")), message["prefixlen"])
            for message in messages
            if message["index"] == number
            and (message.get("proto") == KERNEL_RA or (message.get("flags") or 0) & TEMPORARY)
        )

    async def add_address(self, address: Address) -> None:
        await self._address("replace", address)

    async def delete_address(self, address: Address) -> None:
        await self._address("del", address)

    async def _address(self, command: str, address: Address) -> None:
        ip = address.address
        with explained(f"address {address.key()}", gone_is_fine=command == "del"):
            more: dict[str, Any] = {"proto": OWNER_PROTOCOL} if command != "del" else {}
            if command != "del" and ip.version == 6 and not address.dad:
                more["flags"] = NODAD
            if command != "del" and address.deprecated:
                more["preferred_lft"] = 0  # and valid for ever
            await self._ip.addr(
                command,
                index=index(address.link),
                address=str(ip.ip),
                prefixlen=ip.network.prefixlen,
                family=FAMILY[ip.version],
                **more,
            )

    async def routes(self) -> Sequence[Route]:
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        return [
            _read(message, version, names)
            for version in self._versions
            for message in await listed(
                "routes", self._ip.get_routes(family=FAMILY[version], proto=OWNER_PROTOCOL)
            )
        ]

    async def gateways(self) -> Mapping[str, Sequence[IPAddress]]:
        """Return the gateways of default routes in the main table that are not ours, best first, by link."""
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found: list[tuple[int, int, int, str, IPAddress]] = []
        for version in self._versions:
            for message in await listed("routes", self._ip.get_routes(family=FAMILY[version], table=MAIN)):
                via, name = message.get("gateway"), names.get(message.get("oif") or 0)
                if message["dst_len"] == 0 and via and name and message["proto"] != OWNER_PROTOCOL:
                    rank = PREFERENCE.get(message.get("pref") or 0, 1)
                    found.append((version, message.get("priority") or 0, rank, name, ip_address(via)))
        by_link: dict[str, list[IPAddress]] = {}
        for *_, name, gateway in sorted(found, key=lambda each: each[:4]):
            by_link.setdefault(name, []).append(gateway)
        return by_link

    async def networks(self) -> Mapping[str, Sequence[IPv6Network]]:
        """Return the IPv6 networks that are on a link, as the kernel has found or been told, by link."""
        names = {info.ifindex: info.name for info in (await self.links()).values()}
        found: dict[str, list[IPv6Network]] = {}
        for message in await listed("routes", self._ip.get_routes(family=socket.AF_INET6, table=MAIN)):
            name, via = names.get(message.get("oif") or 0), message.get("gateway")
            if name and not via and message["dst_len"] and message["type"] == ROUTE_TYPES["unicast"]:
                network = IPv6Network((message.get("dst"), message["dst_len"]))
                known = found.setdefault(name, [])
                if message["proto"] != OWNER_PROTOCOL and network not in known:
                    known.append(network)
        return found

    async def replace_route(self, route: Route) -> None:
        await self._route("replace", route)

    async def delete_route(self, route: Route) -> None:
        await self._route("del", route)

    async def _route(self, command: str, route: Route) -> None:
        spec: dict[str, Any] = {
            "family": FAMILY[route.dst.version],
            "dst": str(route.dst),
            "table": route.table,
            "type": ROUTE_TYPES[route.type],
            "proto": OWNER_PROTOCOL,
        }
        if route.metric:
            spec["priority"] = route.metric
        if route.link:
            spec["oif"] = index(route.link) if command != "del" else index_or_none(route.link)
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
        with explained(f"route {route.key()}", gone_is_fine=command == "del"):
            await self._ip.route(command, **spec)

    async def rules(self) -> Sequence[tuple[Rule, bool]]:
        found = []
        for version in self._versions:
            for message in await listed("rules", self._ip.get_rules(family=FAMILY[version])):
                if message["action"] != 1 or (message.get("fwmask") and not message.get("fwmark")):
                    continue  # not of the form that we make
                src, dst = message.get("src"), message.get("dst")
                rule = Rule(
                    priority=message.get("priority") or 0,
                    table=message.get("table"),
                    iif=message.get("iifname") or "",
                    src=ip_address(src) if src else None,
                    dst=ip_network(f"{dst}/{message['dst_len']}") if dst else None,
                    mark=message.get("fwmark") or 0,
                    version=version,
                    # A rule of any mark has none.
                    mask=message.get("fwmask") or WHOLE_MARK,
                    oif=message.get("oifname") or "",
                )
                protocol = message.get("protocol")
                moved = rule.moved_local and rule.priority != 0 and protocol == KERNEL_PROTOCOL
                found.append((rule, moved or protocol == OWNER_PROTOCOL))
        return found

    async def add_rule(self, rule: Rule) -> None:
        await self._rule("add", rule, ours=True)

    async def delete_rule(self, rule: Rule, *, ours: bool = True) -> None:
        await self._rule("del", rule, ours=ours)

    async def _rule(self, command: str, rule: Rule, *, ours: bool) -> None:
        spec: dict[str, Any] = {
            "family": FAMILY[rule.version],
            "priority": rule.priority,
            "table": rule.table,
        }
        if command == "add":
            # The lookup of "local" stays the kernel's wherever it is: others (systemd-networkd, at its start) remove
            # rules that they do not know, and without this one the device would not even reach itself.
            spec["protocol"] = KERNEL_PROTOCOL if rule.moved_local else OWNER_PROTOCOL
        elif ours and not rule.moved_local:
            spec["protocol"] = OWNER_PROTOCOL
        if rule.iif:
            spec["iifname"] = rule.iif
        if rule.src is not None:
            spec |= {"src": str(rule.src), "src_len": rule.src.max_prefixlen}
        if rule.dst is not None:
            spec |= {"dst": str(rule.dst.network_address), "dst_len": rule.dst.prefixlen}
        if rule.mark:
            spec |= {"fwmark": rule.mark, "fwmask": rule.mask}
        if rule.oif:
            spec["oifname"] = rule.oif
        with explained(f"rule {rule.key()}", gone_is_fine=command == "del"):
            try:
                await self._ip.rule(command, **spec)
            except NetlinkError as error:
                if not (command == "add" and error.code == errno.EEXIST):
                    raise


def _read(message: Any, version: Version, names: Mapping[int, str]) -> Route:
    via, src, oif = message.get("gateway"), message.get("prefsrc"), message.get("oif")
    type_ = TYPE_NAMES.get(message["type"], str(message["type"]))
    metric = message.get("priority") or 0
    if version == 6:
        metric = 0 if metric == IPV6_METRIC else metric
        # The kernel puts these on the loopback link, whatever was asked for.
        oif = None if type_ == "unreachable" else oif
    dst = message.get("dst")
    return Route(
        dst=ip_network(f"{dst}/{message['dst_len']}") if dst else any_network(version),
        table=message.get("table"),
        metric=metric,
        link=names.get(oif, "") if oif else "",
        via=ip_address(via) if via else None,
        type=type_,
        src=ip_address(src) if src else None,
    )
