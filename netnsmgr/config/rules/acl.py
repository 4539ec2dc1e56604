"""Rules of access lists: their rules among each other, against the network, and port maps against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.acl import AclRule, Portmap
from netnsmgr.config.acl_words import contradiction
from netnsmgr.config.app import App
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.config.whole import hostnames
from netnsmgr.core.protocols import ICMP, WITH_PORTS
from netnsmgr.errors import Problem


def acl_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with the access list of each interface."""
    maps = _PortMaps(scope)
    names = _Names(scope)
    for app in scope.config.apps.values():
        for number, interface in enumerate(app.spec.interfaces):
            if interface.acl is None:
                if "acl" in interface.model_fields_set:
                    what = "has no value; leave acl out to allow everything, or write rules"
                    yield scope.problem(Spot("App", app.name, ("spec", "interfaces", number, "acl")), what)
                continue
            ni = scope.config.instances.get(interface.network)
            first: dict[int, int] = {}
            for n, rule in enumerate(interface.acl):
                here = _Here(app, number, n)
                if (earlier := first.setdefault(rule.id, n)) != n:
                    what = f"id {rule.id} is already that of acl[{earlier}]; give each rule its own"
                    yield scope.problem(here.spot("id"), what)
                yield from _without_value(scope, here, rule)
                yield from _of_two_versions(scope, here, rule, ni)
                if ni is not None and ni.is_switch:
                    continue  # any server of the segment may name any host; port maps are refused
                if isinstance(rule.action, Portmap):
                    if ni is not None and ni.air_gapped:
                        yield scope.problem(
                            here.spot("action", "portmap"),
                            f"network '{ni.name}' is air-gapped, so no port of the device leads to it; "
                            "remove the port map, or give the network ports",
                        )
                    yield from maps.claim(here, rule)
                elif ni is not None and rule.match.host is not None and not names.reach(ni, rule.match.host):
                    yield scope.problem(
                        here.spot("match", "host"),
                        f"no address of '{rule.match.host}' can become known: network '{ni.name}' {_deaf(ni)} "
                        "and has no dns.servers, so that its DNS knows its own applications and dns.hosts only; "
                        "write ip instead, or give the network dns.servers",
                    )


class _Here(NamedTuple):
    """Where a rule is."""

    app: App
    interface: int
    number: int

    @property
    def network(self) -> str:
        return self.app.spec.interfaces[self.interface].network

    def spot(self, *field: str) -> Spot:
        return Spot("App", self.app.name, ("spec", "interfaces", self.interface, "acl", self.number, *field))


def _without_value(scope: Scope, here: _Here, rule: AclRule) -> Iterator[Problem]:
    """Refuse a key with nothing behind it: to read it as "left out" would widen the rule to everything."""
    match = rule.match
    for name in match.model_fields_set & {"host", "protocol", "adapter"}:
        if getattr(match, name) is None:
            yield scope.problem(here.spot("match", name), _NO_VALUE)
    if rule.direction is None and "direction" in rule.model_fields_set:
        yield scope.problem(here.spot("direction"), _NO_VALUE)


def _of_two_versions(
    scope: Scope, here: _Here, rule: AclRule, ni: NetworkInstance | None
) -> Iterator[Problem]:
    """Refuse a rule that no packet can match, because its protocol and its prefixes are of different versions of IP."""
    if not (what := contradiction(rule)):
        return
    about4 = rule.match.protocol == ICMP
    # Behind NAT64 a prefix of IPv4 is one of IPv6, too; and of a network that is not known nobody can tell.
    if about4 or (ni is not None and ni.nat64_prefix is None):
        other = "icmpv6" if about4 else "icmp"
        yield scope.problem(here.spot("match", "protocol"), f"{what}; write protocol: {other}")


_NO_VALUE = "has no value; give one, or leave the line out, which means any"


def _deaf(ni: NetworkInstance) -> str:
    """Say why an instance asks no DNS servers of others, unless it has `dns.servers`; empty if it does."""
    if ni.air_gapped:
        return "is air-gapped"
    vpn = ni.spec.vpn
    if vpn is None or vpn.dns == "direct" or any(each.virtual_ip for each in vpn.connections):
        return ""
    return "asks names only by its tunnels"


class _Names:
    """Which domains an instance's DNS can give addresses of."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._own: dict[str, set[str]] = {}

    def reach(self, ni: NetworkInstance, domain: str) -> bool:
        """Whether the DNS of ``ni`` may ever name an address of ``domain`` or of what is below it."""
        if not _deaf(ni) or ni.spec.dns.servers:
            return True
        if ni.name not in self._own:
            own = self._own[ni.name] = set()
            for name in (*hostnames(self._scope.config, ni.name).values(), *ni.spec.dns.hosts):
                labels = name.lower().split(".")
                domain_labels = ni.domain.lower().split(".")
                for whole in (labels, [*labels, *domain_labels]):
                    own.update(".".join(whole[n:]) for n in range(len(whole)))
        return domain in self._own[ni.name]


class _Claim(NamedTuple):
    here: _Here
    rule: AclRule
    ports: frozenset[str] | None
    """The device's ports by name; None is all of them."""


class _PortMaps:
    """Finds port maps that want the same port of the device."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._claims: dict[tuple[int | None, int], list[_Claim]] = {}
        self._ports: dict[str, frozenset[str]] = {}

    def claim(self, here: _Here, rule: AclRule) -> Iterator[Problem]:
        """Yield a problem if the rule's adapter is unknown or its port of the device taken."""
        ports = None
        if (adapter := rule.match.adapter) is not None:
            ports = self._named(adapter)
            if not ports:
                device = self._scope.config.device
                known = (
                    {word for port in device.spec.ports for word in (port.name, *port.labels)}
                    if device
                    else ()
                )
                what = self._scope.unknown("port or label", adapter, sorted(known))
                yield self._scope.problem(here.spot("match", "adapter"), what)
                return
        mine = _Claim(here, rule, ports)
        claims = self._claims.setdefault((rule.match.protocol, rule.match.lport[0].first), [])
        for theirs in claims:
            if why := _clash(mine, theirs):
                is_new = self._scope.is_new
                blame_them = is_new("App", theirs.here.app.name) and not is_new("App", here.app.name)
                at, other = (theirs, mine) if blame_them else (mine, theirs)
                protocol = WITH_PORTS[rule.match.protocol or 0]
                what = (
                    f"{protocol} port {rule.match.lport[0]} of the device is already mapped by rule {other.rule.id} "
                    f"of app '{other.here.app.name}' in network '{other.here.network}'{why}"
                )
                yield self._scope.problem(at.here.spot("match", "lport"), what)
                return
        claims.append(mine)

    def _named(self, adapter: str) -> frozenset[str]:
        device = self._scope.config.device
        if device is None:  # as with an instance's ports: nobody knows yet
            return frozenset({adapter})
        if adapter not in self._ports:
            self._ports[adapter] = frozenset(port.name for port in device.match_ports([adapter]))
        return self._ports[adapter]


def _clash(one: _Claim, other: _Claim) -> str:
    """Say why the two cannot both be, and what to do; empty if they can."""
    given = [claim.ports for claim in (one, other) if claim.ports is not None]
    common = frozenset.intersection(*given) if given else None
    same = one.here.network == other.here.network
    if common is None or common:
        at = f", at port '{min(common)}' too" if common else ""
        return f"{at}; choose another port" + ("" if same else ", or other adapters")
    if same:
        return (
            " at another adapter: the network has one address towards the device, where both would arrive at one "
            "port; choose another port"
        )
    return ""
