"""The flow log of one instance: ``python -m netnsmgr.services.flowlog <etc>/flowlog.<inode>.<digest>.json``.

Reads conntrack's events and the packets that rules copy to it, and tells the hub the newest records of each
application.  With host rules it also keeps their addresses in their sets.  SIGHUP has it read its files again; SIGTERM
ends it and takes its rows back.  It has no asyncio: 4 MB less in each instance.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from netnsmgr.errors import KernelError
from netnsmgr.kernel.conntrack import ConntrackEvents
from netnsmgr.kernel.nflog import Packet, PacketLog
from netnsmgr.kernel.nft_command import Counter, Transactions
from netnsmgr.pubsub.peer import Client
from netnsmgr.pubsub.tables import FLOW_LOG
from netnsmgr.pubsub.view import View
from netnsmgr.services import dns
from netnsmgr.services.flows import Drops, Entry, Flows
from netnsmgr.services.hosts import HostSets, commands
from netnsmgr.services.ring import Book
from netnsmgr.services.scope import Scope, Vif, read

DROPPED, QUESTIONS, INWARD = 1, 2, 3
"""Groups of NFLOG."""
HEADERS = 128
"""Bytes of a packet that hold its addresses and ports."""
MESSAGE = 8192
"""Bytes of a packet with a DNS message."""
PUBLISH_SECONDS = 1.0
GATHER_SECONDS = 0.05
"""Pause after a batch of flows and drops, in which the next gathers: one waking for fifty events costs half."""
AGAIN_SECONDS = 1.0
"""Pause before a source that could not be opened is tried again: another process may be just ending."""
LAST_WORDS = 0.5
"""Seconds that the end waits for the hub to hear of it."""
CRASH_SECONDS = 5.0
"""Pause before a life that failed ends: it is begun again at once."""


class Source(Protocol):
    """A socket of the kernel."""

    fileno: Callable[[], int]
    close: Callable[[], None]

    def overruns(self) -> int:
        """Return how much it threw away since the last call."""
        ...


class FlowLog:
    """The program; ``config`` is its configuration file's content."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._network: str = config["instance"]
        self._files: tuple[str, str] = config["scope"], config["rules"]
        self._log_file: str = config["log"]
        self._scope = Scope()
        self._leases: tuple[object, dict[str, Vif]] = (None, {})
        self._ports: dict[int, Vif | None] = {}
        self._flows, self._drops = Flows(), Drops()
        self._talks, self._hosts = dns.Conversations(), HostSets()
        self._book = Book(self._network)
        self._epoll = select.epoll()
        self._sources: dict[str, Any] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._resting: dict[int, float] = {}
        self._try_again: float | None = None
        self._counter: Counter | None = None
        self._nft: Transactions | None = None
        self._client = Client(config["run_dir"], f"flowlog:{self._network}")
        self._former: View | None = self._client.subscribe(FLOW_LOG, follow=False)
        self._published = 0.0
        self._ended = self._reload = False

    # -- Life ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until SIGTERM."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._signalled)
        self._watch(reader, lambda: _emptied(reader))
        pump = self._pump
        for fd in self._client.filenos():
            self._watch(fd, pump)
        self._read()
        pump()
        while not self._ended:
            now = time.monotonic()
            for fd, _ in self._epoll.poll(self._pause(now)):
                if (handler := self._handlers.get(fd)) is not None:
                    handler()
            if self._reload:
                self._reload = False
                self._read()
            self._due()
        self._withdraw()

    def _signalled(self, signum: int, _frame: object) -> None:
        if signum == signal.SIGHUP:
            self._reload = True
        else:
            self._ended = True

    def _pause(self, now: float) -> float | None:
        moments = list(self._resting.values())
        if self._try_again is not None:
            moments.append(self._try_again)
        if (due := self._drops.next_due) is not None:
            moments.append(due - time.time() + now)
        if self._publishes and self._book.changed:
            moments.append(self._published + PUBLISH_SECONDS)
        if (deadline := self._client.next_deadline()) is not None:
            moments.append(deadline)
        return max(0.0, min(moments) - now) if moments else None

    def _due(self) -> None:
        now = time.monotonic()
        for fd in [fd for fd, until in self._resting.items() if until <= now]:
            del self._resting[fd]
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
        if self._try_again is not None and self._try_again <= now:
            self._open()
        self._note(self._drops.due(time.time()))
        if self._publishes and self._book.changed and self._published + PUBLISH_SECONDS <= now:
            self._publish(now)
        deadline = self._client.next_deadline()
        if deadline is not None and deadline <= now:
            self._pump()

    def _watch(self, fd: int, handler: Callable[[], None], flags: int = 0) -> None:
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN | flags)

    def _say(self, text: str) -> None:
        note(self._log_file, text)

    # -- What it is told -----------------------------------------------------------------------------------

    def _read(self) -> None:
        scope, rules = self._files
        self._scope = Scope.of(read(scope), read(rules))
        self._ports.clear()
        self._leases = (None, {})
        self._hosts = HostSets()  # sets may be new ones, and empty
        for app in self._book.keep(self._scope.apps if self._scope.log else frozenset()):
            self._client.publish(FLOW_LOG, f"{self._network}/{app}", None)
        self._open()
        self._pump()

    def _open(self) -> None:
        """Open and close sources as the scope wants them; what cannot be opened is tried again."""
        self._try_again = None
        log, hosts = self._scope.log, bool(self._scope.hosts)
        gathers = select.EPOLLONESHOT
        for name, wanted, make, handler, flags in (
            ("conntrack", log, ConntrackEvents, self._on_flows, gathers),
            ("dropped", log, lambda: PacketLog(DROPPED, HEADERS, gather=32, wait=GATHER_SECONDS), self._on_drops, gathers),
            ("inward", log, lambda: PacketLog(INWARD, HEADERS), self._on_inward, gathers),
            ("dns", log or hosts, lambda: PacketLog(QUESTIONS, MESSAGE), self._on_dns, 0),
        ):  # fmt: skip
            known = self._sources.get(name)
            if wanted and known is None:
                try:
                    source = self._sources[name] = make()
                except KernelError as error:
                    self._say(f"{name}: {error}; trying again")
                    self._try_again = time.monotonic() + AGAIN_SECONDS
                else:
                    self._watch(source.fileno(), handler, flags)
            elif known is not None and not wanted:
                self._resting.pop(known.fileno(), None)
                del self._handlers[known.fileno()], self._sources[name]
                self._epoll.unregister(known.fileno())
                known.close()
        if log and self._counter is None:
            with suppress(KernelError):
                self._counter = Counter("netnsmgr_acl", "unlogged")
        if hosts and self._nft is None:
            self._nft = Transactions()

    # -- What the kernel tells -----------------------------------------------------------------------------

    def _rest(self, name: str) -> None:
        self._resting[self._sources[name].fileno()] = time.monotonic() + GATHER_SECONDS

    def _on_flows(self) -> None:
        self._on_inward()  # the second decision of a flow was made before conntrack told of it
        now = time.time()
        for flow in self._sources["conntrack"].receive():
            self._note(self._flows.entries(flow, self._scope, self._owner, now))
        self._rest("conntrack")

    def _on_inward(self) -> None:
        if (source := self._sources.get("inward")) is not None:
            for packet in source.receive():
                self._flows.decided(packet)
            self._rest("inward")

    def _on_drops(self) -> None:
        now = time.time()
        for packet in self._sources["dropped"].receive():
            self._note(self._drops.packet(packet, self._scope, self._port, self._owner, now))
        self._rest("dropped")

    def _on_dns(self) -> None:
        now = time.time()
        elements: dict[tuple[str, str], int] = {}
        for packet in self._sources["dns"].receive():
            if (seen := self._observed(packet)) is None:
                continue
            elements |= self._hosts.elements(seen, self._scope.hosts, now)
            vif = self._scope.by_number.get(seen.vif) or self._owner(seen.client)
            if self._scope.log and vif is not None:
                self._book.add(vif.app, ("dns", now, seen), dns.record(seen, vif.interface, now))
        if elements:
            self._set(elements)

    def _observed(self, packet: Packet) -> dns.Observation | None:
        try:
            return self._talks.packet(packet)
        except dns.Incomplete:
            self._book.lose(1)
            return None

    def _set(self, elements: dict[tuple[str, str], int]) -> None:
        assert self._nft is not None
        try:
            self._nft.run(commands(elements.items()))
        except KernelError as error:
            # One set that is not there (its rule has just gone) must not keep the others from theirs.
            self._say(f"sets of host rules: {error}")
            if len(elements) > 1:
                for element in elements.items():
                    with suppress(KernelError):
                        self._nft.run(commands([element]))

    def _note(self, entries: Any) -> None:
        entry: Entry
        for entry in entries:
            if entry[0] in self._scope.apps:
                self._book.add(*entry)

    def _port(self, index: int) -> Vif | None:
        """Return the application's interface behind a bridge port."""
        if index not in self._ports:
            name = ""
            with suppress(OSError):
                name = socket.if_indextoname(index) if index else ""
            if len(self._ports) > 4 * len(self._scope.vifs) + 16:
                self._ports.clear()
            self._ports[index] = self._scope.by_link.get(name)
        return self._ports[index]

    def _owner(self, address: str) -> Vif | None:
        """Return whose address it is: configured, or leased by dnsmasq."""
        try:
            state: object = os.stat(self._scope.leases).st_mtime_ns if self._scope.leases else 0
        except OSError:
            state = 0
        if state != self._leases[0]:
            self._leases = state, self._addresses()
        return self._leases[1].get(address)

    def _addresses(self) -> dict[str, Vif]:
        found: dict[str, Vif] = {}
        with suppress(OSError), open(self._scope.leases, encoding="utf-8", errors="replace") as file:
            for line in file:
                # expiry, MAC, address, name, client id
                words = line.split()
                if len(words) >= 3 and (vif := self._scope.by_mac.get(words[1])) is not None:
                    found[words[2]] = vif
        return found | {vif.address: vif for vif in self._scope.vifs if vif.address}

    # -- What it tells -------------------------------------------------------------------------------------

    @property
    def _publishes(self) -> bool:
        return self._scope.log and self._former is None

    def _publish(self, now: float) -> None:
        self._published = now
        for source in self._sources.values():
            self._book.lose(source.overruns())
        if self._counter is not None:
            self._book.lose(self._counter.more())
        for app, row in self._book.rows():
            self._client.publish(FLOW_LOG, f"{self._network}/{app}", row)
        self._pump()

    def _pump(self) -> None:
        while self._client.pump(time.monotonic()):
            pass
        if self._former is not None and self._former.synchronized:
            # Only now is it known where an earlier life stopped counting.
            prefix, former = f"{self._network}/", self._former.rows
            self._client.unsubscribe(FLOW_LOG)
            self._former = None
            for key, row in former.items():
                if (
                    key.startswith(prefix)
                    and (app := key.removeprefix(prefix)) in self._scope.apps
                    and self._scope.log
                ):
                    self._book.adopt(app, row)
            if self._scope.log:
                self._publish(time.monotonic())
            self._client.restarted(FLOW_LOG)
            self._pump()

    def _withdraw(self) -> None:
        for app in self._book.keep(frozenset()):
            self._client.publish(FLOW_LOG, f"{self._network}/{app}", None)
        end = time.monotonic() + LAST_WORDS
        while True:
            self._pump()
            left = end - time.monotonic()
            if not self._client.unsent or left <= 0 or not self._client.connected:
                break
            select.select(self._client.filenos(), [], [], left)
        self._client.close()


def _emptied(fd: int) -> None:
    with suppress(BlockingIOError):
        while os.read(fd, 64):
            pass


def note(path: str, text: str) -> None:
    """Append to the service's log, which begins anew at 64 KB: it lies in memory (``/run``)."""
    with suppress(OSError):
        mode = "w" if os.path.exists(path) and os.path.getsize(path) > 1 << 16 else "a"
        with open(path, mode, encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")


def main(argv: list[str]) -> int:
    """Run the flow log that a configuration file describes."""
    if len(argv) != 2 or not (config := read(argv[1])):
        print("usage: python -m netnsmgr.services.flowlog FILE, as the agent does", file=sys.stderr)
        return 2
    try:
        FlowLog(config).run()
    except Exception:
        note(config["log"], traceback.format_exc())
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.sigtimedwait([signal.SIGTERM], CRASH_SECONDS)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
