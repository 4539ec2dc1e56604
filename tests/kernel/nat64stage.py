"""An instance with NAT64 in this namespace: its application, the device, and the site with servers of IPv4 alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from netnsmgr.config.check import check
from netnsmgr.core.item import Item
from netnsmgr.features import bridge, dns64, dnsmasq, link, mss, nat, nat64, portmap_inside
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope
from netnsmgr.kernel.namespace import inode
from netnsmgr.supervisor.slices import Slicer
from tests.kernel.stage import DIRECTORY, ETC, sh
from tests.lab.site import WEB

GATEWAY, APP = "fd00:10:1::1", "fd00:10:1::10"
SERVER, PRIVATE, DNS = "203.0.113.80", "10.1.2.3", "203.0.113.53"
PREFIX = "fd6e:6d64::"
NAMES = f"""
no-resolv
no-hosts
bind-interfaces
keep-in-foreground
user=root
pid-file=
cache-size=0
local=/site/
listen-address={DNS}
host-record=only4.site,{SERVER}
host-record=private.site,{PRIVATE}
host-record=dual.site,{SERVER},2001:db8::80
txt-record=nothing.site,text
cname=alias.site,only4.site
ptr-record=9.9.9.9.in-addr.arpa,public.example
address=/many.site/{SERVER}
"""
# Answers a number with so many bytes that may not be fragmented, or with an error's number; anything else with itself.
SIZES = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
s.bind(("203.0.113.80", 7000))
print("listening", flush=True)
while True:
    data, peer = s.recvfrom(65535)
    s.setsockopt(socket.IPPROTO_IP, 10, 2 if data.isdigit() else 0)
    try:
        s.sendto(b"x" * int(data) if data.isdigit() else data, peer)
    except OSError as error:
        s.sendto(b"%d" % error.errno, peer)
"""
Document = dict[str, Any]


def scope(*, servers: Sequence[str] = (DNS,), **spec: Any) -> InstanceScope:
    """What an agent is told of the instance; with `nat64=None` it has none."""
    given = {"ports": ["eth0"], "subnets": ["fd00:10:1::/64"], "nat64": {}} | spec
    document: Document = {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "NetworkInstance",
        "metadata": {"name": "agent"},
        "spec": {name: value for name, value in given.items() if value is not None},
    }
    config, problems = check([document], {})
    assert not problems, problems
    row = Slicer().cut(config, {"NetworkInstanceConfig": {"agent": document}}, {"agent": 0}, 1)["agent"]
    made = instance_scope(
        row, LinkFacts(dns=tuple(servers)), run_dir="/run", state_dir="/run/state", netns_inode=inode() or 0,
    )  # fmt: skip
    return replace(made, etc=ETC)


def items(of: InstanceScope) -> list[Item]:
    """All but the lists."""
    features = (bridge, link, nat, portmap_inside, mss, nat64, dns64, dnsmasq)
    return [item for feature in features for item in feature.items(of)]


@contextmanager
def surroundings() -> Iterator[None]:
    """Everything around the instance, from before there is one; programs end with the test's namespaces."""
    Path("/run/state/leases/agent").mkdir(parents=True)
    Path("/run/site.conf").write_text(NAMES)
    Path("/run/sizes.py").write_text(SIZES)
    Path(DIRECTORY).mkdir(exist_ok=True)
    sh(f"""
    for n in app device site; do ip netns add $n; ip -n $n link set lo up; done
    ip -n device link add nm-agent type veth peer name uplink netns $$
    ip -n device link add eth0 type veth peer name eth0 netns site
    ip -n device address add 169.254.100.0/31 dev nm-agent; ip -n device link set nm-agent up
    ip -n device address add 203.0.113.1/24 dev eth0; ip -n device link set eth0 up
    ip -n device route add {PRIVATE} via {SERVER}
    ip netns exec device sysctl -qw net.ipv4.ip_forward=1
    ip netns exec device nft 'table ip t {{ chain p {{ type nat hook postrouting priority 100; oifname eth0 masquerade; }}; }}'
    for a in {DNS}/24 {SERVER}/24 {PRIVATE}/32; do ip -n site address add $a dev eth0; done
    ip -n site link set eth0 up
    """)
    started = [
        program("site", "dnsmasq", "-C", "/run/site.conf"),
        program(
            "site",
            sys.executable, "-IS", str(WEB), f"only4@{SERVER}:80", f"private@{PRIVATE}:80", says="listening",
        ),
        program("site", sys.executable, "/run/sizes.py", says="listening"),
    ]  # fmt: skip
    try:
        yield
    finally:
        for each in started:
            each.kill()


def program(netns: str, *argv: str, says: str = "") -> subprocess.Popen[str]:
    """Start a program; it is ready when it says so."""
    started = subprocess.Popen(
        ["ip", "netns", "exec", netns, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert started.stdout is not None
    assert not says or started.stdout.readline().strip() == says
    return started


def plug() -> None:
    """Give the application its interface."""
    sh(f"""
    ip -n app link add eth0 type veth peer name app.eth0 netns $$
    ip link set app.eth0 master bn0 up
    ip -n app link set eth0 up
    ip -n app address add {APP}/64 dev eth0 nodad
    ip -n app route add default via {GATEWAY}
    """)


def app(command: str) -> str:
    """What the application sees."""
    return sh(f"ip netns exec app {command}")


def ask(name: str, kind: str = "AAAA", *, status: bool = False, wait: int = 2) -> str:
    """What the application's DNS server answers: addresses, or the status; nothing if it does not within seconds."""
    dig = f"dig +tries=1 +time={wait} @{GATEWAY} {name} {kind}"
    if status:
        return app(f"sh -c '{dig} +noall +comments' | sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p'")
    return app(f"sh -c '{dig} +short || :'")


def ready() -> None:
    """Wait until unbound answers: it counts as ready when it runs."""
    sh("until dig +tries=1 +time=1 +short @127.53.0.2 ipv4only.arpa AAAA | grep -q :; do sleep 0.02; done")
