"""A host of the lab: the device, the router, the internet, an application; what can be done from there."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.lab.patience import patient
from tests.lab.place import Place
from tests.lab.process import LabError, Process
from tests.lab.site import WEB

T = TypeVar("T")


class HttpFailed(LabError):
    """No HTTP answer; ``code`` is curl's exit code (6: no such name, 7: refused, 28: silence)."""

    def __init__(self, url: str, code: int, said: str) -> None:
        self.code = code
        super().__init__(f"{url}: {said.strip() or f'curl ended with {code}'}")


class Host:
    """One network namespace of the lab.  ``netns``: where it is pinned, inside the lab (none: the device)."""

    def __init__(self, holder: Place, name: str, netns: str | None) -> None:
        self.holder = holder
        self.name = name
        self.netns = netns

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 10.0,
        check: bool = True,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end.  CommandFailed unless it ends with 0 (or ``check`` is off)."""
        return self.holder.run(self.enter(), argv, timeout=timeout, check=check, text=text, env=env)

    def popen(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, log: str | None = None
    ) -> Process:
        """Start a program here; ``log``: the name of a log of the lab to write to, instead of a pipe."""
        place = None if log is None else self.holder.path(f"/run/lab/log/{log}")
        return self.holder.start(self.enter(), argv, env=env, log=place)

    def enter(self) -> list[str]:
        """The start of a command line that runs its rest here."""
        return self.holder.enter(self.netns)

    # --- asking

    def http(
        self, url: str, *, interface: str | None = None, family: int | None = None, timeout: float = 5.0
    ) -> str:
        """The answer's text; through the given interface only, and by IPv4 or IPv6 (``family`` 4, 6) only, if told.

        HttpFailed otherwise.
        """
        choice = [] if interface is None else ["--interface", interface]
        return self._curl(url, [*choice, *([f"-{family}"] if family else [])], timeout)

    def _curl(self, url: str, options: Sequence[str], timeout: float) -> str:
        argv = ["curl", "-sS", "--fail", "--max-time", str(timeout), *options, url]
        result = self.run(argv, timeout=timeout + 5, check=False)
        if result.returncode != 0:
            raise HttpFailed(url, result.returncode, result.stderr)
        return result.stdout

    def resolve(self, name: str, server: str, *, kind: str = "A", timeout: int = 2) -> list[str]:
        """What the DNS server answers (nothing: it knows no such name); LabError when it doesn't answer."""
        argv = ["dig", f"@{server}", "+short", f"+time={timeout}", "+tries=2", name, kind]
        result = self.run(argv, timeout=2.0 * timeout + 5, check=False)
        if result.returncode != 0:
            raise LabError(f"{server} says nothing about {name}: {result.stdout}{result.stderr}".rstrip())
        return result.stdout.split()

    def ping(self, address: str, *, count: int = 1, interface: str | None = None, timeout: int = 2) -> bool:
        """Whether all of ``count`` pings are answered; of IPv6 a single one may be repeated for two seconds more.

        A new address hears neighbour solicitations when one of the kernel's few workers has joined its group, which on a
        busy machine takes longer than the three that are sent for the first packet.
        """
        choice = [] if interface is None else ["-I", interface]
        if ":" in address and count == 1:
            choice += ["-w", str(timeout + 2)]
        argv = ["ping", "-n", "-q", "-i", "0.2", "-c", str(count), "-W", str(timeout), *choice, address]
        said = self.run(argv, timeout=count + timeout + 5.0, check=False).stdout
        return f" {count} received" in said

    def serve_http(
        self, port: int = 80, *, name: str | None = None, address: str | Sequence[str] = ("0.0.0.0", "::")
    ) -> Process:
        """An HTTP server here that says ``I am NAME, you are CLIENT``; it listens when this returns."""
        addresses = [address] if isinstance(address, str) else address
        places = [f"{name or self.name}@{one}:{port}" for one in addresses]
        argv = [self.holder.python, "-I", "-S", self.holder.script(WEB), *places]
        server = self.holder.start(self.holder.enter(self.netns), argv)
        server.wait_line("listening")
        return server

    def capture(self, interface: str = "any", expression: str = "") -> Capture:
        """A capture that is running when this returns."""
        return Capture(self, interface, expression)

    def eventually(self, seen: Callable[[], object], *, timeout: float = 5.0, pause: float = 0.05) -> bool:
        """Ask until the answer is true, for what sends no event that a test could wait for."""
        deadline = time.monotonic() + patient(timeout)
        while not seen():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
        return True

    # --- links

    def link(self, name: str) -> dict[str, Any] | None:
        """The link as ``ip -json`` shows it, or nothing if there is none."""
        result = self._ip("-json", "link", "show", "dev", name)
        return None if result.returncode != 0 else dict(json.loads(result.stdout)[0])

    def addresses(self, name: str) -> list[str]:
        """The IPv4 addresses of a link, with their prefix lengths.  Of IPv6: ``addresses6``."""
        shown = json.loads(self._ip("-json", "-4", "address", "show", "dev", name).stdout or "[]")
        return [f"{a['local']}/{a['prefixlen']}" for link in shown for a in link.get("addr_info", ())]

    def addresses6(self, name: str, *, scope: str = "global", tentative: bool = False) -> list[str]:
        """The IPv6 addresses of a link that can be used (``tentative``: those whose owner is still asked for, too)."""
        shown = json.loads(self._ip("-json", "-6", "address", "show", "dev", name).stdout or "[]")
        return [
            f"{a['local']}/{a['prefixlen']}"
            for link in shown
            for a in link.get("addr_info", ())
            if a["scope"] == scope and (tentative or not a.get("tentative") or a.get("optimistic"))
            if not a.get("dadfailed")
        ]

    def wait_address6(self, name: str, *, scope: str = "global", timeout: float = 10.0) -> list[str]:
        """Wait until a link has an IPv6 address of that scope (global, link) that can be used."""
        if found := self.wait_told("address", lambda: self.addresses6(name, scope=scope), timeout):
            return found
        shown = self._ip("-6", "address", "show", "dev", name).stdout
        raise LabError(f"{self.name} has no IPv6 address ({scope}) on {name} after {timeout} s:\n{shown}")

    def path_mtu(self, address: str) -> int | None:
        """The MTU that this host has learnt of the path to an address; nothing if it has learnt none."""
        route = json.loads(self._ip("-json", "route", "get", address).stdout or "[]")
        metrics = route[0].get("metrics", [{}])[0] if route else {}
        return metrics.get("mtu")

    def _ip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Straight into the namespace: an application's name server doesn't matter to ip.
        prefix = self.holder.enter(self.netns)
        return self.holder.run(prefix, ["ip", *arguments], check=False)

    def wait_link(self, name: str, *, timeout: float = 10.0, up: bool = False) -> dict[str, Any]:
        """Wait until a link is there (``up``: and has its carrier), woken by the kernel's messages."""
        if found := self.wait_told("link", lambda: self._wanted(name, up), timeout):
            return found
        raise LabError(f"{self.name} has no link {name} after {timeout} s:\n{self._ip('-br', 'link').stdout}")

    def wait_told(self, kind: str, seen: Callable[[], T], timeout: float) -> T:
        """Look until there is something to see, again at each message of ``ip monitor KIND``; the last look's result.

        ``ip monitor`` doesn't tell when it has begun to listen; so we look again now and then without being told.
        """
        if found := seen():
            return found
        monitor = self.holder.start(self.holder.enter(self.netns), ["ip", "monitor", kind])
        assert monitor.popen.stdout is not None
        deadline = time.monotonic() + patient(timeout)
        try:
            while (left := deadline - time.monotonic()) > 0 and not (found := seen()):
                if select.select([monitor.popen.stdout], [], [], min(0.2, left))[0]:
                    monitor.popen.stdout.read1(65536)  # type: ignore[attr-defined]
        finally:
            monitor.stop(signal.SIGKILL)
        return found

    def _wanted(self, name: str, up: bool) -> dict[str, Any] | None:
        found = self.link(name)
        return found if found and (not up or "LOWER_UP" in found["flags"]) else None


SNAPLEN = 4096
"""Bytes of each packet that a capture keeps."""


class Capture:
    """tcpdump at work.  ``stop`` ends it; as a context manager, so does the end of the block."""

    def __init__(self, host: Host, interface: str, expression: str) -> None:
        self._file = f"/run/lab/{host.name}.{interface}.{time.monotonic_ns()}.pcap"
        self._host = host
        # --immediate-mode: without it the last packets stay in the kernel's ring when tcpdump is told to end.
        # -s: the ring has room for packets of this size; with tcpdump's own 256 KiB for eight, which is too few as soon as
        # it has to wait for a processor.
        argv = ["tcpdump", "--immediate-mode", "-U", "-n", "-s", str(SNAPLEN), "-B", "8192", "-i", interface]
        argv += ["-w", self._file, "-Z", "root"]
        # -Z needs to change the user, which a user namespace of one user doesn't allow, nor ask for.
        self._tcpdump = host.holder.start(
            host.holder.enter(host.netns), [*(argv[:-2] if host.holder.rootless else argv), expression]
        )
        self._tcpdump.wait_line("listening on")
        self._packets: list[str] | None = None
        self._size = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def file(self) -> Path:
        """The file of packets, readable from outside."""
        return self._host.holder.path(self._file)

    def stop(self) -> list[str]:
        """End it; the packets as tcpdump prints them, one line each, with link-level addresses."""
        if self._packets is None:
            # It does not read what is still in the kernel's ring once it is told to end.
            self._host.eventually(self._has_read_all, pause=0.1)
            self._tcpdump.stop(signal.SIGINT)
            if lost := re.search(
                r"^([1-9]\d*) packets? dropped by kernel", self._tcpdump.output, re.MULTILINE
            ):
                raise LabError(
                    f"the capture in {self._host.name} missed {lost[1]} packets, and proves nothing"
                )
            self._packets = self.so_far()
        return self._packets

    def _has_read_all(self) -> bool:
        """Whether it sleeps, and has written nothing since this was asked last.

        A packet in the ring wakes it: asleep, it has read and written them all.  That nothing was written is not enough, as
        on a busy machine it may have had no turn.
        """
        before, self._size = self._size, self.file.stat().st_size
        return before == self._size and self._tcpdump.asleep

    def so_far(self) -> list[str]:
        """The packets up to now, in the same way."""
        said = self._host.run(["tcpdump", "-n", "-e", "-r", self._file], timeout=20.0, check=False)
        return said.stdout.splitlines()
