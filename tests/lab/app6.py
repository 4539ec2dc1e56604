"""An application's IPv6: addresses by router advertisement, by the kernel; by DHCPv6, with ISC's client."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from tests.lab.host import Host
from tests.lab.process import LabError, Process
from tests.lab.site6 import HASTE

SCRIPT6 = Path(__file__).with_name("dhclient6.sh")
RESOLV = Path(__file__).with_name("resolv.sh")


class NoLease6(LabError):
    """The DHCPv6 client got no answer in its time; what it said is in the text."""


@dataclass(frozen=True)
class Advertisement:
    """What one router advertises, as ``rdisc6`` prints it (``raw``).

    ``lifetime``: of the default route, in seconds.  ``prefixes``: each with its flag A.  ``routes``: of RFC 4191.
    """

    router: IPv6Address
    managed: bool
    other: bool
    lifetime: int
    mtu: int | None
    prefixes: Mapping[IPv6Network, bool]
    preferred: Mapping[IPv6Network, int]
    dns: tuple[IPv6Address, ...]
    search: tuple[str, ...]
    routes: tuple[IPv6Network, ...]
    raw: str

    @classmethod
    def parse(cls, text: str) -> Advertisement:
        def found(pattern: str, default: str = "") -> str:
            line = re.search(pattern, text, re.MULTILINE)
            return line[1] if line else default

        blocks = re.split(r"^ (?=Prefix +:)", text, flags=re.MULTILINE)[1:]
        prefixes, preferred = {}, {}
        for block in blocks:
            net = IPv6Network(re.split(r"\s+", block)[2])
            prefixes[net] = bool(re.search(r"Autonomous address conf\. *: +Yes", block))
            time = re.search(r"Pref\. time +: +(\d+|infinite)", block)
            preferred[net] = int(time[1]) if time and time[1].isdigit() else 0xFFFFFFFF
        return cls(
            router=IPv6Address(found(r"^ from (\S+?)(?:%\S*)?$")),
            managed=found(r"^Stateful address conf\. +: +(\S+)") == "Yes",
            other=found(r"^Stateful other conf\. +: +(\S+)") == "Yes",
            lifetime=int(found(r"^Router lifetime +: +(\d+)", "0")),
            mtu=int(found(r"^ MTU +: +(\d+)", "0")) or None,
            prefixes=prefixes,
            preferred=preferred,
            dns=tuple(map(IPv6Address, re.findall(r"^ Recursive DNS server +: +(\S+)", text, re.MULTILINE))),
            search=tuple(re.findall(r"^ DNS search list +: +(\S+)", text, re.MULTILINE)),
            routes=tuple(map(IPv6Network, re.findall(r"^ Route +: +(\S+)", text, re.MULTILINE))),
            raw=text,
        )


@dataclass(frozen=True)
class Lease6:
    """What a DHCPv6 server granted: an address (none: options only), name servers, domains.  ``raw``: the environment of dhclient-script."""

    interface: str
    address: IPv6Address | None
    valid: int
    preferred: int
    dns: tuple[IPv6Address, ...]
    search: tuple[str, ...]
    raw: Mapping[str, str]

    @classmethod
    def parse(cls, environment: str) -> Lease6:
        raw = dict(line.split("=", 1) for line in environment.splitlines() if "=" in line)
        address = raw.get("new_ip6_address", "")
        return cls(
            interface=raw["interface"],
            address=IPv6Address(address) if address else None,
            valid=int(raw.get("new_max_life", "0")),
            preferred=int(raw.get("new_preferred_life", "0")),
            dns=tuple(map(IPv6Address, raw.get("new_dhcp6_name_servers", "").split())),
            search=tuple(name.rstrip(".") for name in raw.get("new_dhcp6_domain_search", "").split()),
            raw=raw,
        )


class App6(Host):
    """The part of ``AppHost`` that speaks IPv6."""

    def slaac(
        self, interface: str = "eth0", *, prefix: str | None = None, timeout: float = 10.0
    ) -> IPv6Address:
        """Wait until the kernel has made itself an address (in ``prefix``), which nobody else has, and a default route.

        Takes the name servers of the advertisement, as systemd-networkd would.  It takes some tenths of a second: the
        kernel asks for duplicates of the link-local address, then for routers, then for duplicates of the new address.
        """
        self.wait_link(interface, timeout=timeout)
        self._up(interface)
        wanted = IPv6Network(prefix) if prefix else None

        def seen() -> list[IPv6Address]:
            # A DHCPv6 client's is a /128.
            found = (a.partition("/") for a in self.addresses6(interface))
            made = [IPv6Address(address) for address, _, length in found if length != "128"]
            return [address for address in made if wanted is None or address in wanted]

        addresses = self.wait_told("address", seen, timeout)
        if not addresses:
            shown = self._ip("-6", "address", "show", "dev", interface).stdout
            raise LabError(f"{self.name} made itself no address {prefix or ''} on {interface}:\n{shown}")
        told = self.advertised(interface)
        lines = f"dns={' '.join(map(str, told.dns))}\ndomain={' '.join(told.search)}\n"
        self.holder.path(f"/run/lab/leases/{self.name}.{interface}.ra").write_text(lines)
        self._resolv()
        return addresses[0]

    def _up(self, interface: str) -> None:
        """Set a link up, on which the kernel asks as always, but waits for answers for tenths of seconds."""
        self.run(["sh", "-c", HASTE.format(interface)], check=False)
        self._ip("link", "set", "dev", interface, "up")

    def advertised(self, interface: str = "eth0", *, timeout: int = 3) -> Advertisement:
        """Ask for routers and read what the first one says (``rdisc6``); LabError if none answers."""
        self.wait_address6(interface, scope="link")
        argv = ["rdisc6", "-1", "-r", "3", "-w", str(1000 * timeout // 3), interface]
        result = self.run(argv, timeout=timeout + 5.0, check=False)
        if result.returncode != 0:
            raise LabError(
                f"no router advertises on {interface} of {self.name}: {result.stdout}{result.stderr}"
            )
        return Advertisement.parse(result.stdout)

    def dhcp6(
        self,
        interface: str = "eth0",
        *,
        information: bool = False,
        duid: str | None = None,
        timeout: int = 10,
        stay: bool = False,
    ) -> Lease6:
        """Take an address by DHCPv6 (``information``: only the options) and wait until it can be used.

        ``duid``: the client's, as "00:03:…"; by default that of its MAC (DUID-LL).  ``stay``: the client keeps running
        and renews.  NoLease6 if no server answers within ``timeout`` seconds.
        """
        self.wait_link(interface, timeout=timeout)
        self._up(interface)
        self.wait_address6(interface, scope="link", timeout=timeout)  # its sender's address
        base = f"/run/lab/leases/.{self.name}.{interface}"  # no name that resolv.sh takes for a lease
        place = self.holder.path(f"/run/lab/leases/{self.name}.{interface}.6")
        place.unlink(missing_ok=True)
        self.holder.path(f"{base}.db").write_text(f'default-duid "{_octal(duid)}";\n' if duid else "")
        self.holder.path(f"{base}.conf").write_text(f"timeout {timeout};\nretry 3600;\n")
        argv = ["dhclient", "-6", "-d", "-v", "-1", "-D", "LL", *(["-S"] if information else [])]
        argv += [
            "-sf",
            str(SCRIPT6),
            "-lf",
            f"{base}.db",
            "-cf",
            f"{base}.conf",
            "-pf",
            f"{base}.pid",
            "-e",
            f"LAB_HOST={self.name}",  # the script is given no other environment
            interface,
        ]
        client = Process(self.holder.enter(self.netns), argv)
        try:
            client.wait_line(f"configured6 {interface} ", timeout + 2.0)
        except LabError as failed:
            client.stop(signal.SIGKILL)
            raise NoLease6(f"{self.name} has no DHCPv6 lease for {interface}: {failed}") from None
        if not stay:
            client.stop(signal.SIGKILL)  # asked to end, it takes its address away
        lease = Lease6.parse(place.read_text())
        if lease.address is not None:
            wanted = f"{lease.address}/128"
            if not self.wait_told("address", lambda: wanted in self.addresses6(interface), timeout):
                raise LabError(f"{self.name} cannot use {wanted}: {self._ip('-6', 'address').stdout}")
        return lease

    def _resolv(self) -> None:
        script = f"leases=/run/lab/leases LAB_HOST={self.name}; . {RESOLV}"
        Process(self.holder.enter(), ["sh", "-ec", script]).wait()


def _octal(duid: str) -> str:
    """A DUID in the text of dhclient's leases."""
    return "".join(f"\\{int(octet, 16):03o}" for octet in duid.split(":"))
