"""rtnetlink's messages about links: made, read, and rehearsed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from pyroute2.netlink import nla
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netnsmgr.items.system import LinkInfo

IFF_UP = 1
IFF_RUNNING = 1 << 6
IFF_NOARP = 1 << 7
SKIP_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS: counters are most of a link's message


class _SetForwarding(ifinfmsg):  # type: ignore[misc]
    """RTM_SETLINK with IFLA_INET_CONF as the kernel takes it; pyroute2 knows only how the kernel tells it."""

    class af_spec_inet(nla):  # type: ignore[misc]  # noqa: N801
        nla_map = ((2, "AF_INET", "inet"),)

        class inet(nla):  # type: ignore[misc]  # noqa: N801
            nla_map = ((1, "IFLA_INET_CONF", "conf"),)

            class conf(nla):  # type: ignore[misc]  # noqa: N801
                nla_map = ((1, "IPV4_DEVCONF_FORWARDING", "uint32"),)


class _NewBridge(ifinfmsg):  # type: ignore[misc]
    """RTM_NEWLINK of a bridge with IFLA_BR_MULTI_BOOLOPT (linux/if_link.h), which pyroute2 does not know."""

    # Where the layout of its base was compiled before, pyroute2 would take that one for this class, too.
    _nlmsg_base__compiled_nla = False

    class ifinfo(nla):  # type: ignore[misc]  # noqa: N801
        nla_map = ((1, "IFLA_INFO_KIND", "asciiz"), (2, "IFLA_INFO_DATA", "bridge_data"))

        class bridge_data(nla):  # type: ignore[misc]  # noqa: N801
            nla_map = ((46, "IFLA_BR_MULTI_BOOLOPT", "cdata"),)


def new_bridge(name: str, mac: str) -> ifinfmsg:
    """Return the request that makes a bridge which learns no MAC from link-local frames.

    Those (01:80:c2:00:00:02 to 0f) pass no hook of the packet filter before their sender is learnt, so that one of them
    would bring an application all that the instance sends to another.
    """
    message = _NewBridge()
    message["flags"] = message["change"] = IFF_UP
    no_linklocal_learn = struct.pack("=II", 1, 1)  # value and mask
    data = ("IFLA_INFO_DATA", {"attrs": [("IFLA_BR_MULTI_BOOLOPT", no_linklocal_learn)]})
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name)]
    if mac:
        attrs.append(("IFLA_ADDRESS", mac))
    attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge"), data]}))
    message["attrs"] = attrs
    return message


def set_forwarding(ifindex: int) -> ifinfmsg:
    """Return the request that lets a link forward IPv4 packets that come in by it."""
    message = _SetForwarding()
    message["index"] = ifindex
    conf = {"attrs": [("IPV4_DEVCONF_FORWARDING", 1)]}
    inet = {"attrs": [("IFLA_INET_CONF", conf)]}
    message["attrs"] = [("IFLA_AF_SPEC", {"attrs": [("AF_INET", inet)]})]
    return message


LINK_ATTRIBUTES = frozenset(
    f"IFLA_{name}"
    for name in (
        "IFNAME",
        "MTU",
        "ADDRESS",
        "MASTER",
        "IFALIAS",
        "LINK",
        "LINK_NETNSID",
        "CARRIER",
        "LINKINFO",
        "PERM_ADDRESS",
    )
)


def link_info(message: Any, names: Mapping[int, str]) -> LinkInfo:
    # A link has some forty attributes, which pyroute2 unpacks when they are looked at: only ours are.
    known = {slot[0]: slot[1] for slot in message["attrs"] if slot[0] in LINK_ATTRIBUTES}
    info = known.get("IFLA_LINKINFO")
    kind = next((slot[1] for slot in info["attrs"] if slot[0] == "IFLA_INFO_KIND"), "") if info else ""
    return LinkInfo(
        name=known["IFLA_IFNAME"],
        ifindex=message["index"],
        kind=kind,
        up=bool(message["flags"] & IFF_UP),
        carrier=bool(known.get("IFLA_CARRIER")),
        mtu=known["IFLA_MTU"],
        mac=known.get("IFLA_ADDRESS", ""),
        master=names.get(known.get("IFLA_MASTER", 0), ""),
        alias=known.get("IFLA_IFALIAS", ""),
        peer_netns=known.get("IFLA_LINK_NETNSID"),
        hardware=message["ifi_type"],
        vid=_vid(info) if kind == "vlan" else 0,
        # Of a veth it is the other end, which stands on nothing.
        lower=""
        if kind == "veth" or "IFLA_LINK_NETNSID" in known
        else names.get(known.get("IFLA_LINK", 0), ""),
        running=bool(message["flags"] & IFF_RUNNING),
        permanent=known.get("IFLA_PERM_ADDRESS", ""),
    )


def _vid(info: Any) -> int:
    data = next((slot[1] for slot in info["attrs"] if slot[0] == "IFLA_INFO_DATA"), None)
    return int(data.get_attr("IFLA_VLAN_ID") or 0) if data is not None else 0


def new_link(
    name: str,
    kind: str,
    *,
    mtu: int = 0,
    mac: str,
    master: int = 0,
    data: list[tuple[str, Any]] | None = None,
    up: bool = True,
    arp: bool = True,
    lower: int = 0,
) -> ifinfmsg:
    message = ifinfmsg()
    message["flags"] = message["change"] = (IFF_UP if up else 0) | (0 if arp else IFF_NOARP)
    info = [("IFLA_INFO_KIND", kind)]
    if data:
        info.append(("IFLA_INFO_DATA", {"attrs": data}))  # type: ignore[arg-type]
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name)]
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    if mac:
        attrs.append(("IFLA_ADDRESS", mac))
    if master:
        attrs.append(("IFLA_MASTER", master))
    if lower:
        attrs.append(("IFLA_LINK", lower))
    attrs.append(("IFLA_LINKINFO", {"attrs": info}))
    message["attrs"] = attrs
    return message


def rehearse() -> None:
    """Have pyroute2 compile the layouts of the messages that we use, by packing and unpacking one of each."""
    veth = [("VETH_INFO_PEER", {"attrs": [("IFLA_IFNAME", "b"), ("IFLA_NET_NS_FD", 0)]})]
    link = new_link("a", "veth", mtu=1500, mac="02:00:00:00:00:01", data=veth)
    for message in (
        link,
        new_bridge("a", "02:00:00:00:00:01"),
        ifaddrmsg(),
        rtmsg(),
        fibmsg(),
        set_forwarding(1),
    ):
        message.encode()
        unpacked = type(message)(message.data)
        unpacked.decode()
        unpacked.get("linkinfo")
