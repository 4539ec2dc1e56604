"""The lab as a shell script: the device's private files, its ports, the site's router and the internet.

A script, because a handful of ``ip -batch`` is the fastest way to build it, and because a person can read what the
lab is.  ``gw`` and ``internet`` are pinned below /run/lab, where ``ip netns`` doesn't show them to the device.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import site6

WEB = Path(__file__).with_name("web.py")

#: Names of the internet; a name's subdomains have the same address.
NAMES: Mapping[str, str] = {"github.com": "203.0.113.10", "google.com": "203.0.113.20"}


@dataclass(frozen=True)
class Site:
    """What the lab is built from: ``ports`` names eth0 … of the device; the n-th lies in 192.168.n.0/24 of the site.

    With ``addressed`` the device's ends have .2 and the first one the default route already, as an operating system
    might have left them; otherwise they are down and bare.  ``dhcp_ports`` are served .50 to .150 by the router.
    ``ipv6``: all this beside IPv4, see ``site6``; router advertisements and DHCPv6 are ``router6``'s.
    """

    ports: Sequence[str] = ("eth0", "eth1")
    addressed: bool = False
    dhcp_ports: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=lambda: dict(NAMES))
    rootless: bool = False
    ipv6: bool = False

    @property
    def served(self) -> list[tuple[str, str]]:
        """Names of the internet with each of their addresses."""
        more = [*site6.V4_ONLY.items(), *site6.NAMES6.items()] if self.ipv6 else []
        return [*self.names.items(), *more]

    def script(self) -> str:
        return f"{self._files()}\n{self._network()}\n{self._services()}\nhold\n"

    def _files(self) -> str:
        """Private writable directories.  In /etc and /var/lib the machine's entries stay visible, read-only."""
        return """\
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lab/log /run/lab/etc /run/lab/lib /run/lab/leases /run/netns /run/lock
shadow() {
    mount --rbind "$1" "$2"
    mount -o remount,bind,ro "$2" 2>/dev/null || true
    mount -t tmpfs -o mode=755 tmpfs "$1"
    ln -s "$2"/* "$1"/
}
shadow /etc /run/lab/etc
shadow /var/lib /run/lab/lib
rm -rf /etc/netns /etc/netnsmgr /var/lib/netnsmgr /var/lib/dhcpcd /etc/resolv.conf /etc/hosts
mkdir /etc/netns /etc/netnsmgr /var/lib/netnsmgr /var/lib/dhcpcd
echo '127.0.0.1 localhost' >/etc/hosts
echo 'nameserver 192.168.0.1' >/etc/resolv.conf
mount -t sysfs sysfs /sys 2>/dev/null || true
touch /run/lab/gw /run/lab/internet"""

    def _network(self) -> str:
        internet = [
            "link set lo up",
            *(f"address add {address}/24 dev eth0" for _, address in self.served if ":" not in address),
            "link set eth0 up",
            "route add default via 203.0.113.1",
            *(site6.internet() if self.ipv6 else ()),
        ]
        router = [
            "link set lo up",
            "link add internet type veth peer name eth0 netns /run/lab/internet",
            "address add 203.0.113.1/24 dev internet",
            "link set internet up",
            *(site6.router() if self.ipv6 else ()),
        ]
        device = ["link set lo up"]
        for number, port in enumerate(self.ports):
            router += [
                f"link add {port} type veth peer name {port} netns 1",
                f"address add 192.168.{number}.1/24 dev {port}",
                *(site6.router_port(number, port) if self.ipv6 else ()),
                f"link set {port} up",
            ]
            if self.addressed:
                device += [f"address add 192.168.{number}.2/24 dev {port}", f"link set {port} up"]
                device += site6.device_port(number, port) if self.ipv6 else []
        if self.addressed and self.ports:
            device.append("route add default via 192.168.0.1")
            device += site6.device_default(self.ports) if self.ipv6 else []
        forwards = "echo 1 >/proc/sys/net/ipv4/ip_forward" + (f"; {site6.FORWARD}" if self.ipv6 else "")
        forward = f"sh -c '{forwards}; exec ip -batch -'"
        return "\n".join(
            (
                "unshare --net=/run/lab/internet true",
                f"unshare --net=/run/lab/gw {forward} <<E\n" + "\n".join(router) + "\nE",
                "nsenter --net=/run/lab/internet ip -batch - <<E\n" + "\n".join(internet) + "\nE",
                "ip -batch - <<E\n" + "\n".join(device) + "\nE",
                *(f"({site6.HASTE.format(port)})" for port in self.ports if self.ipv6),
            )
        )

    def _services(self) -> str:
        python = shlex.quote(sys.executable)
        servers = " ".join(f"{name}@{address}:80" for name, address in self.served)
        dns = [
            "dnsmasq --conf-file=/dev/null --no-hosts --no-resolv --pid-file=/run/lab/gw.pid --user=root",
            "--log-facility=/run/lab/log/gw-dns --log-queries --no-ping --dhcp-authoritative",
            "--dhcp-leasefile=/run/lab/gw.leases",
            *(f"--address=/{name}/{address}" for name, address in self.served),
            # The other family's question has an answer, too: there is none.
            *(f"--local=/{name}/" for name, _ in self.served if self.ipv6),
            *(
                f"--dhcp-range=192.168.{n}.50,192.168.{n}.150,255.255.255.0,1h"
                for n, port in enumerate(self.ports)
                if port in self.dhcp_ports
            ),
        ]
        # As a daemon dnsmasq drops its groups, which a user namespace of one user doesn't allow; debugging, it doesn't.
        start = (
            f"nsenter --net=/run/lab/gw {' '.join(dns)}"
            if not self.rootless
            else f"nsenter --net=/run/lab/gw {' '.join(dns)} --no-daemon 2>/dev/null &\n"
            "until grep -q started, /run/lab/log/gw-dns 2>/dev/null; do sleep 0.01; done"
        )
        return f"""\
mkfifo /run/lab/web
nsenter --net=/run/lab/internet {python} -I -S {shlex.quote(str(WEB))} {servers} >/run/lab/web 2>&1 &
{start}
read answer </run/lab/web
[ "$answer" = listening ] || {{ echo "web.py: $answer"; exit 1; }}"""
