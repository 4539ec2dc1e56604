"""The program: reads conntrack's events and the packets that rules copy to it, and makes records of them.

With host rules it also keeps their addresses in their sets.  SIGHUP has it read its files again; SIGTERM ends it and
takes its rows back.  It has no asyncio: 4 MB less in each instance.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from netnsmgr.core.agreed import DNS_TABLE, FILTER
from netnsmgr.errors import KernelError
from netnsmgr.kernel.frames import FrameSender
from netnsmgr.kernel.nflog import Packet
from netnsmgr.kernel.nft_command import Counter, Transactions
from netnsmgr.services.flowlog import dns
from netnsmgr.services.flowlog.flows import Drops, Entry, Flows
from netnsmgr.services.flowlog.held import Held
from netnsmgr.services.flowlog.hosts import HostSets, commands
from netnsmgr.services.flowlog.owners import Owners
from netnsmgr.services.flowlog.publisher import Publisher
from netnsmgr.services.flowlog.scope import Scope, Vif, read
from netnsmgr.services.flowlog.sources import Sources


class FlowLog:
    """The program; ``config`` is its configuration file's content, ``say`` writes to its own log.

    ``sender`` sends held answers on, in an instance of layer 2.
    """

    def __init__(
        self, config: dict[str, Any], say: Callable[[str], None], sender: FrameSender | None = None
    ) -> None:
        self._files: tuple[str, str] = config["scope"], config["rules"]
        self._say = say
        self._scope = Scope()
        self._owners = Owners(self._scope)
        self._flows, self._drops = Flows(), Drops()
        self._talks, self._hosts = dns.Conversations(), HostSets()
        self._sender, self._held = sender, Held(self._covered)
        self._sources = Sources(
            {
                "conntrack": self._on_flows, "dropped": self._on_drops, "inward": self._on_inward,
                "dns": self._on_dns, "held": self._on_held,
            },
            say,
        )  # fmt: skip
        self._counters: list[Counter] = []
        self._nft: Transactions | None = None
        self._publisher = Publisher(config["run_dir"], config["instance"], self._lost)
        self._book = self._publisher.book
        self._ended = self._reload = False

    # -- Life ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until SIGTERM."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._signalled)
        self._sources.watch(reader, lambda: _emptied(reader))
        for fd in self._publisher.filenos:
            self._sources.watch(fd, self._publisher.pump)
        self._read()
        while not self._ended:
            self._sources.wait(self._pause(time.monotonic()))
            if self._reload:
                self._reload = False
                self._read()
            self._due()
        self._publisher.withdraw()

    def _signalled(self, signum: int, _frame: object) -> None:
        if signum == signal.SIGHUP:
            self._reload = True
        else:
            self._ended = True

    def _pause(self, now: float) -> float | None:
        moments = [*self._sources.moments, *self._publisher.moments]
        if (due := self._drops.next_due) is not None:
            moments.append(due - time.time() + now)
        return max(0.0, min(moments) - now) if moments else None

    def _due(self) -> None:
        now = time.monotonic()
        self._sources.rested(now)
        if self._sources.again is not None and self._sources.again <= now:
            self._open()
        self._note(self._drops.due(time.time()))
        self._publisher.due(now)

    # -- What it is told -----------------------------------------------------------------------------------

    def _read(self) -> None:
        scope, rules = self._files
        self._scope = Scope.of(read(scope), read(rules))
        self._owners = Owners(self._scope)
        self._hosts = HostSets()  # sets may be new ones, and empty
        self._held.keep(set(self._scope.by_link))
        self._publisher.keep(self._scope.apps if self._scope.log else None)
        self._open()
        self._publisher.pump()

    def _open(self) -> None:
        log, hosts = self._scope.log, bool(self._scope.hosts)
        names = {"held" if self._scope.switch else "dns"} if log or hosts else set()
        wanted = names | ({"conntrack", "dropped", "inward"} if log else set())
        self._sources.want(wanted)
        if log and not self._counters:
            with suppress(KernelError):
                self._counters = [Counter(FILTER, "unlogged")]
                if self._scope.switch:
                    self._counters.append(Counter(DNS_TABLE, "unlogged", "bridge"))
        if hosts and self._nft is None:
            self._nft = Transactions()

    # -- What the kernel tells -----------------------------------------------------------------------------

    def _on_flows(self) -> None:
        self._on_inward()  # the second decision of a flow was made before conntrack told of it
        now = time.time()
        for flow in self._sources.receive("conntrack"):
            self._note(self._flows.entries(flow, self._scope, self._owners.address, now))

    def _on_inward(self) -> None:
        for packet in self._sources.receive("inward"):
            self._flows.decided(packet)

    def _on_drops(self) -> None:
        now = time.time()
        owners = self._owners
        for packet in self._sources.receive("dropped"):
            self._note(self._drops.packet(packet, self._scope, owners.port, owners.address, now))

    def _on_dns(self) -> None:
        now = time.time()
        elements: dict[tuple[str, str], int] = {}
        for packet in self._sources.receive("dns"):
            if (seen := self._observed(packet)) is None:
                continue
            elements |= self._hosts.elements(seen, self._scope.hosts, now)
            vif = self._scope.by_number.get(seen.vif) or self._owners.address(seen.client)
            if self._scope.log and vif is not None:
                self._book.add(vif.app, ("dns", now, seen), dns.record(seen, vif.interface, now))
        if elements:
            self._set(elements)

    def _on_held(self) -> None:
        now = time.time()
        port, log = self._owners.port, self._scope.log
        elements: dict[tuple[str, str], int] = {}
        waiting: list[tuple[Vif, Packet]] = []
        for packet in self._sources.receive("held"):
            vif = port(packet.port_out)
            taken = self._held.packet(packet, port(packet.port_in), vif, log=log)
            self._book.lose(taken.broken)
            for seen in taken.believed:
                elements |= self._hosts.elements(seen, self._scope.hosts, now)
            if vif is not None:
                for seen in taken.seen if log else ():
                    self._book.add(vif.app, ("dns", now, seen), dns.record(seen, vif.interface, now))
                if taken.passes:
                    waiting.append((vif, packet))
        if elements:
            self._set(elements)
        for vif, packet in waiting:
            self._send_on(vif, packet)

    def _send_on(self, vif: Vif, packet: Packet) -> None:
        assert self._sender is not None
        try:
            self._sender.send(vif.link, packet.frame, packet.payload)
        except (OSError, ValueError):  # the link has gone, or is full: as if the network had lost it
            self._book.lose(1)

    def _covered(self, name: str) -> bool:
        return any(dns.covering(name, self._scope.hosts))

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

    def _note(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry[0] in self._scope.apps:
                self._book.add(*entry)

    def _lost(self) -> int:
        return self._sources.overruns() + sum(counter.more() for counter in self._counters)


def _emptied(fd: int) -> None:
    with suppress(BlockingIOError):
        while os.read(fd, 64):
            pass
