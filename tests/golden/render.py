"""Items as text that reads like a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netnsmgr.core.item import Item
from netnsmgr.items.address import Address
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.bridges import PortVlan
from netnsmgr.items.file import Directory, File
from netnsmgr.items.flows import MappedFlows
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import Bridge, ExternalLink, ExternalNetns, Link, LinkUp, Tap, Tun, Veth
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.port import BorrowedPort, LentPort
from netnsmgr.items.process import Process
from netnsmgr.items.route import MAIN, Route
from netnsmgr.items.rule import WHOLE_MARK, LocalRule, Rule
from netnsmgr.items.shared_port import SharedBridge, SharedPort
from netnsmgr.items.switch_bridge import SwitchBridge
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.told import Told
from netnsmgr.items.tunnel import Tunnel
from netnsmgr.items.vlan import VlanLink
from netnsmgr.items.wireguard import Wireguard
from netnsmgr.items.xfrm import XfrmLink

KINDS = (
    Told, ExternalLink, ExternalNetns, LentPort, BorrowedPort, VlanLink, SharedBridge, SharedPort, Bridge, SwitchBridge, Veth, Tap, Tun, LinkUp,
    BridgePort, Address, Route, Rule, LocalRule, Sysctl, Forwarding,
    NftTable, NftSet, NftPart, MappedFlows, Directory, File, Process,
)  # fmt: skip
RANKS: dict[type[Item], int] = {kind: rank for rank, kind in enumerate(KINDS)}


def terminal(items: Iterable[Item]) -> str:
    """Return one line for each item, in the order of the kinds; tables and files with their text at the end."""
    listed = list(items)
    lines = [
        (RANKS.get(type(item), len(RANKS)), _position(item), text) for item in listed if (text := _line(item))
    ]
    found = [text for _, _, text in sorted(lines)]
    for item in sorted(listed, key=lambda item: item.ref):
        if isinstance(item, NftTable):
            found += ["", f"table {item.family} {item.name} {{{_indented(item.body)}\n}}"]
    for item in sorted(listed, key=lambda item: item.ref):
        if isinstance(item, NftPart):
            found += ["", _part(item)]
    for item in sorted(listed, key=lambda item: item.ref):
        if isinstance(item, File):
            reload = f"  # read again by {item.reload}" if item.reload else ""
            found += ["", f"$ cat {item.path}{reload}", item.text.rstrip("\n") or "(empty)"]
    return "\n".join(found)


def _position(item: Item) -> tuple[object, ...]:
    """Where ``ip`` would list it."""
    match item:
        case Rule():
            return (item.priority, item.key())
        case Route():
            return (item.table, item.dst.prefixlen > 0, item.metric, item.key())
        case _:
            return (0, item.key())


def _veth(link: Veth) -> str:
    mac = f" address {link.far_mac}" if link.far_mac else ""
    far = f"{link.far_name} netns {link.far_netns}{mac}"
    return f"ip link add {link.name} type veth peer name {far}{_link(link)}"


def _link(link: Link) -> str:
    master = f" master {link.master}" if link.master else ""
    return f" mtu {link.mtu}{master} alias {link.full_alias}"


def _switch(bridge: SwitchBridge) -> str:
    options = bridge.options
    tree = (
        f"stp_state {options.stp:d} priority {options.priority} forward_delay {options.forward_delay * 100}"
    )
    tree += f" hello_time {options.hello * 100} max_age {options.age * 100}"
    vlans = f"vlan_filtering {options.vlans:d} vlan_default_pvid {options.default_pvid}"
    groups = f"group_fwd_mask {options.groups:#x} mcast_snooping {options.snooping:d}"
    return (
        f"ip link add {bridge.name} type bridge address {bridge.mac} {tree} {vlans} {groups}{_link(bridge)}"
    )


def _bridge_port(port: BridgePort) -> str:
    own = f"; locked to {port.mac}" if port.mac else ""
    first = f"ip link set {port.link} master {port.master}; bridge link set dev {port.link} guard {port.guard:d}{own}"
    return first + "".join(
        f"\n    bridge vlan add dev {port.link} {_vid(vlan)}" for vlan in sorted(port.vlans)
    )


def _vid(vlan: PortVlan) -> str:
    return f"vid {vlan.vid}" + " pvid" * vlan.pvid + " untagged" * vlan.untagged


def _route(route: Route) -> str:
    type_ = "" if route.type == "unicast" else f"{route.type} "
    words = [f"ip route add {type_}{'default' if route.dst.prefixlen == 0 else route.dst}"]
    words += [f"via {route.via}"] if route.via else []
    words += [f"dev {route.link}"] if route.link else []
    words += [f"table {route.table}"] if route.table != MAIN else []
    words += [f"metric {route.metric}"] if route.metric else []
    words += [f"src {route.src}"] if route.src else []
    words += ["onlink"] if route.via else []
    return " ".join(words)


def _part(part: NftPart) -> str:
    """Write a part as it is meant: ``@@`` is its own name, with the fingerprint that its objects have in theirs."""
    body = "\n".join(line for line in part.body.splitlines() if line)
    lines = [f"part {part.family} {part.table} {part.name} {{{_indented(chr(10) + body)}", "}"]
    lines += [f"    {map_} {{ {key} : {verdict} }}" for map_, key, verdict in sorted(part.links)]
    return "\n".join(lines)


def _set(item: NftSet) -> str:
    where = f"{item.type} {item.family} {item.table} {item.name} {{ {item.spec} }}"
    if item.elements is None:
        return f"nft add {where}  # others fill it"
    return f"nft add {where} = {{ {', '.join(sorted(item.elements, key=_natural))} }}"


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort numbers as numbers."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", text)]


def _indented(body: str) -> str:
    return body.replace("\n", "\n    ")


def _wireguard(item: Wireguard) -> str:
    own = "".join(
        f" {word} {value}"
        for word, value in (("listen-port", item.listen_port), ("fwmark", f"{item.fwmark:#x}"))
        if value
    )
    lines = [f"wg set {item.name} private-key {item.private_key}{own}{'  # generated' * item.generated}"]
    for peer in item.peers:
        words = {
            "preshared-key": peer.preshared,
            "endpoint": peer.at or next(iter(peer.endpoints), ""),
            "persistent-keepalive": peer.keepalive,
            "allowed-ips": ",".join(map(str, peer.allowed_ips)),
        }
        given = "".join(f" {word} {value}" for word, value in words.items() if value)
        lines.append(f"wg set {item.name} peer {peer.public_key}{given}  # {peer.name}")
    return "\n".join(lines)


def _line(item: Item) -> str:
    """What one would type; empty for what has its own place in ``terminal``."""
    match item:
        case ExternalLink():
            return f"# link {item.name}: somebody else's"
        case ExternalNetns():
            return f"# network namespace {item.name}: somebody else's, at {item.path}"
        case VlanLink():
            return f"ip link add {item.name} link {item.parent} type vlan id {item.vid}{_link(item)}"
        case Told():
            return f"# told: {item.what}"
        case LentPort():
            return f"ip link set {item.name} netns {item.netns}  # and back, when it is wanted there no more"
        case BorrowedPort():
            return f"# port {item.name}: the device's, and given back to it"
        case SharedPort():
            return f"ip link set {item.name} master {item.bridge}  # without addresses of its own"
        case BridgePort():
            return _bridge_port(item)
        case SwitchBridge():
            return _switch(item)
        case Bridge():
            return f"ip link add {item.name} type bridge address {item.mac}{_link(item)}"
        case Tap():
            return f"ip tuntap add {item.name} mode tap{_link(item)}"
        case Tun():
            return f"ip tuntap add {item.name} mode tun{_link(item)}"
        case Veth():
            return _veth(item)
        case LinkUp():
            return f"ip link set {item.name} up" + (f" mtu {item.mtu}" if item.mtu else "")
        case Address():
            return f"ip address add {item.address} dev {item.link}"
        case Route():
            return _route(item)
        case Rule():
            iif = f" iif {item.iif}" if item.iif else ""
            dst = f" to {item.dst}" if item.dst else ""
            mask = f"/{item.mask:#x}" if item.mask != WHOLE_MARK else ""
            mark = f" fwmark {item.mark:#x}{mask}" if item.mark else ""
            oif = f" oif {item.oif}" if item.oif else ""
            return f"ip rule add pref {item.priority} from {item.src or 'all'}{dst}{mark}{iif}{oif} lookup {item.table}"
        case LocalRule():
            return f"ip rule add pref {item.priority} from all lookup local; ip rule del pref 0"
        case Sysctl():
            return f"sysctl {item.parameter} = {item.value}"
        case Forwarding():
            return f"sysctl net/ipv4/conf/{item.link}/forwarding = 1"
        case Directory():
            return f"mkdir {item.path}"
        case Process():
            return f"{item.name}: {' '.join(item.argv)}"
        case NftSet():
            return _set(item)
        case MappedFlows():
            return "".join(
                f"# flows to {m.address} {m.protocol} {m.port} go to {m.to} {m.to_port}"
                for m in sorted(item.maps)
            )
        case NftTable() | NftPart() | File():
            return ""
        case Tunnel():
            return f"ip link set {item.birth} netns {item.netns} name {item.name} alias netnsmgr:…  # born here, {item.backend}"
        case XfrmLink():
            return f"ip link add {item.name} type xfrm if_id {item.if_id}{_link(item)}"
        case Wireguard():
            return _wireguard(item)
        case _:
            return repr(item)  # a kind that has no words of its own here yet
