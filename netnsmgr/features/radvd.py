"""Router advertisements of an instance (RFC 4861), by a radvd of its own; none where there is no IPv6.

What changes while the instance runs lies in its configuration, which radvd reads again on SIGHUP and then advertises
within a second.  A radvd that ends takes its leave: no default router any more, and its prefix deprecated.  So it is
replaced exactly where that is to be told: when applications shall give up addresses of a prefix that was written.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.core.agreed import METADATA6
from netnsmgr.core.item import Item, Ref
from netnsmgr.features.bridge import BRIDGE, bridge_mac
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import link_ref
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.sysctl import Sysctl

NAME = "radvd"
INTERVALS = (30, 100)
"""Seconds between advertisements that nobody asked for, at least and at most; who asks is answered at once."""
LIFETIME = 900
"""Seconds that the router, routes and DNS server count without a new advertisement."""
WRITTEN = (86400, 14400)
"""Seconds that a written prefix is valid and preferred."""
DELEGATED = (5400, 2700)
"""The same of a delegated prefix, which may be another tomorrow (RFC 9096, 3.4)."""


def items(scope: InstanceScope) -> list[Item]:
    """Return radvd and its configuration; nothing without a prefix to advertise or to deprecate."""
    if not advertises(scope):
        return []
    text = _configuration(scope)
    path = f"{scope.etc}/{NAME}.{scope.netns_inode}.{_promise(scope)}.conf"
    main = File(path, text, reload=NAME)
    # The address that advertisements come from is made of the bridge's MAC, also where the device's default differs.
    eui64 = Sysctl(f"net/ipv6/conf/{BRIDGE}/addr_gen_mode", "0", BRIDGE)
    # A file for each configuration, as radvd holds a lock on it: the next one need not wait for its processes' end.
    own = place(scope.etc, NAME)
    pid = f"{own}/{NAME}.{_promise(scope)}.pid"
    # Without a log: applications could fill it with packets that radvd finds odd.
    argv = (NAME, "-C", path, "-p", pid, "-m", "none", "-n")
    needs: set[Ref] = {main.ref, eui64.ref, link_ref(BRIDGE)}
    # Without NET_ADMIN it cannot set what it advertises on the bridge, too, which is ours to do.
    rights = Rights(("CAP_NET_RAW",), reads=(scope.etc,), writes=(own,))
    return [
        Directory(scope.etc),
        main,
        eui64,
        Process(NAME, argv, frozenset(needs), stays=True, rights=rights),
    ]


def advertises(scope: InstanceScope) -> bool:
    """Say whether there is something to advertise."""
    return scope.net6 is not None or bool(scope.old_prefixes)


def router_address(name: str) -> IPv6Address:
    """Return the link-local address of an instance's bridge (RFC 4291, appendix A), which routers go by."""
    first, *rest = bytes.fromhex(bridge_mac(name).replace(":", ""))
    eui64 = bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]])
    return IPv6Address(b"\xfe\x80" + bytes(6) + eui64)


def _promise(scope: InstanceScope) -> str:
    """Return a digest of what is to be taken back when it changes: addresses that hosts made of a written prefix.

    A delegated prefix is taken back by ``old_prefixes``.
    """
    instance = scope.instance
    words = f"{instance.subnet6} {instance.addressing}"
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def _configuration(scope: InstanceScope) -> str:
    instance = scope.instance
    addressing = instance.addressing
    least, most = INTERVALS
    lines = [
        f"interface {BRIDGE} {{",
        "    AdvSendAdvert on;",
        "    IgnoreIfMissing on;",
        f"    MinRtrAdvInterval {least};",
        f"    MaxRtrAdvInterval {most};",
        f"    AdvDefaultLifetime {0 if instance.air_gapped or scope.net6 is None else LIFETIME};",
        f"    AdvManagedFlag {_on(addressing == 'stateful')};",
        f"    AdvOtherConfigFlag {_on(addressing in ('stateful', 'stateless'))};",
        f"    AdvLinkMTU {scope.mtu};",
        # Another address of the bridge would look like another router.
        f"    AdvRASrcAddress {{ {router_address(instance.name)}; }};",
    ]
    net = scope.net6
    if net is not None:
        valid, preferred = DELEGATED if instance.delegated else WRITTEN
        lines += [
            f"    prefix {net.subnet} {{",
            "        AdvOnLink on;",
            f"        AdvAutonomous {_on(addressing != 'stateful')};",
            f"        AdvValidLifetime {valid};",
            f"        AdvPreferredLifetime {preferred};",
            "        DeprecatePrefix on;",
            "    };",
        ]
    for old in scope.old_prefixes:
        # Valid for 0 s: hosts then go on for what is left of it, two hours at most (RFC 4862, 5.5.3 e), so that nobody
        # has to count.  Not "on link", which would count at once and leave them without a route to their neighbours.
        lines += [
            f"    prefix {old.prefix} {{",
            "        AdvOnLink off;",
            "        AdvAutonomous on;",
            "        AdvValidLifetime 0;",
            "        AdvPreferredLifetime 0;",
            "    };",
        ]
    if net is not None:
        for prefix in _routes(scope):
            lines.append(f"    route {prefix} {{ AdvRouteLifetime {LIFETIME}; RemoveRoute on; }};")
        lines.append(f"    RDNSS {net.gateway} {{ AdvRDNSSLifetime {LIFETIME}; }};")
        lines.append(f"    DNSSL {instance.domain} {{ AdvDNSSLLifetime {LIFETIME}; }};")
        lines += _pref64(scope)
    return "\n".join([*lines, "};"]) + "\n"


def _pref64(scope: InstanceScope) -> list[str]:
    prefix = scope.instance.nat64_prefix
    return (
        [f"    nat64prefix {prefix} {{ AdvValidLifetime {LIFETIME}; }};"] if prefix and scope.pref64 else []
    )


def _routes(scope: InstanceScope) -> list[IPv6Network]:
    """Return the routes beside the default one (RFC 4191); without that one, also to the metadata service."""
    routes = [*scope.instance.spec.ipv6.routes]
    if scope.instance.air_gapped:
        routes += [
            IPv6Network(address) for address in map(IPv6Address, METADATA6) if not address.is_link_local
        ]
    return list(dict.fromkeys(routes))


def _on(value: bool) -> str:
    return "on" if value else "off"
