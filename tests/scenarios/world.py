"""A lab with a daemon in it, and how a test looks at both: by the tables, by the log, by the kernel."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import yaml

from netnsmgr.pubsub.client import SyncClient
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.tables import AGENT_STATUS, APP_STATUS, DEVICE_STATUS, INSTANCE_STATUS, KIND_TABLE
from tests.lab import Lab, LabError
from tests.lab.patience import patient
from tests.scenarios.documents import Document

Row = Mapping[str, Any]
_COUNTED = re.compile(r"(flags [^\n]*dynamic[^{}]*)elements = {[^{}]*}")
PATIENCE = 15.0
"""Seconds until a test gives up waiting for what should happen within one; the machine may be busy."""


class World:
    """``with World() as w``.  Owns the lab, the daemon in it (which logs everything) and a subscriber's connection."""

    def __init__(
        self,
        ports: Sequence[str] = ("eth0", "eth1"),
        *,
        addressed: bool = False,
        ipv6: bool = False,
        dhcp_ports: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.lab = Lab(ports, addressed=addressed, ipv6=ipv6, dhcp_ports=dhcp_ports)
        self._options = options
        self._waiting = False

    def __enter__(self) -> Self:
        self.lab.__enter__()
        try:
            self.daemon = self.lab.daemon("--log-level", "debug", *self._options)
            self.client = SyncClient(self.lab.path("/run/netnsmgr"), "cli")
            names = (DEVICE_STATUS, INSTANCE_STATUS, APP_STATUS, AGENT_STATUS)
            self._views = {name: self.client.subscribe(name) for name in names}
            self._synchronized()
        except BaseException as error:
            self.lab.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.lab.__exit__(kind, error, trace)

    # --- telling it

    def apply(
        self, *documents: Document, options: Sequence[str] = (), code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """``netnsmgr apply``; it has to end with this code."""
        text = yaml.safe_dump_all(documents, sort_keys=False)
        return self.command(
            "apply", "-f", "-", "--timeout", f"{patient(20):.0f}s", *options, text=text, code=code
        )

    def command(
        self, *arguments: str, text: str | None = None, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Any command; it has to end with this code (None: with any)."""
        result = self.lab.netnsmgr(*arguments, text=text)
        if code is not None:
            assert result.returncode == code, f"{arguments}: {result}"
        return result

    def put(self, *documents: Document, remove: Sequence[Document] = ()) -> int:
        """The same as an edge supervisor does it, and without waiting."""
        changes = [_change(document, document) for document in documents]
        return self.client.put(changes + [_change(document, None) for document in remove])

    def restart(self, timeout: float = 20.0) -> None:
        """Start the daemon again, with the same options."""
        self.daemon.start(timeout)
        self._synchronized()

    def _synchronized(self) -> None:
        self.until(lambda: all(view.synchronized for view in self._views.values()), "tables are synchronized")

    # --- what it says

    def until(self, seen: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
        """Take in what the daemon publishes until ``seen``; AssertionError, with the tables, otherwise."""
        self._waiting = True
        try:
            happened = self.client.wait(lambda: bool(seen()), patient(timeout))
        finally:
            self._waiting = False
        if not happened:
            rows = {name: view.rows for name, view in self._views.items()}
            raise AssertionError(f"never seen: {what}\n{json.dumps(rows, indent=1)}")

    def eventually(self, seen: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
        """The same for what sends no event: the kernel's state as commands show it."""
        if not self.lab.device.eventually(seen, timeout=timeout):
            raise AssertionError(f"never seen: {what}")

    def instance(self, name: str) -> Row:
        """The row of an instance; empty if there is none."""
        return self._row(INSTANCE_STATUS, name)

    def interface(self, network: str, app: str, name: str = "eth0") -> Row:
        return self._row(APP_STATUS, f"{network}/{app}/{name}")

    def agent(self, name: str) -> Row:
        return self._row(AGENT_STATUS, name)

    def device(self) -> Row:
        return self._row(DEVICE_STATUS, "edge")

    def _row(self, table: str, key: str) -> Row:
        if not self._waiting:
            # Nobody has taken in lately what the daemon published; what came before us is here by then.
            self.client.wait(lambda: False, 0.02)
        return self._views[table].rows.get(key, {})

    def ready(self, *names: str) -> None:
        """Wait until these instances are."""
        for name in names:
            self.until(lambda name=name: self.instance(name).get("state") == "ready", f"{name} is ready")  # type: ignore[misc]

    def pending(self, network: str, app: str, reason: str, name: str = "eth0") -> None:
        """Wait until an application's interface is pending for this one reason."""

        def seen() -> bool:
            row = self.interface(network, app, name)
            return row.get("state") == "pending" and row["reasons"] == [reason]

        self.until(seen, f"{app} in {network} is pending: {reason}")

    def attached(self, network: str, app: str, name: str = "eth0") -> None:
        self.until(
            lambda: self.interface(network, app, name).get("state") == "ready", f"{app} is in {network}"
        )

    # --- what it logs

    def mark(self) -> int:
        """The place in the log from which on one wants to read."""
        return len(self.daemon.log)

    def logged(self, since: int, **fields: Any) -> list[dict[str, Any]]:
        """The entries of the log that have these fields."""
        found = []
        for line in self.daemon.log[since:].splitlines():
            if line.startswith("{") and line.endswith("}"):
                entry = json.loads(line)
                if all(entry.get(name) == value for name, value in fields.items()):
                    found.append(entry)
        return found

    def operations(self, since: int) -> list[str]:
        return [f"{e['agent']}: {e['op']}" for e in self.logged(since, event="operation")]

    def looked(self, agent: str, since: int) -> None:
        """Wait until an agent has made a pass that found nothing to do."""

        def seen() -> bool:
            passes = self.logged(since, event="pass", agent=agent)
            return bool(passes) and passes[-1]["operations"] == 0

        self.eventually(seen, f"a pass of {agent} with nothing to do")

    def leased(self, network: str, app: str, interface: str = "eth0") -> None:
        """The application takes a lease, and the instance's agent has done all that follows from it."""

        def holders() -> str:
            return self.sh("nft list map inet netnsmgr_acl vif_of4 || true", network)

        before, since = holders(), self.mark()
        address = str(self.lab.apps[app].dhcp(interface).address.ip)
        if f" {address} :" in before:
            return  # It had it already: nothing follows, and perhaps nobody even looks.
        self.eventually(lambda: address in holders(), f"{address} of {app} in {network}")
        self.looked(network, since)

    # --- its processes

    def kill(self, pid: int) -> None:
        """SIGKILL to a process by its id in the lab."""
        self.lab.device.run(["kill", "-9", str(pid)])

    def kill_agent(self, name: str) -> int:
        """Kill an agent and wait for its successor; the successor's pid."""
        pid = self.agent(name)["pid"]
        self.kill(pid)
        return self.succeeded(name, pid)

    def succeeded(self, name: str, pid: int) -> int:
        """Wait until an agent is another process than this one."""
        self.until(lambda: self.agent(name).get("pid") not in (None, pid), f"a new agent {name}")
        return int(self.agent(name)["pid"])

    def crash(self) -> None:
        """SIGKILL to the daemon, and wait until the processes that depend on it are gone, too."""
        self.daemon.kill9()
        self._ended()

    def stop(self) -> None:
        assert self.daemon.stop() == 0
        self._ended()

    def _ended(self) -> None:
        mine = "[m]ultiprocessing|-m [n]etnsmgr daemon"
        self.eventually(lambda: not self.pids(mine), "every process of netnsmgr has ended")

    def pids(self, pattern: str) -> list[int]:
        """Processes of the lab by their command lines (forked agents have that of the fork server)."""
        found = self.lab.device.run(["pgrep", "-f", pattern], check=False).stdout.split()
        return [int(pid) for pid in found]

    def dnsmasq(self, network: str) -> int:
        """The process id of an instance's dnsmasq; LabError unless there is exactly one."""
        found = self.pids(f"^dnsmasq --conf-file=/run/netnsmgr/instances/{network}/")
        if len(found) != 1:
            raise LabError(f"{len(found)} dnsmasq of {network}: {found}")
        return found[0]

    # --- the kernel

    def sh(self, script: str, network: str | None = None) -> str:
        """A shell script in the device's root namespace, or in an instance's."""
        host = self.lab.device if network is None else self.lab.instance(network)
        return host.run(["sh", "-ec", script]).stdout


def _change(document: Document, value: Document | None) -> Change:
    return Change(KIND_TABLE[document["kind"]], document["metadata"]["name"], value)


def uncounted(shown: str) -> list[str]:
    """The lines of what commands show, without what packets themselves put into sets of nftables: who sends how much."""
    return [line for line in _COUNTED.sub(r"\1", shown).splitlines() if line.strip()]
