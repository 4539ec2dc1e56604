"""An application: a named network namespace in the device, with a real DHCP client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from urllib.parse import urlsplit

from tests.lab.app6 import App6
from tests.lab.host import HttpFailed
from tests.lab.place import Place
from tests.lab.process import LabError

SCRIPT = Path(__file__).with_name("udhcpc.sh")


class NoLease(LabError):
    """The DHCP client got no lease in its time; what it said and saw is in the text."""


@dataclass(frozen=True)
class Lease:
    """What a DHCP server granted.  ``seconds``: the lease time; ``raw``: all options by udhcpc's names for them."""

    interface: str
    address: IPv4Interface
    routers: tuple[IPv4Address, ...]
    dns: tuple[str, ...]
    ntp: tuple[str, ...]
    server: str
    seconds: int
    mtu: int | None
    domain: str
    hostname: str
    routes: str
    raw: Mapping[str, str]

    @classmethod
    def parse(cls, environment: str) -> Lease:
        pairs = (line.split("=", 1) for line in environment.splitlines() if "=" in line)
        # udhcpc writes its options in small letters; the rest is the environment that it was started in.
        raw = {name: value for name, value in pairs if name.islower()}
        return cls(
            interface=raw["interface"],
            address=IPv4Interface(f"{raw['ip']}/{raw['mask']}"),
            routers=tuple(map(IPv4Address, raw.get("router", "").split())),
            dns=tuple(raw.get("dns", "").split()),
            ntp=tuple(raw.get("ntpsrv", "").split()),
            server=raw.get("serverid", ""),
            seconds=int(raw.get("lease", "0")),
            mtu=int(raw["mtu"]) if "mtu" in raw else None,
            domain=raw.get("domain", ""),
            hostname=raw.get("hostname", ""),
            routes=raw.get("staticroutes", ""),
            raw=raw,
        )


class AppHost(App6):
    """A host in /run/netns/NAME, which is made unless it exists.  Programs run as under ``ip netns exec``: with the name servers of its leases."""

    def __init__(self, holder: Place, name: str) -> None:
        super().__init__(holder, name, f"/run/netns/{name}")
        self.leases: dict[str, Lease] = {}
        made = f"[ -e /run/netns/{name} ] || ip netns add {name}"
        commands = f"{made} && ip -n {name} link set lo up && mkdir -p /etc/netns/{name}"
        text = f"{commands} && : >/etc/netns/{name}/resolv.conf"
        holder.run(holder.enter(), ["sh", "-ec", text])

    def enter(self) -> list[str]:
        return [*self.holder.enter(), "ip", "netns", "exec", self.name]

    def dhcp(
        self, interface: str = "eth0", *, timeout: int = 10, stay: bool = False, request: str | None = None
    ) -> Lease:
        """Take a lease with udhcpc and configure address, routes and name servers from it.

        A discover is sent each second.  ``stay``: the client keeps running and renews; otherwise it ends, and the
        addresses stay as they are.  ``request``: the address to ask for.  NoLease if no server grants one within ``timeout`` seconds.
        """
        self.wait_link(interface, timeout=timeout)
        self._ip("link", "set", "dev", interface, "up")
        self.wait_link(
            interface, timeout=timeout, up=True
        )  # a discover sent before is lost, and costs a second
        place = self.holder.path(f"/run/lab/leases/{self.name}.{interface}")
        place.unlink(missing_ok=True)
        ends = ["-t", "1000"] if stay else ["-q", "-n", "-t", str(timeout)]
        options = [f"-O{option}" for option in ("staticroutes", "mtu", "ntpsrv", "search")]
        wish = ["-r", request] if request else []
        hostname = ["-x", f"hostname:{self.name}"]
        argv = [
            "udhcpc",
            "-f",
            "-i",
            interface,
            "-s",
            self.holder.script(SCRIPT),
            *ends,
            "-T",
            "1",
            *options,
            *hostname,
            *wish,
        ]
        client = self.holder.start(self.holder.enter(self.netns), argv, env={"LAB_HOST": self.name})
        try:
            client.wait_line("configured", timeout + 2.0)
            if not stay:
                client.wait()
        except LabError as failed:
            client.stop()
            shown = self._ip("-s", "link", "show", "dev", interface).stdout
            raise NoLease(f"{self.name} has no lease for {interface}: {failed}\n{shown}") from None
        lease = self.leases[interface] = Lease.parse(place.read_text())
        return lease

    def lookup(self, name: str, *, interface: str | None = None, kind: str = "A") -> list[str]:
        """The addresses of a name, asked of the first name server of a lease (by default: of the first lease)."""
        if not self.leases:
            raise LabError(f"{self.name} has no lease, hence no name server")
        lease = self.leases[interface] if interface else next(iter(self.leases.values()))
        if not lease.dns:
            raise LabError(f"{self.name} was told no name server on {lease.interface}")
        return self.resolve(name, lease.dns[0], kind=kind)

    def http(
        self, url: str, *, interface: str | None = None, family: int | None = None, timeout: float = 5.0
    ) -> str:
        """As for any host; through an interface with a lease, the name is asked of that lease's server, too.

        (curl binds only its connection to the interface; names it would ask of whichever server comes first.)
        """
        if interface is None or interface not in self.leases or family == 6:
            return super().http(url, interface=interface, family=family, timeout=timeout)
        parts = urlsplit(url)
        host = parts.hostname or ""
        options: Sequence[str] = ("--interface", interface)
        if not host.replace(".", "").isdigit():
            addresses = self.lookup(host, interface=interface)
            if not addresses:
                raise HttpFailed(url, 6, f"{self.leases[interface].dns[0]} knows no {host}")
            options = (*options, "--resolve", f"{host}:{parts.port or 80}:{addresses[0]}")
        return self._curl(url, options, timeout)

    def remove(self) -> None:
        """Delete the namespace, as when the application is gone."""
        self.holder.run(self.holder.enter(), ["ip", "netns", "del", self.name])
