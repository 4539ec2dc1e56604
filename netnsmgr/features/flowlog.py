"""The flow log of an instance, which also keeps the addresses of host rules: one program, told by files."""

from __future__ import annotations

import hashlib
import json
import os

from netnsmgr import __version__
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import names
from netnsmgr.features.acl.lists import holders
from netnsmgr.features.rows import given_dir
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.features.vif import group, vif_name
from netnsmgr.items.file import Directory, File
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.sysctl import Sysctl

NAME = "flowlog"
RULES = "rules.json"
"""Which rule an index is: written by the access lists, with ``reload=NAME``."""


def wanted(scope: InstanceScope) -> bool:
    """Say whether there is anything to do for it."""
    return scope.instance.spec.flow_log or bool(names.domains(scope))


def items(scope: InstanceScope) -> list[Item]:
    """Return the program and its files, and what conntrack has to count for it."""
    if not wanted(scope):
        return []
    etc = scope.etc
    told = File(f"{etc}/{NAME}-scope.json", _scope(scope), reload=NAME)
    own = place(etc, NAME)
    text = _text(
        {
            "instance": scope.instance.name,
            "run_dir": given_dir(scope.run_dir, scope.instance.name),
            "scope": told.path,
            "rules": f"{etc}/{RULES}",
            "log": f"{own}/{NAME}.log",
            "version": __version__,  # another version is another program
            **_kind(scope),
        }
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{etc}/{NAME}.{scope.netns_inode}.{digest}.json", text)
    needs: frozenset[Ref] = frozenset({main.ref, told.ref})
    # "-P": not from the directory that the daemon happened to be started in.
    argv = (scope.python, "-P", "-m", "netnsmgr.services.flowlog", main.path)
    # NET_RAW: held answers of DNS are sent on to their interface.
    raw = ("CAP_NET_RAW",) if scope.instance.is_switch else ()
    leases = os.path.dirname(scope.lease_file)
    rights = Rights(("CAP_NET_ADMIN", *raw), reads=(etc, leases), writes=(own,), unix=True, python=True)
    found: list[Item] = [Directory(etc), told, main, Process(NAME, argv, needs, stays=True, rights=rights)]
    if scope.instance.spec.flow_log:
        found += [
            Sysctl("net/netfilter/nf_conntrack_acct", "1"),
            Sysctl("net/netfilter/nf_conntrack_timestamp", "1"),
            # By itself (2) conntrack tells the end of a flow only if somebody listened at its beginning: with 1 it does
            # also of one that began while the program was starting again.
            Sysctl("net/netfilter/nf_conntrack_events", "1"),
        ]
    return found


def _kind(scope: InstanceScope) -> dict[str, bool]:
    return {"switch": True} if scope.instance.is_switch else {}


def _known(scope: InstanceScope, app: App, interface: AppInterface) -> list[str]:
    if scope.instance.is_switch:
        if not scope.instance.spec.flow_log:
            return []
        number = scope.numbers.vifs.get(group(app, interface))
        return sorted(str(each.address) for each in scope.learned if each.vif == number)
    # Leases of IPv4 it reads itself: dnsmasq's file names them by MAC, those of IPv6 by nothing that it knows.
    fixed = [] if interface.address is None else [interface.address]
    own = group(app, interface)
    return [
        *map(str, fixed),
        *sorted(str(a) for a, owner in holders(scope).items() if a.version == 6 and owner == own),
    ]


def _scope(scope: InstanceScope) -> str:
    return _text(
        {
            "log": scope.instance.spec.flow_log,
            **_kind(scope),
            "gateways": [str(net.gateway) for net in scope.nets],
            "nat64": str(scope.instance.nat64_prefix or ""),
            "leases": scope.lease_file if scope.instance.spec.dhcp is not None else "",
            "interfaces": [
                {
                    "app": app.name,
                    "interface": interface.name,
                    "number": scope.numbers.vifs[group(app, interface)],
                    "link": vif_name(app, interface),
                    "mac": interface.mac_for(app.name),
                    "addresses": _known(scope, app, interface),
                }
                for app, interface in scope.interfaces
            ],
            "hosts": {
                domain: {
                    "set": names.host_key(domain),
                    "static": sorted(map(str, names.static_addresses(scope, domain))),
                }
                for domain in names.domains(scope)
            },
        }
    )


def _text(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
