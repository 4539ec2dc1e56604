"""What the site's router tells the device at its ports by IPv6: router advertisements (radvd) and DHCPv6 (ISC dhcpd).

Started by a test that needs them.  ISC's server, because it is the one of Debian's that delegates prefixes and serves
addresses in one process.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from tests.lab.host import Host
from tests.lab.process import LabError, Process
from tests.lab.site6 import subnet

RADVD, DHCPD = "/run/lab/radvd.conf", "/run/lab/dhcpd6"


@dataclass(frozen=True)
class Advertised:
    """What is advertised at one port.  Lifetimes in seconds; ``router``: of the default route, 0 withdraws it.

    ``prefixes``: by default that of the port.  ``managed``, ``other``: the flags M and O of RFC 4861.
    """

    port: str
    prefixes: Sequence[str] = ()
    autonomous: bool = True
    managed: bool = False
    other: bool = False
    router: int = 1800
    valid: int = 86400
    preferred: int = 14400
    dns: bool = True
    mtu: int | None = None
    more: str = ""

    def text(self, number: int) -> str:
        prefixes = self.prefixes or [str(subnet(number))]
        on = {True: "on", False: "off"}
        prefix = f"AdvAutonomous {on[self.autonomous]}; AdvValidLifetime {self.valid}; AdvPreferredLifetime {self.preferred};"
        return "\n".join(
            (
                f"interface {self.port} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 10;",
                f"AdvManagedFlag {on[self.managed]}; AdvOtherConfigFlag {on[self.other]};",
                f"AdvDefaultLifetime {self.router};",
                f"AdvLinkMTU {self.mtu};" if self.mtu else "",
                *(f"prefix {one} {{ {prefix} }};" for one in prefixes),
                f"RDNSS {subnet(number)[1]} {{ }};" if self.dns else "",
                self.more,
                "};",
            )
        )


@dataclass(frozen=True)
class Served:
    """What DHCPv6 gives at one port: an address of ::1000 to ::1fff, and with ``delegate`` a prefix out of that one,
    of ``length`` (e.g. "2001:db8:d000::/48", 56).  ``lease`` and ``preferred`` in seconds.
    """

    port: str
    addresses: bool = True
    delegate: str | None = None
    length: int = 56
    lease: int = 3600
    preferred: int = 1800

    def text(self, number: int) -> str:
        net = subnet(number)
        lines = [f"default-lease-time {self.lease}; preferred-lifetime {self.preferred};"]
        lines += [f'option dhcp6.name-servers {net[1]}; option dhcp6.domain-search "site.example";']
        if self.addresses:
            lines.append(f"range6 {net[0x1000]} {net[0x1FFF]};")
        if self.delegate:
            pool = list(IPv6Network(self.delegate).subnets(new_prefix=self.length))
            lines.append(f"prefix6 {pool[0][0]} {pool[-1][0]} /{self.length};")
        return f"subnet6 {net} {{ {' '.join(lines)} }}"


@dataclass
class Router6:
    """``lab.router6``: the services of the site's router ``gw``."""

    gw: Host
    device: Host
    ports: Sequence[str]
    _radvd: Process | None = field(default=None, init=False)
    _dhcpd: Process | None = field(default=None, init=False)
    _generation: int = field(default=0, init=False)

    def advertise(self, *ports: Advertised | str) -> None:
        """Send router advertisements at these ports, and at no others; what is told now replaces what was told before."""
        each = [Advertised(port) if isinstance(port, str) else port for port in ports]
        self._write(RADVD, [one.text(self._number(one.port)) for one in each])
        if self._radvd is not None:
            self._radvd.send(signal.SIGHUP)
            return
        # Its pid file is where it would look for another radvd; and there is one in each application that forges.
        argv = ["radvd", "-n", "-m", "stderr", "-C", RADVD, "-p", "/run/lab/radvd.pid"]
        self._radvd = Process(self.gw.enter(), argv)
        self._radvd.wait_line("started")

    def silent(self, number: int = signal.SIGTERM) -> None:
        """Send no advertisements any more.  SIGTERM says good-bye to all (lifetime 0), SIGKILL is a router that fails."""
        if self._radvd is not None:
            self._radvd.stop(number)
            self._radvd = None

    def serve_dhcp6(self, *ports: Served | str, forget: bool = False) -> None:
        """Answer DHCPv6 at these ports, and at no others.  ``forget``: what was leased before is not known any more."""
        each = [Served(port) if isinstance(port, str) else port for port in ports]
        self.stop_dhcp6()
        self._write(f"{DHCPD}.conf", ["authoritative;", *(one.text(self._number(one.port)) for one in each)])
        leases = self.gw.holder.path(f"{DHCPD}.leases")
        if forget or not leases.exists():
            leases.write_text("")
        names = [one.port for one in each]
        argv = [
            "dhcpd",
            "-6",
            "-f",
            "-d",
            "--no-pid",
            "-cf",
            f"{DHCPD}.conf",
            "-lf",
            f"{DHCPD}.leases",
            *names,
        ]
        # Its last line before it listens; a log in a file, as it tells each message.
        self._generation += 1
        log = f"gw-dhcp6.{self._generation}"
        self._dhcpd = self.gw.popen(argv, log=log)
        place = self.gw.holder.path(f"/run/lab/log/{log}")
        if not self.gw.eventually(lambda: "Server starting service" in place.read_text(), pause=0.01):
            raise LabError(f"dhcpd -6 does not start:\n{place.read_text()}")

    def stop_dhcp6(self) -> None:
        if self._dhcpd is not None:
            self._dhcpd.stop()
            self._dhcpd = None

    def route(self, prefix: str, port: str) -> None:
        """Route a prefix to the device, by its link-local address on the port: a delegated or routed one."""
        address = self.device.wait_address6(port, scope="link")[0].partition("/")[0]
        self.gw.run(["ip", "-6", "route", "replace", prefix, "via", address, "dev", port])

    def _number(self, port: str) -> int:
        return list(self.ports).index(port)

    def _write(self, path: str, parts: Sequence[str]) -> None:
        self.gw.holder.path(path).write_text("\n".join(parts) + "\n")
