"""The access lists of an instance as items: the frame, what it knows of addresses, and a part for each interface."""

from __future__ import annotations

from ipaddress import IPv4Address

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.item import Item
from netnsmgr.features import vif
from netnsmgr.features.acl import guard, text
from netnsmgr.features.acl.table import (
    DNS_GROUP,
    DROP_GROUP,
    EPOCH_SHIFT,
    FAMILY,
    IN_GROUP,
    NAME,
    frame,
)
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.names import domains, static_addresses
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import File
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.sysctl import Sysctl

TABLE = f"netnsmgr_{NAME}"
IPV4, IPV6 = "2", "10"
"""Of linux/netfilter.h (``NFPROTO_``), as they are read back."""
LOGGED = 200
"""Dropped packets that are logged in a second; what is more is counted as unlogged."""
HOST_SPEC, PAST_SPEC = "flags timeout; timeout 1h", "flags timeout; timeout 24h"


def items(scope: InstanceScope) -> list[Item]:
    """Return what all lists of the instance share.

    ``vif_of4`` holds ids in both halves of the mark: as the one that a packet comes from, and as the one it goes to.
    """
    gateway = scope.instance.gateway
    owners = guard.addresses_of(_held(scope), gateway)
    eids = {*owners, *(a for found in scope.instance.spec.dns.hosts.values() for a in found)}
    by_address = frozenset(f"{address} : {number << 16 | number}" for address, number in owners.items())
    vif_of4 = NftSet(FAMILY, TABLE, "vif_of4", "type ipv4_addr : mark", by_address)
    vif_of6 = NftSet(FAMILY, TABLE, "vif_of6", "type ipv6_addr : mark", frozenset())
    declared = f"\n{vif_of4.declaration()}\n{vif_of6.declaration()}"
    table = NftTable.of(FAMILY, NAME, declared + frame(BRIDGE, gateway, scope.outer), carries=True)
    found: list[Item] = [
        Sysctl("net/bridge/bridge-nf-call-iptables", "1"),
        Sysctl("net/bridge/bridge-nf-call-ip6tables", "1"),
        Sysctl("net/bridge/bridge-nf-call-arptables", "0"),
        table,
        vif_of4,
        vif_of6,
        NftSet(FAMILY, TABLE, "eids4", "type ipv4_addr", frozenset(map(str, eids))),
        NftSet(FAMILY, TABLE, "eids6", "type ipv6_addr", frozenset()),
        *_host_sets(scope),
        _epoch(scope),
        *guard.items(owners, gateway),
        File(f"{scope.etc}/rules.json", scope.numbers.index_text(), reload="flowlog"),
    ]
    if scope.instance.spec.flow_log:
        found.append(_log())
    if scope.instance.spec.flow_log or domains(scope):
        found.append(_dns_log())
    return found


def app_items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the parts of one interface: who it is, and its list."""
    name, group = vif.vif_name(app, interface), vif.group(app, interface)
    number, block = scope.numbers.vifs[group], scope.numbers.blocks[group]
    hosts = sorted({rule.match.host for rule in interface.acl or () if rule.match.host is not None})
    static = {host: static_addresses(scope, host) for host in hosts}
    body, links = text.part(number, block.base, interface.acl, static)
    sets = ["eids4", "eids6", *(name for host in hosts for name in _set_names(host))]
    needs = frozenset(NftSet(FAMILY, TABLE, name, "", None).ref for name in sets)
    return [
        guard.part(
            name, number, interface.mac_for(app.name), scope.instance.subnet, guarded=interface.anti_spoofing
        ),
        NftPart(FAMILY, TABLE, f"list_{name}", body, links, needs=needs),
    ]


def _held(scope: InstanceScope) -> list[tuple[IPv4Address, int]]:
    """Return the addresses that interfaces are known to hold, with the interfaces' ids."""
    found = []
    for app, interface in scope.interfaces:
        number = scope.numbers.vifs[vif.group(app, interface)]
        mac = interface.mac_for(app.name)
        if interface.address is not None:
            found.append((interface.address, number))
        found += [
            (lease.address, number)
            for lease in scope.leases_now
            if lease.mac == mac and lease.address in scope.instance.subnet
        ]
    return found


def _set_names(host: str) -> tuple[str, ...]:
    return (*text.host_sets(host, 4), *text.host_sets(host, 6))


def _host_sets(scope: InstanceScope) -> list[Item]:
    """Return the sets of the addresses that domains have now, and had lately; the DNS servers fill them."""
    specs = (
        f"type ipv4_addr; {HOST_SPEC}",
        f"type ipv4_addr; {PAST_SPEC}",
        f"type ipv6_addr; {HOST_SPEC}",
        f"type ipv6_addr; {PAST_SPEC}",
    )
    return [
        NftSet(FAMILY, TABLE, name, spec, None)
        for domain in domains(scope)
        for name, spec in zip(_set_names(domain), specs, strict=True)
    ]


def _epoch(scope: InstanceScope) -> NftPart:
    """Return the part that tells flows decided by the present lists from others; it changes after the lists have."""
    epoch = scope.numbers.epoch << EPOCH_SHIFT
    body = f"""
chain @@_fresh {{ accept; }}
chain @@_stamp {{ ct mark set ct mark or {epoch:#010x}; accept; }}"""
    links = (
        ("fresh", str(epoch), "goto @@_fresh"),
        ("stamp", IPV4, "goto @@_stamp"),
        ("stamp", IPV6, "goto @@_stamp"),
    )
    after = frozenset(
        NftPart(FAMILY, TABLE, f"list_{vif.vif_name(app, interface)}", "", ()).ref
        for app, interface in scope.interfaces
    )
    return NftPart(FAMILY, TABLE, "epoch", body, links, needs=after)


def _log() -> NftPart:
    body = f"""
chain @@_drop {{
    limit rate over {LOGGED}/second burst {2 * LOGGED} packets counter name unlogged return
    log prefix "drop" group {DROP_GROUP} snaplen 96
}}
chain @@_in {{ log prefix "in" group {IN_GROUP} snaplen 96; }}"""
    links = tuple(
        (map_, family, f"jump @@_{chain}")
        for map_, chain in (("log_drop", "drop"), ("log_in", "in"))
        for family in (IPV4, IPV6)
    )
    return NftPart(FAMILY, TABLE, "log", body, links)


def _dns_log() -> NftTable:
    """Return the table that copies questions to the instance's DNS and its answers for the flow log to read."""
    copy = f'log prefix "dns" group {DNS_GROUP} snaplen 4096'
    body = f"""
chain input {{
    type filter hook input priority -10; policy accept;
    iifname "{BRIDGE}" meta l4proto {{ tcp, udp }} th dport 53 {copy}
}}
chain output {{
    type filter hook output priority -10; policy accept;
    oifname "{BRIDGE}" meta l4proto {{ tcp, udp }} th sport 53 {copy}
}}"""
    return NftTable.of("inet", "dns", body)
