"""A switch by hand, whose two applications' addresses are learned: real clients, and a site with real servers."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from netnsmgr.agent.observing import Observing
from netnsmgr.core.ip import IPAddress
from netnsmgr.features.switch import observe
from netnsmgr.features.switch.observe import Watched
from tests.kernel.stage import sh
from tests.lab.app import SCRIPT

MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}
OWN = "02:00:00:00:00:99"
WATCHED = {vif: Watched(f"app{vif}.eth0", mac) for vif, mac in MACS.items()}
PATH = Path("/run/observed.json")
SENDER = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
for frame in sys.stdin:
    wire.send(bytes.fromhex(frame))
"""


SORTED = f"""
chain sorted {{
    meta protocol vmap {{ arp : goto {observe.FROM_ARP}, ip : goto sorted_ip, ip6 : goto {observe.FROM_IP6} }}
}}
chain sorted_ip {{
    udp dport 67 goto {observe.FROM_DHCP}
}}"""
"""What the guard does beside its own affairs: frames of applications go to the chain for their kind."""


def coming(mac: str, *, guarded: bool = True) -> str:
    """The rules for what one interface sends.

    Not ``guarded``: nobody has checked yet that its frames and its ARP are of its own MAC address.
    """
    if guarded:
        return "jump sorted"
    return f"""ether saddr {mac} meta protocol arp arp saddr ether {mac} jump {observe.FROM_ARP}
    ether saddr {mac} meta protocol {{ ip, ip6 }} jump sorted"""


def switch(*, unguarded: int = 0) -> None:
    """The bridge ``bn0`` with its port ``eth3``, behind which is ``site``, and the applications ``app1`` and ``app2``."""
    sh(f"""
        sysctl -qw net.ipv6.conf.default.disable_ipv6=1
        ip link add bn0 type bridge mcast_snooping 0; ip link set bn0 address {OWN} up
        ip netns add site
        ip link add eth3 type veth peer name eth3 netns site
        ip link set eth3 master bn0 up
        ip -n site link set lo up
        ip -n site link set eth3 up; ip -n site address add 192.168.3.1/24 dev eth3
        ip -n site address add fd00:3::1/64 dev eth3 nodad
    """)
    hooks = """
        chain port { type filter hook ingress device eth3 priority 0;
            udp dport & 0xfc00 == 0 jump observe_answers
        }"""
    for vif, mac in MACS.items():
        sh(f"""
            ip netns add app{vif}
            ip link add app{vif}.eth0 type veth peer name eth0 netns app{vif} address {mac}
            ip netns exec app{vif} sysctl -qw net.ipv6.conf.eth0.router_solicitation_delay=0
            ip link set app{vif}.eth0 master bn0 up; ip -n app{vif} link set lo up
        """)
        hooks += f"""
            chain from{vif} {{ type filter hook ingress device app{vif}.eth0 priority 0;
                meta mark set {vif}
                {coming(mac, guarded=vif != unguarded)}
                {"jump observe_answers" if vif == unguarded else ""}
            }}"""
    macs = ", ".join(MACS.values())
    numbers = ", ".join(str(int(mac.replace(":", ""), 16)) for mac in MACS.values())
    text = f"table netdev t {{ {observe.body(OWN)}{SORTED}{hooks}\n}}\n"
    text += f"add element netdev t observe_macs {{ {macs} }}\nadd element netdev t observe_chaddrs {{ {numbers} }}\n"
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def app(vif: int, script: str) -> str:
    return sh(f"ip netns exec app{vif} sh -ec '{script}'")


def send(vif: int, *frames: bytes) -> None:
    """Put frames on an application's link."""
    put(f"app{vif}", "eth0", *frames)


def put(place: str, link: str, *frames: bytes) -> None:
    """Put frames on a link in a namespace."""
    argv = ["ip", "netns", "exec", place, "python3", "-I", "-S", "-c", SENDER, link]
    subprocess.run(argv, input="\n".join(f.hex() for f in frames), text=True, check=True)


class Background:
    """A program in a namespace; ended, and waited for, by ``end``."""

    def __init__(self, place: str, *argv: str) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", place, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def tell(self, signum: int) -> None:
        self._process.send_signal(signum)

    def end(self, signum: int = signal.SIGTERM) -> None:
        self.tell(signum)
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        self._process.wait(10)


def dnsmasq(place: str = "site", link: str = "eth3", dns: str = "192.168.3.1,192.168.3.2") -> Background:
    """DHCP and router advertisements of fd00:3::/64; it is there when this returns."""
    Path("/run/dnsmasq.pid").unlink(missing_ok=True)
    served = Background(
        place,
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--port=0",
        "--bind-interfaces",
        f"--interface={link}",
        "--dhcp-authoritative",
        "--dhcp-leasefile=/run/dnsmasq.leases",
        "--pid-file=/run/dnsmasq.pid",
        "--dhcp-range=192.168.3.50,192.168.3.150,120",
        f"--dhcp-option=6,{dns}",
        "--dhcp-range=fd00:3::,ra-only,64,600",
        "--enable-ra",
        f"--ra-param={link},4,600",
    )
    wait_for("/run/dnsmasq.pid")
    return served


def dhcpd(seconds: int, version: int = 4) -> Background:
    """ISC's server, which gives shorter leases than dnsmasq does."""
    lines = f"default-lease-time {seconds}; max-lease-time {seconds}; authoritative;\n"
    if version == 4:
        lines += "subnet 192.168.3.0 netmask 255.255.255.0 { range 192.168.3.50 192.168.3.60;"
        lines += " option domain-name-servers 192.168.3.1; }\n"
    else:
        lines += f"preferred-lifetime {seconds};\nsubnet6 fd00:3::/64 {{ range6 fd00:3::1000 fd00:3::1010;"
        lines += " option dhcp6.name-servers fd00:3::1; }\n"
    Path(f"/run/dhcpd{version}.conf").write_text(lines)
    Path(f"/run/dhcpd{version}.leases").write_text("")
    files = [f"/run/dhcpd{version}.{kind}" for kind in ("conf", "leases", "pid")]
    argv = ["dhcpd", f"-{version}", "-f", "-q", "-cf", files[0], "-lf", files[1], "-pf", files[2], "eth3"]
    served = Background("site", *argv)
    wait_for(files[2])
    return served


def wait_for(path: str) -> None:
    sh(f"for n in $(seq 200); do [ -s {path} ] && exit 0; sleep 0.05; done; exit 1")


def udhcpc(vif: int, *more: str) -> Background:
    """A client that takes a lease and configures the address."""
    Path("/run/lab/leases").mkdir(parents=True, exist_ok=True)
    app(vif, "ip link set eth0 up")
    argv = [
        "env",
        f"LAB_HOST=app{vif}",
        "udhcpc",
        "-f",
        "-i",
        "eth0",
        "-s",
        str(SCRIPT),
        "-T",
        "1",
        "-t",
        "20",
    ]
    return Background(f"app{vif}", *argv, *more)


def dhclient(vif: int, version: int, *more: str) -> Background:
    """A client that configures an IPv4 address, none of IPv6, and renews."""
    script = Path("/run/dhclient.sh")
    script.write_text(
        "#!/bin/sh\n[ -z $new_ip_address ] || ip address replace $new_ip_address/24 dev $interface\n"
    )
    script.chmod(0o755)
    made = "ip -6 address show dev eth0 scope link -tentative | grep -q inet6"
    app(vif, f"ip link set eth0 up; until {made}; do sleep 0.1; done")
    files = [f"/run/dhclient{version}.{vif}.{kind}" for kind in ("leases", "pid")]
    argv = ["dhclient", f"-{version}", "-d", "-sf", str(script), "-lf", files[0], "-pf", files[1]]
    return Background(f"app{vif}", *argv, *more, "eth0")


class Agent:
    """What an agent does when it is woken; ``woken`` counts how often."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.woken = 0
        self.observing = Observing("/run", OWN, self._wake)
        self.keep()

    def _wake(self) -> None:
        self.woken += 1
        self._event.set()

    def keep(self) -> None:
        self.observing.keep(WATCHED)

    @property
    def known(self) -> dict[tuple[int, IPAddress], str]:
        """How which address of which interface is known."""
        return {(each.vif, each.address): each.source for each in self.observing.learned}

    def of(self, vif: int, source: str = "") -> list[IPAddress]:
        return [a for (v, a), s in self.known.items() if v == vif and s.startswith(source)]

    async def until(self, seen: Callable[[], object], seconds: float = 15) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not seen():
                    await self._event.wait()
                    self._event.clear()
                    self.keep()
        except TimeoutError:
            raise AssertionError(f"known: {self.known}, told: {self.observing.told}") from None

    def die(self) -> None:
        """End without a word, as by SIGKILL."""
        self.observing.close()
