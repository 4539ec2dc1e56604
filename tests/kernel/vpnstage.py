"""An instance with a tunnel in the test's own namespace, the device and its site, and beyond the tunnel a cloud.

A veth called as the tunnel stands in for it: what is encrypted by nobody here, the test tells by the link that it takes.
The cloud and the site's neighbour have the same address (collision 3).
"""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Literal

from netnsmgr.core.item import Item
from netnsmgr.features.instance import APP_FEATURES, FEATURES
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import ipsec, wireguard
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.items.address import Address
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.sysctl import Sysctl
from tests.kernel.stage import DIRECTORY, sh
from tests.kernel.told import told
from tests.lab import isolated
from tests.lab.site import WEB

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
KEY = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
OUTER, INNER = "169.254.100.0", "169.254.100.1"
OUTER6, INNER6 = "fd6e:6d00::", "fd6e:6d00::1"
DEVICE, NEIGHBOUR = "10.20.0.1", "10.20.0.5"
"""In the site's network, which is the one behind the tunnel, too."""
SERVER = "203.0.113.80"
SERVER6, CLOUD6 = "2001:db8:1::80", "fd00:20::5"
OURS = "10.9.0.2"
GATEWAY, APP, GATEWAY6, APP6 = "10.11.12.1", "10.11.12.10", "fd00:11:12::1", "fd00:11:12::10"
MTU = 1420
isolated_long = functools.partial(isolated, timeout=120.0)
"""For many passes of an agent, on a machine that others use, too."""


def document(
    networks: Sequence[str] = ("10.20.0.0/24",),
    *,
    ipv6: bool = False,
    nat: bool = True,
    dns: Sequence[str] = (),
    **vpn: Any,
) -> Document:
    """An instance with one WireGuard tunnel to these networks; without any of them it has no VPN."""
    tunnel = {
        "name": "wg0",
        "addresses": [f"{OURS}/24"],
        "nat": nat,
        "peers": [{"name": "hub", "publicKey": KEY, "allowedIps": list(networks)}],
        "listenPort": 51820,
    }
    spec: Document = {
        "ports": ["eth0"],
        "subnets": ["10.11.12.0/24", *(["fd00:11:12::/64"] if ipv6 else [])],
        "dhcp": {},
        "dns": {"servers": list(dns)},
    }
    if networks:
        spec["vpn"] = {"wireguard": {"tunnels": [tunnel]}, **vpn}
    return HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}


def app(acl: Sequence[Document] | None = None, *, ipv6: bool = False) -> Document:
    interface: Document = {"name": "eth0", "network": "agent", "address": APP}
    if ipv6:
        interface["address6"] = APP6
    if acl is not None:
        interface["acl"] = list(acl)
    spec = {"attach": {"netns": "app1"}, "interfaces": [interface]}
    return HEAD | {"kind": "App", "metadata": {"name": "app1"}, "spec": spec}


PORT_MAP = (
    {"id": 1, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}},
    {"id": 2, "match": {}},
)


def scope(
    instance: Document, apps: Iterable[Document] = (), servers: Sequence[str] = (SERVER,), **more: Any
) -> InstanceScope:
    """What the instance's agent is told."""
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    return told(
        device, instance, *apps, link=LinkFacts(dns=tuple(servers)), vpn=VpnFacts(wireguard="kernel"), **more
    )


def items(of: InstanceScope) -> list[Item]:
    """All that an agent wants, and the stand-in instead of what encrypts."""
    left_out = {wireguard.items, ipsec.items}
    found = [item for feature in FEATURES if feature not in left_out for item in feature(of)]
    for name, interface in of.interfaces:
        found += [item for feature in APP_FEATURES for item in feature(of, name, interface)]
    return found + (tunnel() if of.instance.spec.vpn is not None else [])


def tunnel(name: str = "wg0") -> list[Item]:
    return [
        ExternalLink(name),
        LinkUp(name, MTU),
        Forwarding(name),
        Sysctl(f"net/ipv4/conf/{name}/rp_filter", "0", name),
        Address(name, ip_interface(f"{OURS}/24")),
    ]


def put_tunnel(name: str = "wg0") -> None:
    """Make the stand-in; each end takes all for its own, as a tunnel's end does."""
    mac = "02:00:00:00:09:01"
    sh(f"""
    ip -n cloud link add far type veth peer name {name} netns $$
    ip -n cloud link set far address {mac} arp off mtu {MTU} up; ip link set {name} address {mac} arp off
    ip -n cloud address add 10.9.0.1/24 dev far; ip -n cloud route add 10.11.12.0/24 dev far
    ip -n cloud -6 route add fd00:11:12::/64 dev far
    """)


def take_tunnel(name: str = "wg0") -> None:
    sh(f"ip link delete {name}")


@contextmanager
def surroundings() -> Iterator[None]:
    """The device, its site and the cloud, from before there is an instance; programs end with the test's namespaces."""
    Path("/run/state/leases/agent").mkdir(parents=True)
    Path(DIRECTORY).mkdir(exist_ok=True)
    sh(f"""
    sysctl -qw net.ipv6.conf.default.accept_dad=0
    for n in app1 device site cloud; do
        ip netns add $n; ip -n $n link set lo up; ip netns exec $n sysctl -qw net.ipv6.conf.default.accept_dad=0
    done
    ip -n device link add nm-agent type veth peer name uplink netns $$
    ip -n device link add eth0 type veth peer name eth0 netns site
    ip -n device address add {OUTER}/31 dev nm-agent; ip -n device address add {OUTER6}/127 dev nm-agent nodad
    ip -n device link set nm-agent up
    ip -n device address add {DEVICE}/24 dev eth0; ip -n device address add 2001:db8:1::1/64 dev eth0 nodad
    ip -n device link set eth0 up
    ip -n device route add 10.11.12.0/24 via {INNER} src {OUTER}
    ip -n device -6 route add fd00:11:12::/64 via {INNER6} src {OUTER6}
    ip netns exec device sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip -n site address add {NEIGHBOUR}/24 dev eth0; ip -n site address add {SERVER}/24 dev eth0
    ip -n site address add {SERVER6}/64 dev eth0 nodad; ip -n site link set eth0 up
    ip -n device address add 203.0.113.1/24 dev eth0
    ip -n site route add default via {DEVICE}; ip -n site -6 route add default via 2001:db8:1::1
    ip -n cloud address add 10.20.0.5/32 dev lo; ip -n cloud address add {CLOUD6}/128 dev lo
    ip -n cloud address add 10.20.0.53/32 dev lo
    """)
    sh(f"""ip netns exec device nft -f - <<E
    table inet t {{
        chain in {{ type nat hook prerouting priority -100;
            fib daddr type local tcp dport 8080 meta nfproto ipv4 dnat ip to {INNER}:8080
            fib daddr type local tcp dport 8080 meta nfproto ipv6 dnat ip6 to [{INNER6}]:8080
        }}
        chain out {{ type nat hook postrouting priority 100;
            oifname eth0 masquerade
            oifname nm-agent ip saddr {INNER} masquerade
        }}
    }}
E""")
    started = [
        program("site", sys.executable, "-IS", str(WEB), f"site@{NEIGHBOUR}:80", f"server@{SERVER}:80", says="listening"),
        program("cloud", sys.executable, "-IS", str(WEB), "cloud@10.20.0.5:80", says="listening"),
        program("app1", sys.executable, "-IS", str(WEB), "app@0.0.0.0:80", says="listening"),
    ]  # fmt: skip
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def program(netns: str, *argv: str, says: str = "") -> subprocess.Popen[str]:
    """Start a program; it is ready when it says so."""
    started = subprocess.Popen(
        ["ip", "netns", "exec", netns, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert not says or started.stdout.readline().strip() == says
    return started


def settle(*, ipv6: bool = False) -> None:
    """Give the application its addresses, as a client of DHCP would."""
    sh(f"""
    ip -n app1 link set eth0 up; ip -n app1 address replace {APP}/24 dev eth0
    ip -n app1 route replace default via {GATEWAY}""")
    if ipv6:
        sh(
            f"ip -n app1 -6 address replace {APP6}/64 dev eth0 nodad; ip -n app1 -6 route replace default via {GATEWAY6}"
        )


def by(netns: str, command: str) -> str:
    return sh(f"ip netns exec {netns} {command}")


def gets(netns: str, url: str, *options: str, seconds: float = 1.5) -> str:
    """What a web server answers; empty if it does not."""
    return by(netns, f"sh -c 'curl -gsS -m {seconds} {' '.join(options)} {url} 2>/dev/null || :'")


LISTEN = """
import json, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.bind((sys.argv[1], 0))
import signal
signal.signal(signal.SIGTERM, lambda *_: s.setblocking(False))
signal.siginterrupt(signal.SIGTERM, True)
print("listening", flush=True)
found = {}
while True:
    try:
        data, (_, _, kind, _, _) = s.recvfrom(65535)
    except BlockingIOError:
        break
    except InterruptedError:
        continue
    direction = "out" if kind == 4 else "in"
    ether = int.from_bytes(data[12:14], "big")
    if ether == 0x800:
        f, proto, src, dst, rest = 4, data[23], socket.inet_ntop(2, data[26:30]), socket.inet_ntop(2, data[30:34]), data[34:]
    elif ether == 0x86dd:
        f, proto, src, dst, rest = 6, data[20], socket.inet_ntop(10, data[22:38]), socket.inet_ntop(10, data[38:54]), data[54:]
    else:
        continue
    dport = int.from_bytes(rest[2:4], "big") if proto in (6, 17) else rest[0] if proto in (1, 58) and rest else 0
    key = f"{direction} {src} {dst} {proto} {dport} {'SECRET' if b'SECRET' in data else ''}"
    if key not in found:
        print(key, flush=True)
    found[key] = found.get(key, 0) + 1
packets, drops = __import__("struct").unpack("II", s.getsockopt(263, 6, 8))
print(json.dumps({"found": found, "drops": drops}), flush=True)
"""


class Seen:
    """One kind of packet on the outer half of the link."""

    def __init__(self, key: str, count: int) -> None:
        self.way: Literal["in", "out"]
        way, self.src, self.dst, proto, port, self.secret = key.rstrip("\n").split(" ")
        self.way = "in" if way == "in" else "out"
        self.protocol, self.port, self.count = int(proto), int(port), count

    def __repr__(self) -> str:
        return f"{self.way} {self.src} > {self.dst} {self.protocol}/{self.port} {self.secret} x{self.count}"


class Capture:
    """All packets of IP on a link, from before the instance until after it."""

    def __init__(self, netns: str = "device", link: str = "nm-agent") -> None:
        self._process = program(netns, sys.executable, "-IS", "-c", LISTEN, link, says="listening")
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self._new: list[Seen] = []

    async def until(self, wanted: Callable[[Seen], bool], seconds: float = 10.0) -> None:
        """Wait for a packet that is ``wanted``, also one that came by already."""
        async with asyncio.timeout(seconds):
            while not any(map(wanted, self._new)):
                self._new.append(Seen(await asyncio.to_thread(self._lines.readline), 1))

    def end(self) -> list[Seen]:
        """What came by; ``in``: from the instance."""
        self._process.terminate()
        said = self._lines.read().splitlines()[-1]
        self._process.wait()
        told_ = json.loads(said)
        assert told_["drops"] == 0
        return [Seen(key, count) for key, count in told_["found"].items()]


SEND = """
import socket, sys, time, select
targets = [t.rsplit("#", 1) for t in sys.argv[1:]]
socks = []
for address, port in targets:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    socks.append((s, (address, int(port))))
pings = [(socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), t) for t in {a for a, _ in targets if ":" not in a}]
print("sending", flush=True)
n = 0
while not select.select([sys.stdin], [], [], 0.002)[0]:
    n += 1
    fresh = []
    for s, to in socks:
        other = socket.socket(s.family, socket.SOCK_DGRAM)
        for each in (s, other):
            try:
                each.sendto(b"SECRET" * 4, to)
            except OSError:
                pass
        other.close()
    if n % 5 == 0:
        for s, to in pings:
            body = b"\\x08\\0" + b"\\0\\0" + n.to_bytes(4, "big") + b"SECRET"
            total = sum(int.from_bytes(body[i:i+2], "big") for i in range(0, len(body), 2))
            total = (total & 0xffff) + (total >> 16)
            try:
                s.sendto(body[:2] + (~total & 0xffff).to_bytes(2, "big") + body[4:], (to, 0))
            except OSError:
                pass
print(n, flush=True)
"""


class Sender:
    """The application sends marked packets without a pause: old flows that go on, new ones, and pings."""

    def __init__(self, *targets: str) -> None:
        self._process = program("app1", sys.executable, "-IS", "-c", SEND, *targets, says="sending")

    def end(self) -> int:
        said, _ = self._process.communicate("\n", timeout=10)
        return int(said)


def forged(netns: str, link: str, source: str, target: str, *, sport: int = 9, dport: int = 7) -> None:
    """Have a namespace send a marked UDP packet, whoever it says that it is from."""
    script = (
        "import socket,struct,sys;a,b=sys.argv[2:4];v=6 if ':' in a else 4;"
        "p=lambda x:socket.inet_pton(socket.AF_INET6 if v==6 else socket.AF_INET,x);"
        f"u=struct.pack('>HHHH',{sport},{dport},14,0)+b'SECRET';"
        "h=(struct.pack('>IHBB',6<<28,14,17,64) if v==6 else struct.pack('>BBHHHBBH',0x45,0,34,1,0,64,17,0))+p(a)+p(b);"
        "s=sum(struct.unpack('>10H',h)) if v==4 else 0;s=(s&65535)+(s>>16);s=(s&65535)+(s>>16);"
        "h=h[:10]+struct.pack('>H',~s&65535)+h[12:] if v==4 else h;"
        "k=socket.socket(socket.AF_PACKET,socket.SOCK_DGRAM);"
        "k.sendto(h+u,(sys.argv[1],0x86dd if v==6 else 0x800,0,0,bytes.fromhex(sys.argv[4])))"
    )
    mac = sh("cat /sys/class/net/uplink/address" if link == "nm-agent" else "cat /sys/class/net/wg0/address")
    done = subprocess.run(
        ["ip", "netns", "exec", netns, sys.executable, "-IS", "-c", script, link, source, target, mac.replace(":", "")],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def names(netns: str, *addresses: str, answer: str) -> subprocess.Popen[str]:
    """A DNS server of others; every name has the ``answer``."""
    listening = [f"--listen-address={each}" for each in addresses]
    return program(
        netns, "dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file=",
        "--user=root", "--local-ttl=0", f"--address=/#/{answer}", *listening,
    )  # fmt: skip


def ask(name: str) -> str:
    """What the application is told by its DNS server; empty where it does not answer."""
    return by("app1", f"sh -c 'dig +short +tries=1 +time=1 @{GATEWAY} {name} | grep -v \";;\" || :'")
