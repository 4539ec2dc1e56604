"""DNS64 (RFC 6147): names that have only IPv4 addresses get IPv6 addresses that NAT64 leads there, by an unbound.

An application asks the instance's dnsmasq as always, that asks unbound for what it does not know itself, and unbound
asks another dnsmasq, "forwarder", which does what the first one does elsewhere: it asks the servers outside over the
instance's link, wherever their addresses lie, and when they change it reads its file again and loses no question.
So unbound needs nothing that changes.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address

from netnsmgr.core import ip
from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.features.upstream import DNS64, STAYS, direct
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import link_ref
from netnsmgr.items.process import Process, Rights

NAME, FORWARDER = "unbound", "forwarder"
ASKED = "127.53.0.3"
"""Where the forwarder listens."""
WELL_KNOWN = IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171")
"""Addresses of ipv4only.arpa, by which applications find the prefix (RFC 7050); told without asking (RFC 8880)."""


def items(scope: InstanceScope) -> list[Item]:
    """Return unbound and its forwarder; nothing without NAT64."""
    if scope.instance.nat64_prefix is None:
        return []
    etc = scope.etc
    upstream = File(f"{etc}/{FORWARDER}-servers", direct(scope), reload=FORWARDER)
    main = _file(scope, NAME, _unbound(scope))
    forwarder = _file(scope, FORWARDER, _forwarder(scope))
    lo = link_ref("lo")
    return [
        Directory(etc),
        upstream,
        main,
        forwarder,
        Process(
            FORWARDER,
            ("dnsmasq", f"--conf-file={forwarder.path}"),
            frozenset({forwarder.ref, upstream.ref, lo}),
            rights=_rights(scope, FORWARDER),
        ),
        Process(
            NAME,
            (NAME, "-d", "-c", main.path),
            frozenset({main.ref, lo}),
            stays=True,
            rights=_rights(scope, NAME),
        ),
    ]


def _rights(scope: InstanceScope, name: str) -> Rights:
    return Rights(("CAP_NET_BIND_SERVICE",), reads=(scope.etc,), writes=(place(scope.etc, name),))


def _file(scope: InstanceScope, name: str, text: str) -> File:
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return File(f"{scope.etc}/{name}.{scope.netns_inode}.{digest}.conf", text)


def _forwarder(scope: InstanceScope) -> str:
    own = place(scope.etc, FORWARDER)
    lines = [
        *STAYS,
        f"pid-file={own}/{FORWARDER}.pid",
        f"log-facility={own}/{FORWARDER}.log",
        f"listen-address={ASKED}",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        f"servers-file={scope.etc}/{FORWARDER}-servers",
        "bogus-priv",
        # Those before it have caches.
        "cache-size=0",
    ]
    return "\n".join(lines) + "\n"


def _unbound(scope: InstanceScope) -> str:
    prefix = scope.instance.nat64_prefix
    assert prefix is not None
    addresses = [*WELL_KNOWN, *(ip.mapped(prefix, address) for address in WELL_KNOWN)]
    well_known = "\n".join(
        f'    local-data: "ipv4only.arpa. IN {"A" if a.version == 4 else "AAAA"} {a}"' for a in addresses
    )
    return f"""server:
    directory: "{place(scope.etc, NAME)}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    verbosity: 0
    interface: {DNS64}
    access-control: 127.0.0.0/8 allow
    outgoing-interface: 127.0.0.1
    do-not-query-localhost: no
    do-ip6: no
    # No validator: an address that is made up has no signature.
    module-config: "dns64 iterator"
    dns64-prefix: {prefix}
    # A forwarder that is silent, because those behind it are, is asked again with the next question.
    infra-host-ttl: 1
    infra-keep-probing: yes
    qname-minimisation: no
    # Where IPv4 is not translated these are asked outside, too; and the prefix lies in one of the last two.
    local-zone: "test." nodefault
    local-zone: "home.arpa." nodefault
    local-zone: "d.f.ip6.arpa." nodefault
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
{well_known}
    # For a few applications: one thread, and little that is prepared or kept.
    num-threads: 1
    msg-buffer-size: 16384
    outgoing-range: 256
    num-queries-per-thread: 128
    outgoing-num-tcp: 4
    incoming-num-tcp: 4
    msg-cache-size: 256k
    rrset-cache-size: 512k
    key-cache-size: 16k
    neg-cache-size: 16k
    infra-cache-numhosts: 16
    msg-cache-slabs: 1
    rrset-cache-slabs: 1
    key-cache-slabs: 1
    infra-cache-slabs: 1
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {ASKED}
"""
