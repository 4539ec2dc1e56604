"""The lab: a device with ports, the site's router, the internet, and the applications put into it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.lab.app import AppHost
from tests.lab.daemon import Daemon
from tests.lab.engine import Engine
from tests.lab.holder import Holder
from tests.lab.host import Host
from tests.lab.router6 import Router6
from tests.lab.segment import Segment
from tests.lab.site import Site
from tests.lab.tap import TapApp

ROOT = Path(__file__).resolve().parents[2]


class Lab:
    """A context manager; nothing of it outlives it, nor the process that made it.

    ``device`` is where netnsmgr runs, ``gw`` the site's router (192.168.n.1 on the n-th port), ``internet`` holds
    github.com and google.com.  Ports, and what the device finds configured: see ``Site``.  With ``ipv6`` all this has
    IPv6, too; ``router6`` sends router advertisements and answers DHCPv6 at the ports, when told to.  ``site``: another
    script, which makes at least these hosts.
    """

    #: The labs that exist now, for whoever reports a failure.
    current: ClassVar[list[Lab]] = []

    def __init__(
        self,
        ports: Sequence[str] = ("eth0", "eth1"),
        *,
        addressed: bool = False,
        dhcp_ports: Sequence[str] = (),
        ipv6: bool = False,
        site: type[Site] = Site,
    ) -> None:
        self.site = site(tuple(ports), addressed, tuple(dhcp_ports), rootless=os.geteuid() != 0, ipv6=ipv6)
        self.apps: dict[str, AppHost] = {}
        self.daemons: list[Daemon] = []
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        self.holder = Holder(self.site.script())
        try:
            self.holder.wait_ready()
        except BaseException:
            self.holder.close()
            raise
        self.device = Host(self.holder, "device", None)
        self.gw = Host(self.holder, "gw", "/run/lab/gw")
        self.internet = Host(self.holder, "internet", "/run/lab/internet")
        self.router6 = Router6(self.gw, self.device, self.site.ports)
        Lab.current.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs(), file=sys.stderr)
        Lab.current.remove(self)
        if self._engine is not None:
            self._engine.close()
        self.holder.close()

    def app(self, name: str) -> AppHost:
        """The application in the named network namespace ``name``, which is made on first use."""
        if name not in self.apps:
            self.apps[name] = AppHost(self.holder, name)
        return self.apps[name]

    def tap_app(self, name: str) -> TapApp:
        """A stand-in for a virtual machine; see ``TapApp.plug``."""
        if name not in self.apps:
            self.apps[name] = TapApp(self.holder, name)
        app = self.apps[name]
        assert isinstance(app, TapApp)
        return app

    def engine(self) -> Engine:
        """The container engine of the device, which is there from the first use on; see ``Engine.run``."""
        if self._engine is None:
            self._engine = Engine(self)
        return self._engine

    def instance(self, name: str) -> Host:
        """The inside of a network instance, as it is pinned in /run/netns."""
        return Host(self.holder, name, f"/run/netns/{name}")

    def segment(self, port: str) -> Segment:
        """The site's end of a port, for switches; see ``Segment``."""
        return Segment(self.gw, self.router6, port, self.site.ports.index(port))

    def daemon(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 20.0) -> Daemon:
        """Start ``netnsmgr daemon`` in the device and wait until it says that it is ready."""
        daemon = Daemon(self.holder, ROOT, arguments, env or {}, number=len(self.daemons))
        self.daemons.append(daemon)
        daemon.start(timeout)
        return daemon

    def netnsmgr(
        self, *arguments: str, timeout: float = 60.0, check: bool = False, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command line in the device, e.g. ``lab.netnsmgr("apply", "-f", path)``; ``text`` is its input."""
        argv = [sys.executable, "-m", "netnsmgr", *arguments]
        return self.device.run(argv, timeout=timeout, check=check, text=text, env={"PYTHONPATH": str(ROOT)})

    def narrow(self, mtu: int) -> None:
        """Give the link between the site's router and the internet an MTU that nobody else is told of.

        Servers of the internet offer the segments of a link of 1500 all the same, as if the narrow one were further away.
        """
        self.gw.run(["ip", "link", "set", "internet", "mtu", str(mtu)])
        routes = f"link set eth0 mtu {mtu}\nroute replace default via 203.0.113.1 advmss 1460\n"
        if self.site.ipv6:
            routes += "route replace default via 2001:db8:ffff::1 advmss 1440\n"
        self.internet.run(["ip", "-batch", "-"], text=routes)

    def path(self, inside: str | Path) -> Path:
        """Where a file of the lab (/run, /etc, /var/lib are its own) is reached from outside."""
        return self.holder.path(inside)

    def logs(self, lines: int = 200) -> str:
        """The ends of all logs kept in the lab."""
        parts = []
        for log in sorted(self.path("/run/lab/log").glob("*")):
            text = log.read_text(errors="replace").splitlines()[-lines:]
            parts.append(f"--- {log.name}\n" + "\n".join(text))
        return "\n".join(parts)
