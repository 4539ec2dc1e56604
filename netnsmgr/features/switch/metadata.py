"""The metadata service of a switch, at the same addresses as that of a local instance.

A switch has no address in its applications' network, and nothing of the service may be seen there.  So the frames of an
application that are for the service leave their way before the bridge, where the guard looks at them, and the answers go to
that interface and no other::

    app1.eth0 --ingress: mark 1, fwd--> to-metadata ==veth== metadata  169.254.169.254
    app1.eth0 <--fwd, by the mark-- ingress: to-metadata ==veth== metadata

- The application may hold the service for its neighbour (who asks for its MAC address is answered by the rules
  themselves), or for somebody behind its router: the MAC address that a request is for does not matter.
- Whose request it is says the mark, which an answer inherits from its socket.  Two applications with the same address are
  two askers, and an application that takes another's address is still itself.
- VLANs, spanning tree, access lists and br_netfilter are the bridge's, and do not matter here.  Frames with a VLAN tag are
  left alone: the service is for those without.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import IPAddress, any_network
from netnsmgr.core.item import Item
from netnsmgr.features import metadata, vif
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.link_facts import DEFAULT_MTU
from netnsmgr.features.metadata import ADDRESS, ADDRESS6, ON_LINK6
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import solicited
from netnsmgr.features.switch.guard import Watched
from netnsmgr.items.address import Address
from netnsmgr.items.file import Directory
from netnsmgr.items.link import HERE, ExternalNetns, Veth, link_ref
from netnsmgr.items.nft import NftTable
from netnsmgr.items.route import Route
from netnsmgr.items.sysctl import Sysctl

LINK, DOOR = "metadata", "to-metadata"
"""The two ends of the pair: the one that has the addresses, and the one by which frames come and go."""

LEFT = f"""
chain rest {{
    type filter hook ingress device "{DOOR}" priority 10; policy drop;
}}"""
"""What no interface's table takes: answers for one that is gone, and what the kernel says on every link."""


def items(scope: InstanceScope) -> list[Item]:
    """Return the pair of links, the addresses and the process behind them; nothing where nobody can ask."""
    if not scope.interfaces:
        return []
    here, link = pair(scope)
    ipv6 = Sysctl(f"net/ipv6/conf/{LINK}/disable_ipv6", "0", LINK)
    addresses = [
        Address(LINK, IPv4Interface(f"{ADDRESS}/32")),
        Address(LINK, IPv6Interface((ON_LINK6, 64)), after=frozenset({ipv6.ref})),
        Address(LINK, IPv6Interface((ADDRESS6, 128)), after=frozenset({ipv6.ref})),
    ]
    routes = [
        Route(any_network(4), link=LINK),
        Route(any_network(6), link=LINK, metric=1, after=frozenset({ipv6.ref})),
    ]
    # What the kernel says without a socket ("refused") goes to who asked, too.
    refusals = [Sysctl(f"net/{ip}/fwmark_reflect", "1") for ip in ("ipv4", "ipv6")]
    rest = NftTable.of("netdev", metadata.NAME, LEFT, needs=frozenset({link.ref}))
    places = [str(ADDRESS), f"{ON_LINK6}%{LINK}", str(ADDRESS6)]
    data = {"shared": metadata.shared(scope, ()), "vifs": _records(scope)}
    served = metadata.service(scope, places, data, [*addresses, *routes])
    return [Directory(scope.etc), here, link, rest, ipv6, *refusals, *addresses, *routes, *served]


def pair(scope: InstanceScope) -> tuple[ExternalNetns, Veth]:
    """Return the links, and the namespace that both ends are in."""
    here = ExternalNetns("of this instance", HERE)
    # No neighbours are asked for here: the rules know each application's MAC address.
    mac = bridge_mac(scope.instance.name)
    link = Veth(
        LINK, DEFAULT_MTU, mac=mac, alias="metadata service", far_netns=here.name, far_path=here.path,
        far_name=DOOR, arp=False,
    )  # fmt: skip
    return here, link


def app_items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return what leads the service's answers to one interface; its questions are led here by ``watched``."""
    name = vif.vif_name(app, interface)
    body = f"""
chain answer {{
    type filter hook ingress device "{DOOR}" priority 0; policy accept;
    meta mark & 0xffff == {_number(scope, app, interface)} {_give(scope, app, interface)}
}}"""
    needs = frozenset({link_ref(name), link_ref(LINK)})
    return [NftTable.of("netdev", f"{metadata.NAME}_{name}", body, needs=needs)]


def watched(scope: InstanceScope, app: App, interface: AppInterface, others: Watched) -> Watched:
    """Add to the ``others`` what an interface's frames are asked about for the service."""
    own = bridge_mac(scope.instance.name)
    give = _give(scope, app, interface)
    take = f'ether daddr set {own} meta mark set {_number(scope, app, interface)} fwd to "{DOOR}"'
    # Of a frame with a tag `ether type` is the tag's, and `meta protocol` what comes after it.
    tcp = f"""tcp dport != {metadata.PORT} accept
    ether type ip ip daddr {ADDRESS} {take}
    ether type ip6 ip6 daddr {{ {ON_LINK6}, {ADDRESS6} }} {take}"""
    asks = f"""arp saddr ip {ADDRESS} drop
    ether type arp arp daddr ip {ADDRESS} arp operation request goto @@_metadata"""
    chains = f"""
chain @@_metadata {{
    arp operation set reply arp daddr ip set arp saddr ip arp daddr ether set {interface.mac_for(app.name)}
    arp saddr ip set {ADDRESS} arp saddr ether set {own}
    {give}
}}"""
    return replace(
        others,
        tcp=tcp,
        asks=asks,
        ip6=f"{others.ip6}\n    ether type ip6 {solicited.answer(own)} {give}",
        chains=chains,
        needs=others.needs | {link_ref(LINK)},
    )


def _number(scope: InstanceScope, app: App, interface: AppInterface) -> int:
    return scope.numbers.vifs[vif.group(app, interface)]


def _give(scope: InstanceScope, app: App, interface: AppInterface) -> str:
    """Return the statements that send a frame to the application, as from the service."""
    own, mac = bridge_mac(scope.instance.name), interface.mac_for(app.name)
    return f'ether saddr set {own} ether daddr set {mac} fwd to "{vif.vif_name(app, interface)}"'


def _records(scope: InstanceScope) -> dict[str, Any]:
    found = {}
    for app, interface in scope.interfaces:
        number = _number(scope, app, interface)
        # Nobody stands between an application of a switch and the outside: it is seen there by its own addresses.
        held: list[IPAddress] = [each.address for each in scope.learned if each.vif == number]
        external = [str(each) for each in held if each.version == 4 and not each.is_link_local]
        found[str(number)] = metadata.record(scope, app, interface, [metadata.DHCP4]) | {"external": external}
    return found
