"""The access lists of an instance as items: the frame, what it knows of addresses, and a part for each interface."""

from __future__ import annotations

from collections.abc import Iterable

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import ACTION_MASK, DNS_GROUP, DROP_GROUP, EPOCH_SHIFT, IN_GROUP, INDEX_MASK
from netnsmgr.core.agreed import FILTER as TABLE
from netnsmgr.core.ip import VERSIONS, IPAddress
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import nat64, vif
from netnsmgr.features.acl import guard, text
from netnsmgr.features.acl.lists import eids, holders, instances_own, made6, subnets, versions
from netnsmgr.features.acl.numbers import Block
from netnsmgr.features.acl.table import FAMILY, HEADER, NAME, frame
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.link import UPLINK
from netnsmgr.features.names import domains, host_sets, static_addresses
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.lanes import links
from netnsmgr.items.file import File
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.sysctl import Sysctl

IPV4, IPV6 = "2", "10"
"""Of linux/netfilter.h (``NFPROTO_``), as they are read back."""
LOGGED = 200
"""Dropped packets that are logged in a second; what is more is counted as unlogged."""
HOST_SPEC, PAST_SPEC = "size 65536; flags timeout; timeout 1h", "size 65536; flags timeout; timeout 24h"

FRESH = """
chain @@_fresh { accept; }"""


def items(scope: InstanceScope) -> list[Item]:
    """Return what all lists of the instance share."""
    owners = {address: scope.numbers.vifs[group] for address, group in holders(scope).items()}
    vif_of = [
        NftSet(
            FAMILY,
            TABLE,
            f"vif_of{version}",
            f"type ipv{version}_addr : mark",
            frozenset(f"{each} : {number}" for each, number in owners.items() if each.version == version),
        )
        for version in versions(scope)
    ]
    deciders = _deciders(scope)
    translator = nat64.LINK if scope.instance.nat64_prefix is not None else ""
    leaving = [old.prefix for old in scope.old_prefixes]
    declared = "\n".join(each.declaration() for each in (*vif_of, deciders))
    allowed = scope.instance.spec.limits
    whole = frame(BRIDGE, UPLINK, scope.nets, scope.links, translator, leaving, links(scope), allowed)
    body = f"\n{declared}{whole}"
    table = NftTable.of(FAMILY, NAME, body, carries=True)
    found: list[Item] = [
        Sysctl("net/bridge/bridge-nf-call-iptables", "1"),
        Sysctl("net/bridge/bridge-nf-call-ip6tables", "1"),
        Sysctl("net/bridge/bridge-nf-call-arptables", "0"),
        table,
        *vif_of,
        deciders,
        *eid_sets(scope),
        *domain_sets(scope),
        # Who is asked depends on who holds an address, and on whose rule decided.
        epoch(scope, sets=(*(f"vif_of{version}" for version in versions(scope)), "deciders")),
        *guard.items(_holding(scope, owners), scope.instance.spec.limits),
        File(f"{scope.etc}/rules.json", scope.numbers.index_text(), reload="flowlog"),
    ]
    if scope.instance.spec.flow_log:
        found.append(log())
    if scope.instance.spec.flow_log or domains(scope):
        found.append(_dns_log(scope))
    return found


def frames(scope: InstanceScope) -> list[Item]:
    """Return what lets nothing pass by itself: while an instance goes, it outlives the links that it filters."""
    return [item for item in items(scope) if isinstance(item, NftTable | NftSet | Sysctl)]


def app_items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the parts of one interface: who it is, and its list."""
    name, group = vif.vif_name(app, interface), vif.group(app, interface)
    number, block = scope.numbers.vifs[group], scope.numbers.blocks[group]
    hosts = sorted({rule.match.host for rule in interface.acl or () if rule.match.host is not None})
    static = {host: static_addresses(scope, host) for host in hosts}
    body, links = compiled(number, block, interface, static)
    if not interface.anti_spoofing:
        links = (*links, ("routers", str(number << 16), "goto asked"))
    needs = asked_sets(hosts)
    return [
        guard.part(
            name,
            number,
            interface.mac_for(app.name),
            None if scope.net4 is None else scope.net4.subnet,
            guarded=interface.anti_spoofing,
            ipv6=scope.instance.has_ipv6,
        ),
        NftPart(FAMILY, TABLE, f"list_{name}", body, links, needs=needs),
    ]


_COMPILED: dict[tuple[object, ...], tuple[str, text.Links]] = {}
"""What lists were compiled to: a pass after a lease or a changed link asks for all of them again."""
COMPILED = 512


def compiled(
    number: int,
    block: Block,
    interface: AppInterface,
    static: dict[str, frozenset[IPAddress]],
    *,
    members: str = text.EIDS,
    services: tuple[str, ...] = (),
    against: bool = False,
) -> tuple[str, text.Links]:
    """Return body and links of an interface's list; see `text.part`."""
    key = (
        number,
        block.base,
        block.digest,
        members,
        services,
        against,
        *sorted((host, *sorted(map(str, found))) for host, found in static.items()),
    )
    if key not in _COMPILED:
        if len(_COMPILED) >= COMPILED:
            _COMPILED.clear()
        _COMPILED[key] = text.part(
            number, block.base, interface.acl, static, members=members, services=services, against=against
        )
    return _COMPILED[key]


def asked_sets(hosts: Iterable[str]) -> frozenset[Ref]:
    """Name the sets that a list with these host rules may ask."""
    sets = ["eids4", "eids6", *(name for host in hosts for name in set_names(host))]
    return frozenset(NftSet(FAMILY, TABLE, name, "", None).ref for name in sets)


def _deciders(scope: InstanceScope) -> NftSet:
    """Return the map that tells whose rule an index stands for, or stood lately."""
    numbers = scope.numbers
    elements = frozenset(
        f"{block.base}-{block.end - 1} : {numbers.vifs[block.group]}"
        for block in (*numbers.retired, *numbers.blocks.values())
        if block.group in numbers.vifs
    )
    return NftSet(FAMILY, TABLE, "deciders", "type mark : mark; flags interval", elements)


def _holding(scope: InstanceScope, owners: dict[IPAddress, int]) -> guard.Holding:
    """Return what the guard is told of addresses."""
    numbers = scope.numbers.vifs
    made = {address: numbers[group] for address, group in made6(scope).items()}
    return guard.Holding(
        versions(scope),
        made | owners,
        instances_own(scope),
        {
            interface.mac_for(app.name): numbers[vif.group(app, interface)]
            for app, interface in scope.interfaces
            if interface.anti_spoofing
        },
        subnets(scope),
        given6=scope.instance.addressing == "stateful",
    )


def eid_sets(scope: InstanceScope) -> list[NftSet]:
    """Return the sets that `eidset` asks; a list may have rules of either version."""
    found = eids(scope)
    return [
        NftSet(
            FAMILY,
            TABLE,
            f"eids{version}",
            f"type ipv{version}_addr",
            frozenset(str(address) for address in found if address.version == version),
        )
        for version in VERSIONS
    ]


def set_names(host: str) -> tuple[str, ...]:
    """Return the names of a domain's sets."""
    return (*host_sets(host, 4), *host_sets(host, 6))


def domain_sets(scope: InstanceScope) -> list[Item]:
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
        for name, spec in zip(set_names(domain), specs, strict=True)
    ]


def epoch(
    scope: InstanceScope, fresh: str = FRESH, sets: Iterable[str] = (), *, whole: bool = True
) -> NftPart:
    """Return the part that tells flows decided by the present lists from others; it changes after the lists have.

    ``fresh`` is the chain for those that are; of ``sets`` depends, too, who is asked.  If it is not the ``whole``
    answer, packets of such flows come back from there, and from where their flow is told.
    """
    epoch = scope.numbers.epoch << EPOCH_SHIFT
    body = f"""{fresh}
chain @@_stamp {{ ct mark set ct mark and {ACTION_MASK | INDEX_MASK:#010x} or {epoch:#010x}; {"accept; " if whole else ""}}}"""
    way = "goto" if whole else "jump"
    links = (
        ("fresh", str(epoch), f"{way} @@_fresh"),
        *(("stamp", family, f"{way} @@_stamp") for family in (IPV4, IPV6)),
    )
    after = {
        NftPart(FAMILY, TABLE, f"list_{vif.vif_name(app, interface)}", "", ()).ref
        for app, interface in scope.interfaces
    }
    after |= {NftSet(FAMILY, TABLE, name, "", None).ref for name in sets}
    return NftPart(FAMILY, TABLE, "epoch", body, links, needs=frozenset(after))


def log() -> NftPart:
    """Return the part that copies what is dropped, and what `in` lists decide, for the flow log."""
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


def _dns_log(scope: InstanceScope) -> NftTable:
    """Return the table that copies questions to the instance's DNS and its answers for the flow log to read."""
    copy = f'log prefix "dns" group {DNS_GROUP} snaplen 4096'
    asked = "".join(
        f'\n    iifname "{BRIDGE}" {HEADER[net.version]} daddr {net.gateway} meta l4proto {{ tcp, udp }} th dport 53 {copy}'
        for net in scope.nets
    )
    body = f"""
chain input {{
    type filter hook input priority -10; policy accept;{asked}
}}
chain output {{
    type filter hook output priority -10; policy accept;
    oifname "{BRIDGE}" meta l4proto {{ tcp, udp }} th sport 53 {copy}
}}"""
    return NftTable.of("inet", "dns", body)
