"""What an instance's agent sees of its IPsec connections, and hands on of what is wanted of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from netnsmgr.agent.ipsec_load import Identity, files, identity
from netnsmgr.agent.ipsec_run import IpsecRun
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.ipsec import log_file
from netnsmgr.features.vpn.ipsec_state import missing
from netnsmgr.kernel.files import keep_short
from netnsmgr.kernel.secrets import place_of
from netnsmgr.kernel.watch import DirectoryWatch


class IpsecWatch:
    """See ``agent.vpn.Tunnels``."""

    def __init__(self) -> None:
        self.changed: Callable[[], object] = lambda: None
        self._run = IpsecRun(self._tell)
        self._task: asyncio.Task[None] | None = None
        self._asked: tuple[object, ...] = ()
        self._identities: dict[str, Identity] = {}
        self._watches: dict[str, DirectoryWatch] = {}

    def add(self, facts: VpnFacts) -> VpnFacts:
        """Return the facts with what other ends have given."""
        run = self._run
        given = [v for each in run.wanted for sa in run.of(each.name) if sa.alive for v in sa.virtual]
        told = [server for each in run.wanted for server in run.dns.get(each.name, ())]
        virtual, dns = (tuple(ip_address(each) for each in dict.fromkeys(found)) for found in (given, told))
        return replace(facts, virtual=virtual, dns=dns) if virtual or dns else facts

    def follow(self, scope: InstanceScope) -> None:
        """Take in what is wanted: called at the end of each look, and never waits."""
        vpn = scope.instance.spec.vpn
        wanted = vpn.connections if vpn is not None else ()
        if self._run.scope is None and not wanted:
            return
        self._run.scope = scope
        if not wanted or not scope.vpn.esp:
            self.close()
            return
        ways = (scope.link.addresses, scope.link.state == "ready", scope.uplink_index)
        asked = (wanted, scope.vpn.endpoints, scope.vpn.esp, scope.links, scope.nets, scope.number, ways)
        if self._asked and self._asked[-1] != ways:
            self._run.way_changed()
        if self._asked != asked:
            self._asked = asked
            self._watch({os.path.dirname(place_of(path)) for each in wanted for path in files(each)})
            self._run.load()
        self._look_at_files()
        keep_short(log_file(scope))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run.run())

    def rows(self) -> list[dict[str, Any]]:
        """Return the state of each connection."""
        return self._run.rows()

    def reasons(self) -> list[str]:
        """Say of each connection that shall be up and is not what is the matter."""
        run = self._run
        if run.scope is None or not run.wanted:
            return []
        if not run.scope.vpn.esp:
            return ["nothing on this machine encrypts for IPsec (netnsmgr doctor says what is missing)"]
        return [
            f"tunnel {each.name}: {run.words(each.name) if run.known else 'charon does not answer yet'}"
            for each in run.wanted
            if missing(run.begun(each), run.of(each.name)) or not run.loaded(each.name)
        ]

    def close(self) -> None:
        """End what goes on; charon and its connections stay."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._watch(set())
        self._run.forget()
        self._asked, self._identities = (), {}

    def _tell(self) -> None:
        self.changed()

    def _look_at_files(self) -> None:
        """Load again if one of the files is another one now, or was changed."""
        found = {path: identity(path) for each in self._run.wanted for path in files(each)}
        if found != self._identities:
            self._identities = found
            self._run.load()

    def _watch(self, directories: set[str]) -> None:
        for path in self._watches.keys() - directories:
            self._watches.pop(path).close()
        for path in directories - self._watches.keys():
            try:
                self._watches[path] = DirectoryWatch(path, self._look_at_files)
            except OSError:
                continue  # it is missing: the connection says so, and each look of the agent looks again
