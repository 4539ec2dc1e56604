"""IPsec: a charon for each instance, and the link by which packets reach it.

charon-systemd leaves no process id anywhere, stays in the foreground, and takes all it reads from the one file that
STRONGSWAN_CONF names: nothing below /etc is looked at, neither strongswan.d nor swanctl.  Connections and secrets are
told by its socket alone (VICI), so that the file has none.  It answers nobody who begins: applications reach its ports, too.

Packets get to it by the link `ipsec0`, with either backend: an xfrm link, behind which the kernel encrypts, or the TUN of
charon's plugin kernel-libipsec, which comes and goes with charon.
"""

from __future__ import annotations

import hashlib
from ipaddress import ip_interface

from netnsmgr.core.ip import Version
from netnsmgr.core.item import Item
from netnsmgr.features.link import UPLINK
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.features.vpn.marks import IKE_MARK
from netnsmgr.features.vpn.overhead import esp_mtu
from netnsmgr.items.address import Address
from netnsmgr.items.file import Directory, File
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.xfrm import XfrmLink

NAME = "charon"
PROGRAM = "charon-systemd"
LINK = "ipsec0"
"""The name that kernel-libipsec gives its TUN in a namespace where no other is (``ipsec%d``)."""
LIBIPSEC_MTU = 1400
"""What kernel-libipsec reads of a packet at most, whatever MTU its TUN is given later: it cuts longer ones off."""

_PLUGINS = (
    "random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf drbg {backend}kernel-netlink socket-default"
    " updown vici"
)
"""`updown` before `vici`: what its script leaves is there when the event is told."""
_NOBODYS_MARK = 0xFFFF0000
"""No packet has it: no interface of an application has the number 65535."""


def vici_socket(scope: InstanceScope) -> str:
    """Return the socket by which the instance's charon is driven: by its own user alone (0770, by charon)."""
    return f"{place(scope.etc, NAME)}/{NAME}.vici"


def log_file(scope: InstanceScope) -> str:
    """Return where the instance's charon writes what it does; never a secret (log level 1)."""
    return f"{place(scope.etc, NAME)}/{NAME}.log"


def dns_file(scope: InstanceScope, connection: str) -> str:
    """Return where the addresses of the DNS servers are left that the other end of a connection has told."""
    return f"{place(scope.etc, NAME)}/{NAME}.dns.{connection}"


def if_id(scope: InstanceScope) -> int:
    """Return the number by which the kernel's states and policies belong to the xfrm link; never 0."""
    return scope.number + 1


def outer_version(scope: InstanceScope) -> Version:
    """Return the version of IP of the packets outside, the one with the larger header where it is not known."""
    vpn = scope.instance.spec.vpn
    hosts = [connection.remote for connection in vpn.connections] if vpn is not None else []
    found = {address.version for host in hosts for address in scope.vpn.endpoints.get(host, ())}
    known = all(scope.vpn.endpoints.get(host) for host in hosts)
    return 4 if (known and found == {4}) or len(scope.links) == 1 else 6


def link_mtu(scope: InstanceScope) -> int:
    """Return the MTU of `ipsec0`, in bytes: what fits with each of the offered suites."""
    vpn = scope.instance.spec.vpn
    connections = vpn.connections if vpn is not None else ()
    proposals = [p for connection in connections for child in connection.children for p in child.proposals]
    mtu = esp_mtu(scope.link.mtu, proposals, outer_version(scope))
    return mtu if scope.vpn.esp == "kernel" else min(mtu, LIBIPSEC_MTU)


def items(scope: InstanceScope) -> list[Item]:
    """Return daemon, its configuration and its link; nothing without tunnels."""
    vpn = scope.instance.spec.vpn
    if vpn is None or not vpn.connections or not scope.vpn.esp:
        return []
    text = _configuration(scope)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{scope.etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    return [
        *_link(scope),
        Forwarding(LINK),
        # Selectors say whose packets come out of a tunnel; with `routes` that are narrower, not each has a way back.
        Sysctl(f"net/ipv4/conf/{LINK}/rp_filter", "0", LINK),
        *(Address(LINK, ip_interface(address)) for address in scope.vpn.virtual),
        Directory(scope.etc),
        main,
        Process(
            NAME,
            (main.path,),
            frozenset({main.ref}),
            stays=True,
            executable=PROGRAM,
            rights=Rights(
                ("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"),
                reads=(main.path,),
                writes=(place(scope.etc, NAME), "/dev/net/tun"),
                unix=True,
                programs=True,  # the shell of the script that is told a connection's DNS servers
            ),
            env=(("STRONGSWAN_CONF", main.path),),
        ),
    ]


def _link(scope: InstanceScope) -> list[Item]:
    mtu = link_mtu(scope)
    if scope.vpn.esp == "kernel":
        return [XfrmLink.of(LINK, mtu, scope.instance.name, if_id(scope))]
    return [ExternalLink(LINK), LinkUp(LINK, mtu)]


def _configuration(scope: InstanceScope) -> str:
    kernel = scope.vpn.esp == "kernel"
    # Packets have their ways by our routes.  libipsec makes some for itself whatever it is told: into a table that is
    # asked for nobody's packets.
    table, mark = (0, "") if kernel else (220, f"            fwmark = {_NOBODYS_MARK:#x}\n")
    # libipsec installs no policy whose selector has none of our addresses, so that a virtual one has to be there at once.
    virtual = "no" if kernel else "yes"
    libipsec = "" if kernel else "        kernel-libipsec {\n            allow_peer_ts = yes\n        }\n"
    # An end that is silent is given up after 41 s (2 + 3 + ... + 15), not 165: then it is asked from the beginning.
    return f"""# {scope.instance.name}
{PROGRAM} {{
    load = {_PLUGINS.format(backend="" if kernel else "kernel-libipsec ")}
    initiator_only = yes
    install_routes = no
    install_virtual_ip = {virtual}
    routing_table = {table}
    routing_table_prio = 40000
    interfaces_use = {UPLINK}
    process_route = no
    retransmit_tries = 5
    retransmit_timeout = 2.0
    retransmit_base = 1.5
    journal {{
        default = -1
    }}
    filelog {{
        file {{
            path = {log_file(scope)}
            append = yes
            flush_line = yes
            ike_name = yes
            time_format = %Y-%m-%dT%H:%M:%S%z
            default = 1
            esp = 0
            enc = 0
        }}
    }}
    plugins {{
        kernel-netlink {{
            roam_events = no
{mark}        }}
        socket-default {{
            fwmark = {IKE_MARK:#x}
        }}
{libipsec}        updown {{
            dns_handler = yes
        }}
        vici {{
            socket = unix://{vici_socket(scope)}
        }}
    }}
}}
"""
