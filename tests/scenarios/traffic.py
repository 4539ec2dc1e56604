"""Traffic that goes on while something happens, and what of it got lost."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import AppHost, Host, HttpFailed
from tests.lab.process import Process

ASKER = Path(__file__).with_name("asker.py")


class Flow:
    """``with Flow(app) as flow: …``: 200 pings a second and an HTTP download meanwhile; then ``flow.lost == 0``.

    The pings go on until the block ends, the download until ``finish``.  To an IPv6 address, both are by IPv6.
    """

    def __init__(
        self, app: AppHost, address: str = "203.0.113.20", *, interface: str = "eth0", seconds: float = 1.2
    ) -> None:
        self._app, self._address, self._interface = app, address, interface
        github = "[2001:db8:ffff::80]" if ":" in address else "203.0.113.10"
        self._url = f"http://{github}/slow/1000000/{seconds}"

    def __enter__(self) -> Self:
        ping = ["ping", "-n", "-q", "-i", "0.005", "-W", "2", "-I", self._interface, self._address]
        self._ping = self._app.popen(ping)
        self._ping.wait_line("PING")
        curl = ["curl", "-sS", "-m", "30", "--interface", self._interface, "-o", "/dev/null"]
        self._curl = self._app.popen([*curl, "-w", "%{size_download} bytes", self._url])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._curl.wait(30.0)
        self._ping.stop(signal.SIGINT)

    @property
    def downloaded(self) -> str:
        return self._curl.output

    @property
    def lost(self) -> int:
        """Pings without an answer, but for one that may have been under way at the end."""
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self._ping.output)
        assert found, self._ping.output
        sent, received = int(found[1]), int(found[2])
        assert sent > 100, self._ping.output
        return max(0, sent - received - 1)


class Questions:
    """``with Questions(app, server, {"app1": address}) as asked``: a name every 12.5 ms; then ``asked.unanswered``."""

    def __init__(self, app: AppHost, server: str, *names: str) -> None:
        self._argv = [sys.executable, "-I", "-S", str(ASKER), server, *names]
        self._app = app

    def __enter__(self) -> Self:
        self._asker = Process(self._app.holder.enter(self._app.netns), self._argv)
        self._asker.wait_line("asking")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asker.stop(signal.SIGINT)

    @property
    def result(self) -> tuple[int, int, int]:
        """How many were asked, how many got no answer, how many the answer that there is no such name."""
        found = re.search(r"asked (\d+) unanswered (\d+) refused (\d+)", self._asker.output)
        assert found, self._asker.output
        asked, unanswered, refused = map(int, found.groups())
        return asked, unanswered, refused


class Watch:
    """``with Watch(device, ni1) as seen``: whatever changes in these namespaces; then ``seen.changes``.

    Links are compared before and after, by number and all: the kernel tells of a bridge that got its carrier up to a
    second later, when nobody has changed it.  For the same reason only IPv4 is watched: a link-local address of IPv6 is
    told of when it is known to be no duplicate, seconds after its link came up.
    """

    def __init__(self, *hosts: Host) -> None:
        self._hosts = hosts
        self.changes: list[str] = []

    def __enter__(self) -> Self:
        self._links = [_links(host) for host in self._hosts]
        self._monitors = [
            (host.name, Process(host.enter(), argv))
            for host in self._hosts
            for argv in (["ip", "-4", "monitor", "address", "route", "rule"], ["nft", "monitor"])
        ]
        for _, monitor in self._monitors:
            _listens(monitor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, monitor in self._monitors:
            monitor.stop(signal.SIGINT)
            self.changes += [f"{name}: {line}" for line in monitor.output.splitlines()]
        for host, before in zip(self._hosts, self._links, strict=True):
            self.changes += [f"{host.name}: {link}" for link in before ^ _links(host)]


def _links(host: Host) -> frozenset[str]:
    kept = ("ifindex", "ifname", "mtu", "master", "address", "ifalias")
    return frozenset(
        str([link.get(name) for name in kept] + ["UP" in link["flags"]])
        for link in json.loads(host.run(["ip", "-j", "link"]).stdout)
    )


def _listens(monitor: Process) -> None:
    """Wait until a monitor has joined its groups of netlink: it says nothing, but the kernel shows it."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        pid = monitor.pid
        if pid:
            inner = re.search(r"^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]:
                _, _, owner, groups, *_ = line.split()
                if inner and owner == inner[1] and int(groups, 16):
                    return
        time.sleep(0.01)
    raise AssertionError(f"{monitor.argv} does not listen")


def fetches(app1: AppHost) -> bool:
    """Whether an application gets a page of the outside by its name."""
    try:
        return app1.http("http://github.com", timeout=1.0).startswith("I am github.com")
    except HttpFailed:
        return False
