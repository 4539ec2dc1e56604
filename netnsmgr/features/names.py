"""Addresses of host rules' domains: put into their nft sets by a second dnsmasq before any application hears of them.

The instance's own dnsmasq never restarts: the file of its upstream servers, which it reads again on SIGHUP, sends
just those domains to ``SWITCH``.  dnsmasq forgets the questions that are under way to a server that is taken from it, so
that this address never changes; a rule of nftables leads it to the "names" dnsmasq of now.  Other domains need another
dnsmasq (``nftset`` is read only at its start): it is started beside the old one, the rule is replaced, and the old one
goes on for some seconds to answer what it was asked.  Which of them run is a fact that each pass begins with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from netnsmgr.config.acl import AclRule
from netnsmgr.core import agreed
from netnsmgr.core.ip import IPAddress
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.acl.lists import holders
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.features.upstream import STAYS, servers
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import link_ref
from netnsmgr.items.nft import NftTable
from netnsmgr.items.process import Process, Rights

NAME = "names"
SWITCH = "127.53.0.1"
"""Where the instance's dnsmasq sends the domains; nobody listens there."""
LINGER = 5.0
"""Seconds for which an old "names" answers what it was asked: as long as dnsmasq's clients wait before they repeat."""


def host_domains(rules: Iterable[AclRule]) -> tuple[str, ...]:
    """Return the domains of host rules, each once, sorted."""
    return tuple(sorted({rule.match.host.lower() for rule in rules if rule.match.host is not None}))


def domains(scope: InstanceScope) -> tuple[str, ...]:
    """Return the domains of all host rules of the instance's applications."""
    return host_domains(rule for _, interface in scope.interfaces for rule in interface.acl or ())


def host_key(domain: str) -> str:
    """Return what the names of a domain's sets have in their middle."""
    return hashlib.sha256(domain.lower().encode()).hexdigest()[:8]


def host_sets(domain: str, family: int) -> tuple[str, str]:
    """Return the names of the sets with a domain's addresses: those of now, and those it had lately."""
    return agreed.host_sets(host_key(domain), family)


def covers(domain: str, name: str) -> bool:
    """Say whether a name equals a domain or lies below it."""
    name, domain = name.lower().rstrip("."), domain.lower()
    return name == domain or name.endswith(f".{domain}")


def static_addresses(scope: InstanceScope, domain: str) -> frozenset[IPAddress]:
    """Return the addresses of a domain that no other server is asked for: static names, and those of applications."""
    own = scope.instance.domain
    found: set[IPAddress] = set()
    if scope.instance.is_switch:
        # Nobody here answers for applications' names, and there is no domain of ours below which a plain name would be found.
        return frozenset(
            a for name, each in scope.instance.spec.dns.hosts.items() if covers(domain, name) for a in each
        )
    for name, addresses in scope.instance.spec.dns.hosts.items():
        # "expand-hosts": a plain name is known below the instance's domain, too.
        if covers(domain, name) or ("." not in name and covers(domain, f"{name}.{own}")):
            found.update(addresses)
    owners: dict[str, set[IPAddress]] = {}
    for address, owner in holders(scope).items():
        owners.setdefault(owner, set()).add(address)
    for app, interface in scope.interfaces:
        name = scope.hostnames[app.name, interface.name]
        if covers(domain, name) or covers(domain, f"{name}.{own}"):
            found |= owners.get(vif.group(app, interface), set())
    return frozenset(found)


def asked(scope: InstanceScope) -> tuple[str, ...]:
    """Return the domains that servers outside are asked for; below its own domain the instance itself knows all."""
    if scope.instance.air_gapped:
        return ()
    return tuple(domain for domain in domains(scope) if not covers(scope.instance.domain, domain))


def forwarding(scope: InstanceScope) -> str:
    """Return what the instance's dnsmasq is told of them, once there is somebody to ask."""
    return "".join(f"server=/{domain}/{SWITCH}\n" for domain in asked(scope)) if _serving(scope) else ""


def items(scope: InstanceScope) -> list[Item]:
    """Return the second dnsmasq, and the rule that leads to it; nothing without host rules."""
    if not asked(scope):
        return []
    name = _name(scope)
    etc = scope.etc
    upstream = File(f"{etc}/{NAME}-servers", servers(scope), reload=name)
    digest = name.removeprefix(f"{NAME}-")
    main = File(f"{etc}/{name}.{scope.netns_inode}.{digest}.conf", _configuration(scope, name))
    needs: frozenset[Ref] = frozenset({main.ref, upstream.ref, link_ref("lo")})
    found: list[Item] = [
        Directory(etc),
        upstream,
        main,
        Process(name, ("dnsmasq", f"--conf-file={main.path}"), needs, rights=_rights(scope), lingers=LINGER),
    ]
    serving = _serving(scope)
    if serving:
        body = f"""
chain output {{
    type nat hook output priority -100; policy accept;
    ip daddr {SWITCH} meta l4proto {{ tcp, udp }} dnat ip to {_address(serving)}
}}"""
        found.append(NftTable.of("inet", NAME, body))
    if serving != name:
        # Until the new one runs, the old ones are kept as they are.
        found += [
            Process(old.name, old.argv, lingers=LINGER)
            for old in scope.helpers_now
            if old.name.startswith(f"{NAME}-") and old.name != name
        ]
    return found


def _rights(scope: InstanceScope) -> Rights:
    # NET_ADMIN: it puts addresses into sets of nftables.
    return Rights(
        ("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"), reads=(scope.etc,), writes=(place(scope.etc, NAME),)
    )


def _serving(scope: InstanceScope) -> str:
    """Return the "names" to ask now: the wanted one if it runs, else one that does."""
    running = sorted(info.name for info in scope.helpers_now if info.name.startswith(f"{NAME}-"))
    name = _name(scope)
    return name if name in running else running[0] if running else ""


def _name(scope: InstanceScope) -> str:
    return f"{NAME}-{hashlib.sha256(_configuration(scope, '').encode()).hexdigest()[:8]}"


def _address(name: str) -> str:
    """Return where a "names" listens: an address of its own, so that old and new do not meet."""
    first, second, third, _ = bytes.fromhex(name.removeprefix(f"{NAME}-"))
    return f"127.{64 + first % 128}.{second}.{third}"


def _configuration(scope: InstanceScope, name: str) -> str:
    own = place(scope.etc, NAME)
    wanted = domains(scope)
    lines = [
        *STAYS,
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        f"servers-file={scope.etc}/{NAME}-servers",
        "bogus-priv",
        # Each question goes out, so that each answer passes the sets; the instance's own dnsmasq has the cache.
        "cache-size=0",
    ]
    for domain in asked(scope):
        # Of several that fit, dnsmasq takes only the longest: it has to name the sets of the shorter ones, too.
        sets = ",".join(
            f"{family}#inet#{agreed.FILTER}#{host_sets(other, family)[kind]}"
            for other in wanted
            if covers(other, domain)
            for kind in (0, 1)
            for family in (4, 6)
        )
        lines.append(f"nftset=/{domain}/{sets}")
    if name:
        lines += [
            f"listen-address={_address(name)}",
            f"pid-file={own}/{name}.pid",
            f"log-facility={own}/{NAME}.log",
        ]
    return "\n".join(lines) + "\n"
