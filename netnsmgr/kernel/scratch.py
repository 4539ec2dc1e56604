"""Trying kernel features where nobody is disturbed: in a network namespace of a short-lived child.

The namespace is never pinned: it and everything in it vanish when the child ends, however it ends.  Without
root the child first takes a user namespace, so that an unprivileged user learns about the kernel too.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from netnsmgr.kernel import modules

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

TIMEOUT = 30
"""Seconds after which a child that hangs in the kernel is killed."""

Outcome = tuple[bool | None, str]
"""Whether it works (None: not tried) and the error's text, or empty."""


class Probe(NamedTuple):
    """One feature of the kernel, how to try it, and what its absence costs."""

    name: str
    costs: str
    fix: str
    attempt: Callable[[], None]
    required: bool = True


def probe_all() -> dict[Probe, Outcome]:
    """Try all features, in order; what was not reached has the outcome None."""
    return tried(PROBES)


def tried(probes: Sequence[Probe]) -> dict[Probe, Outcome]:
    """Try these features, in order, of which the first must be ``NAMESPACE``."""
    outcomes = _in_child(probes)
    return {probe: outcomes.get(probe.name, (None, "not tried")) for probe in probes}


def _in_child(probes: Sequence[Probe]) -> dict[str, Outcome]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(TIMEOUT)
            with os.fdopen(writer, "w") as pipe:
                _attempt_all(
                    probes, lambda name, outcome: print(json.dumps([name, *outcome]), file=pipe, flush=True)
                )
            code = 0
        finally:
            # Not sys.exit: the parent's buffers and exit handlers are the parent's.
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        lines = [json.loads(line) for line in pipe]
    os.waitpid(pid, 0)
    return {name: (ok, detail) for name, ok, detail in lines}


def _attempt_all(probes: Sequence[Probe], report: Callable[[str, Outcome], None]) -> None:
    for probe in probes:
        try:
            probe.attempt()
            report(probe.name, (True, ""))
        except Exception as error:
            report(probe.name, (False, str(error) or type(error).__name__))
            if probe.attempt is _namespace:
                # Never go on in the machine's own namespace.
                return


def _namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET | (0 if root else CLONE_NEWUSER)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _link(kind: str, **arguments: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname=f"try-{kind}"[:15], kind=kind, **arguments)


def _vlan() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        below = ip.link_lookup(ifname="try-veth")
        ip.link("add", ifname="try-vlan", kind="vlan", link=below[0] if below else 1, vlan_id=2)


def _bridge_vlans() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname="try-vlans", kind="bridge", br_vlan_filtering=1)


def _bridge_lock() -> None:
    from pyroute2 import IPRoute

    from netnsmgr.kernel.bridges import KernelBridges

    with IPRoute() as ip:
        ip.link("add", ifname="try-switch", kind="bridge")
        ip.link("add", ifname="try-port", kind="veth", peer="try-far")
        master, port = ip.link_lookup(ifname="try-switch")[0], ip.link_lookup(ifname="try-port")[0]
        ip.link("set", index=port, master=master)
    bridges = KernelBridges()
    bridges.set_port("try-port", guard=True, locked=True)
    if not bridges.ports()["try-port"].locked:
        raise OSError("this kernel does not know it")


def _policy_routing() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        loopback = ip.link_lookup(ifname="lo")[0]
        ip.link("set", index=loopback, state="up")
        ip.route("add", dst="198.51.100.0/24", oif=loopback, table=20000)
        ip.rule("add", table=20000, priority=20000, src="198.51.100.1/32", iifname="lo")


def tap() -> None:
    """Make a TAP; a TUN takes nothing else of the kernel."""
    interface = struct.pack("16sH22x", b"try-tap", 0x1002)  # IFF_TAP | IFF_NO_PI
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, 0x400454CA, interface)  # TUNSETIFF


def _nft(body: str, family: str = "inet") -> None:
    import nftables

    nft = nftables.Nftables()
    code, _, error = nft.cmd(f"table {family} try {{ chain c {{ {body} }}\n}}\ndelete table {family} try")
    if code != 0:
        raise OSError(error.strip().splitlines()[0])


def _sysctl() -> None:
    # /proc/sys/net shows the namespace of whoever opens it.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _bridge_filter() -> None:
    try:
        (modules.BRIDGE_PARAMETERS / "bridge-nf-call-iptables").write_text("1")
    except FileNotFoundError:
        # The daemon loads it when it starts.
        if not modules.available(modules.BRIDGE_FILTER):
            raise


MODULE = "a kernel with {0} (built in or as a module: modprobe {1})"

NAMESPACE = Probe(
    "network namespaces",
    "nothing works",
    "a kernel with CONFIG_NET_NS; in a container: CAP_SYS_ADMIN and no seccomp filter on unshare",
    _namespace,
)
PROBES = (
    NAMESPACE,
    Probe(
        "veth",
        "no instance has links",
        MODULE.format("CONFIG_VETH", "veth"),
        lambda: _link("veth", peer="try-peer"),
    ),
    Probe("bridge", "no instance works", MODULE.format("CONFIG_BRIDGE", "bridge"), lambda: _link("bridge")),
    Probe(
        "locked bridge ports",
        "no applications on switches with `antiSpoofing`: they never become ready",
        "linux 5.18 or newer",
        _bridge_lock,
        False,
    ),
    Probe(
        "nftables at links",
        "no applications on switches: they never become ready",
        MODULE.format("CONFIG_NF_TABLES_NETDEV and CONFIG_NFT_FWD_NETDEV", "nft_fwd_netdev"),
        lambda: _nft('type filter hook ingress device "lo" priority 0; tcp dport 1 fwd to "lo";', "netdev"),
        False,
    ),
    Probe(
        "VLANs of bridges",
        "no VLANs on switches: one with `vlan` or `vlans` fails",
        "a kernel with CONFIG_BRIDGE_VLAN_FILTERING",
        _bridge_vlans,
        False,
    ),
    Probe(
        "policy routing",
        "instances cannot choose their ports",
        "a kernel with CONFIG_IP_MULTIPLE_TABLES",
        _policy_routing,
    ),
    Probe(
        "sysctl",
        "instances do not forward packets",
        "in a container: /proc/sys must be writable (--security-opt systempaths=unconfined)",
        _sysctl,
    ),
    Probe(
        "nftables NAT",
        "instances cannot reach the outside",
        MODULE.format("CONFIG_NF_TABLES_INET and CONFIG_NFT_NAT", "nft_nat"),
        lambda: _nft("type nat hook postrouting priority 100; masquerade;"),
    ),
    Probe(
        "conntrack",
        "no NAT, no stateful filter",
        MODULE.format("CONFIG_NF_CONNTRACK and CONFIG_NFT_CT", "nft_ct"),
        lambda: _nft("type filter hook forward priority 0; ct state established,related accept;"),
    ),
    Probe(
        "bridge netfilter",
        "no access lists: an instance is never ready",
        MODULE.format("CONFIG_BRIDGE_NETFILTER", "br_netfilter"),
        _bridge_filter,
    ),
    Probe(
        "TCP MSS clamping",
        "TCP stalls where a port's MTU is smaller and ICMP is filtered",
        MODULE.format("CONFIG_NFT_EXTHDR and CONFIG_NFT_RT", "nft_exthdr"),
        lambda: _nft("type filter hook forward priority 0; tcp flags syn tcp option maxseg size set rt mtu;"),
        False,
    ),
    Probe(
        "VLAN links",
        "no ports with 'vlan: {parent: …, id: …}'",
        MODULE.format("CONFIG_VLAN_8021Q", "8021q"),
        _vlan,
        False,
    ),
    Probe(
        "tun/tap",
        "no applications with 'attach: {tap: true}' (virtual machines)",
        MODULE.format("CONFIG_TUN", "tun") + "; in a container: --device /dev/net/tun",
        tap,
        False,
    ),
)
