"""A switch without its agent: two applications, the site behind a port with a dnsmasq of its own, and lists by hand.

What the lists would do is in the table `FILTER`: app1 reaches its DNS server and what is in the set of its host rule.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netnsmgr.core.agreed import DNS_GROUP
from netnsmgr.core.item import Item
from netnsmgr.features import flowlog
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.names import host_sets
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import names
from netnsmgr.items.file import File
from netnsmgr.pubsub.tables import FLOW_LOG
from tests.kernel.flowstage import HEAD, Making, Rows, hub_of_agent, making
from tests.kernel.stage import ETC, sh
from tests.kernel.told import told

DNS, DNS6 = "10.20.0.2", "fd00:20::2"
APP1, APP2 = "10.20.0.10", "10.20.0.11"
NAMES = 256
DOMAIN = "github.com"
RULES = {
    "blocks": [
        {"base": 16, "app": "app1", "interface": "eth0", "ids": [1, 2]},
        {"base": 32, "app": "app2", "interface": "eth0", "ids": [None]},
    ]
}
SETS = "\n".join(
    f"set {name} {{ type ipv{family}_addr; flags timeout; timeout 1h; }}"
    for family in (4, 6)
    for name in host_sets(DOMAIN, family)
)
FILTER = f"""
table inet netnsmgr_acl {{
    counter unlogged {{ }}
    counter dropped {{ }}
    {SETS}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        meta mark != 1 accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
        ct direction reply accept
        meta l4proto {{ tcp, udp }} th dport 53 ct mark set 0x00100010 accept
        ip daddr @{host_sets(DOMAIN, 4)[0]} ct mark set 0x00100011 accept
        ip6 daddr @{host_sets(DOMAIN, 6)[0]} ct mark set 0x00100011 accept
        meta l4proto {{ tcp, udp }} counter name dropped meta mark set 0x00040010 log prefix "drop" group 1 drop
    }}
    chain decided {{
        type filter hook forward priority 1; policy accept;
        ct state new meta mark 2 ct mark set 0x00100020
        ct state new meta mark 2 ip daddr {APP1} meta mark set 0x00100012 log prefix "in" group 3
        ct state new meta mark 0 ip daddr {APP1} ct mark set 0x00100012 meta mark set 0x00100012 log prefix "in" group 3
    }}
}}
table netdev netnsmgr_vif {{
    chain app1 {{ type filter hook ingress device "app1.eth0" priority 0; meta mark set 1; }}
    chain app2 {{ type filter hook ingress device "app2.eth0" priority 0; meta mark set 2; }}
}}
"""


def scope(
    *,
    log: bool = False,
    hosts: Sequence[str] = (DOMAIN,),
    servers: Sequence[str] = (DNS, DNS6),
    both: bool = False,
    unguarded: bool = False,
) -> InstanceScope:
    """The switch; app1 has a host rule for each of ``hosts``, with ``both`` app2 too, which is guarded or not."""
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth3"}]}}
    spec: dict[str, Any] = {"type": "switch", "ports": ["eth3"], "flowLog": log}
    if servers:
        spec["dns"] = {"servers": list(servers)}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
    rules = [{"id": n, "match": {"host": host}} for n, host in enumerate(hosts, 1)]
    first: dict[str, Any] = {"name": "eth0", "network": "agent", "acl": rules}
    second: dict[str, Any] = {"name": "eth0", "network": "agent", "antiSpoofing": not unguarded}
    if both:
        second["acl"] = rules
    apps = [
        HEAD
        | {
            "kind": "App",
            "metadata": {"name": name},
            "spec": {"attach": {"tap": True}, "interfaces": [interface]},
        }
        for name, interface in (("app1", first), ("app2", second))
    ]
    return told(device, instance, *apps, link=LinkFacts())


def items(of: InstanceScope) -> list[Item]:
    rules = File(f"{ETC}/rules.json", json.dumps(RULES), reload=flowlog.NAME)
    return [*names.items(of), *flowlog.items(of), rules]


def build() -> None:
    """Bridge, applications, and the site on the port eth3, where every address of 198.51.0.0/16 and 2001:db8:51::/48 is."""
    sh("ip link add bn0 type bridge && ip link set bn0 up")
    for name, address, number in (("app1", APP1, "10"), ("app2", APP2, "11"), ("site", DNS, "2")):
        link = "eth3" if name == "site" else f"{name}.eth0"
        sh(
            f"ip netns add {name}; ip link add {link} type veth peer name eth0 netns {name};"
            f"ip link set {link} master bn0 up; ip -n {name} addr add {address}/24 dev eth0;"
            f"ip -n {name} link set lo up; ip -n {name} addr add fd00:20::{number}/64 dev eth0 nodad;"
            f"ip -n {name} link set eth0 up"
        )
        if name != "site":
            sh(f"ip -n {name} route add default via {DNS}; ip -n {name} route add default via {DNS6}")
    sh(
        "ip -n site route add local 198.51.0.0/16 dev lo; ip -n site route add local 2001:db8:51::/48 dev lo;"
        "echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables"
    )
    sh(f"nft -f - <<'END'\n{FILTER}\nEND")


def address(number: int) -> str:
    return f"198.51.100.{number}"


@asynccontextmanager
async def dnsmasq(*options: str) -> AsyncIterator[None]:
    """The site's DNS server: ``n<i>.github.com``, each with an address of its own of either version, and ``evil.org``."""
    hosts = Path("/run/site-hosts")
    lines = [f"{address(n)} n{n}.{DOMAIN}\n2001:db8:51::{n + 1:x} n{n}.{DOMAIN}\n" for n in range(NAMES)]
    many = "".join(f"198.51.7.{n} many.{DOMAIN}\n" for n in range(200))
    hosts.write_text("".join(lines) + many + "198.51.9.9 evil.org\n")
    process = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", "site", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
        "--user=root", f"--addn-hosts={hosts}", "--local-ttl=300", "--cname=alias.example.org,n1.github.com",
        f"--cname=alias.{DOMAIN},evil.org", "--log-facility=/run/site.log", "--pid-file=/run/site.pid", *options,
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while not _answers():
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


def _answers() -> bool:
    return "198.51.9.9" in sh(f"ip netns exec site dig +short +tries=1 +time=1 @{DNS} evil.org || true")


@asynccontextmanager
async def running(of: InstanceScope, *options: str) -> AsyncIterator[tuple[Rows, Making]]:
    """The switch with its program, which hears, and the site's DNS server with these options."""
    build()
    async with hub_of_agent() as hub, making() as agent, dnsmasq(*options):
        rows = Rows(hub, FLOW_LOG)
        await agent.once(*items(of))
        async with asyncio.timeout(10):
            while DNS_GROUP not in groups():
                await asyncio.sleep(0.02)
        yield rows, agent


def groups() -> set[int]:
    """The groups of NFLOG that somebody listens to."""
    found = Path("/proc/self/net/netfilter/nfnetlink_log").read_text()
    return {int(line.split()[0]) for line in found.splitlines()}


def dropped() -> int:
    """Packets of app1 that the list dropped."""
    listed = json.loads(sh("nft -j list counter inet netnsmgr_acl dropped"))["nftables"]
    return int(next(each["counter"]["packets"] for each in listed if "counter" in each))


def dig(name: str, *options: str, app: str = "app1", server: str = DNS) -> str:
    return sh(f"ip netns exec {app} dig +short +tries=1 +time=2 {' '.join(options)} @{server} {name} || true")
