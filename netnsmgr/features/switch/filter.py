"""The access lists of a switch as items, and what is there without any: who is who, and that the switch keeps quiet.

Lists make bridged packets pass the hooks of IP and connection tracking.  A switch without `acl` and `flowLog` has nothing
of that, because it would take a third of its packets a second.
"""

from __future__ import annotations

from dataclasses import replace

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import FILTER
from netnsmgr.core.ip import VERSIONS, IPAddress
from netnsmgr.core.item import Item
from netnsmgr.features import vif
from netnsmgr.features.acl import filter as acl
from netnsmgr.features.acl import text
from netnsmgr.features.acl.table import HEADER
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.names import static_addresses
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import frame, guard, metadata, observe, receivers
from netnsmgr.features.switch.bridge import spanning
from netnsmgr.features.switch.vlans import aware
from netnsmgr.items.file import File
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.sysctl import Sysctl

HOOKS = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
"""Whether bridged packets pass the hooks of IP (ip-sysctl); a new namespace begins with 1."""
_OWN = f"""
chain input {{
    type filter hook input priority filter; policy drop;
    iifname {{ "lo", "{metadata.LINK}" }} accept
}}
chain output {{
    type filter hook output priority filter; policy drop;
    oifname {{ "lo", "{metadata.LINK}" }} accept
}}"""
_QUIET = """
chain output {
    type filter hook output priority filter; policy drop;
    ether daddr 01:80:c2:00:00:00 accept
}"""
"""What the bridge itself sends, other than for the spanning tree: it would speak for the instance on a foreign segment."""


_DNS = tuple(
    f"meta l4proto {{ tcp, udp }} ct original proto-dst 53 ct original {header} daddr . meta mark @dns{version}"
    for version, header in HEADER.items()
)
"""A question to a server that the interface believes, in a packet of either direction."""


def wanted(scope: InstanceScope) -> bool:
    """Say whether packets are to be asked about."""
    return scope.instance.spec.flow_log or any(each.acl is not None for _, each in scope.interfaces)


def items(scope: InstanceScope) -> list[Item]:
    """Return what all lists of the switch share."""
    found: list[Item] = [
        NftTable.of("inet", "own", _OWN),
        NftTable.of("bridge", "own", _QUIET),
        Sysctl("net/bridge/bridge-nf-call-arptables", "0"),
        *guard.items(observe.body(bridge_mac(scope.instance.name))),
        *receivers.items(port.ifname for port in scope.ports),
    ]
    return [*found, *(_filtering(scope) if wanted(scope) else [Sysctl(name, "0") for name in HOOKS])]


def _filtering(scope: InstanceScope) -> list[Item]:
    servers = _servers(scope)
    table = NftTable.of(frame.FAMILY, frame.NAME, frame.frame(), carries=True)
    gate = receivers.gate(aware=aware(scope))
    epoch = acl.epoch(scope, frame.fresh(), sets=[each.name for each in servers], whole=False)
    found: list[Item] = [
        table,
        gate,
        *acl.eid_sets(scope),
        *acl.domain_sets(scope),
        *servers,
        epoch,
        File(f"{scope.etc}/rules.json", scope.numbers.index_text(), reload="flowlog"),
    ]
    if scope.instance.spec.flow_log:
        found.append(acl.log())
    tagged = Sysctl("net/bridge/bridge-nf-filter-vlan-tagged", "1")
    # Packets come when all is there that they are asked by, and stay away before the first of it goes.
    first = frozenset({table.ref, gate.ref, epoch.ref, tagged.ref})
    marking = frozenset(guard.ref(vif.vif_name(*member)) for member in scope.interfaces)
    return [*found, tagged, *(Sysctl(name, "1", after=first, behind=marking) for name in HOOKS)]


def _servers(scope: InstanceScope) -> list[NftSet]:
    """Return the sets of DNS servers with the interfaces that believe them, as senders and as receivers of packets."""
    found = [
        (address, number)
        for member in scope.interfaces
        if member[1].acl is not None
        for address in believed(scope, *member)
        for number in (scope.numbers.vifs[vif.group(*member)],)
    ]
    return [
        NftSet(
            frame.FAMILY,
            FILTER,
            f"dns{version}",
            f"type ipv{version}_addr . mark",
            frozenset(
                f"{address} . {mark}"
                for address, number in found
                if address.version == version
                for mark in (number, number << 16)
            ),
        )
        for version in VERSIONS
    ]


def believed(scope: InstanceScope, app: App, interface: AppInterface) -> tuple[IPAddress, ...]:
    """Return the DNS servers that an interface may ask, whatever its list: those of the network's `dns.servers`, else
    those that DHCP has told it.

    Before it has been told of any there is none.  To let every port 53 pass would make a way out of each list.
    """
    if scope.instance.spec.dns.servers:
        return scope.instance.spec.dns.servers
    return scope.dns_told.get(scope.numbers.vifs.get(vif.group(app, interface), 0), ())


def frames(scope: InstanceScope) -> list[Item]:
    """Return what lets nothing pass by itself: while an instance goes, it outlives the links that it filters."""
    return [
        item
        for item in items(scope)
        if isinstance(item, NftTable | NftSet | Sysctl) or item.ref == receivers.gate().ref
    ]


def app_items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the parts of one interface: who it is, and its list."""
    asked = metadata.watched(scope, app, interface, _WATCHED)
    if not wanted(scope):
        # Packets are marked as long as any are asked about.
        asked = replace(asked, needs=asked.needs | {Sysctl(each, "0").ref for each in HOOKS})
    name, group = vif.vif_name(app, interface), vif.group(app, interface)
    number = scope.numbers.vifs[group]
    own: list[Item] = [
        guard.part(_vif(scope, app, interface), asked),
        receivers.part(name, number, listed=interface.acl is not None),
    ]
    if not wanted(scope):
        return own
    block = scope.numbers.blocks[group]
    hosts = sorted({rule.match.host for rule in interface.acl or () if rule.match.host is not None})
    static = {host: static_addresses(scope, host) for host in hosts}
    body, links = acl.compiled(
        number, block, interface, static, members=text.BOTH_ENDS, services=_DNS, against=True
    )
    more, own_links = frame.own(number)
    roles = frame.roles(number)
    links = (*(each for each in links if each[0] == "limiters"), *own_links)
    if not interface.anti_spoofing:
        links = (*links, ("routers", str(number << 16), "goto asked"))
    needs = acl.asked_sets(hosts) | {each.ref for each in (*_servers(scope), *roles)}
    listed = NftPart(frame.FAMILY, FILTER, f"list_{name}", body + more, links, needs=needs)
    return [*own, *roles, listed]


def _vif(scope: InstanceScope, app: App, interface: AppInterface) -> guard.Vif:
    listed = interface.acl is not None
    trunk = aware(scope) and (interface.vlan is None or interface.vlan.access is None)
    types = interface.ether_types
    return guard.Vif(
        vif.vif_name(app, interface),
        scope.numbers.vifs[vif.group(app, interface)],
        interface.mac_for(app.name),
        guarded=interface.anti_spoofing,
        ether_types=frozenset(types or ()) if listed or types is not None else None,
        groups=scope.instance.spec.forward,
        # Behind a tag that the bridge does not look at a packet would pass by the list.
        tags=trunk or not (listed or aware(scope)),
        single=aware(scope),
        listed=wanted(scope),
        spanning=spanning(scope),
        limits=scope.instance.spec.limits,
    )


_WATCHED = guard.Watched(
    arp=f"jump {observe.FROM_ARP}",
    dhcp=f"jump {observe.FROM_DHCP}",
    ip6=f"jump {observe.FROM_IP6}",
    answers=f"jump {observe.ANSWERS}",
)
"""What of an interface's packets is copied to learn its addresses."""
