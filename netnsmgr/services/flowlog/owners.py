"""Whose a bridge port or an address is."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from netnsmgr.services.flowlog.scope import Scope, Vif


class Owners:
    """The interfaces of one scope, by what packets show of them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._leases: tuple[object, dict[str, Vif]] = (None, {})
        self._ports: dict[int, Vif | None] = {}

    def port(self, index: int) -> Vif | None:
        """Return the application's interface behind a bridge port."""
        if index not in self._ports:
            name = ""
            with suppress(OSError):
                name = socket.if_indextoname(index) if index else ""
            if len(self._ports) > 4 * len(self._scope.vifs) + 16:
                self._ports.clear()
            self._ports[index] = self._scope.by_link.get(name)
        return self._ports[index]

    def address(self, address: str) -> Vif | None:
        """Return whose address it is: configured, learned, or leased by dnsmasq."""
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
        return found | {address: vif for vif in self._scope.vifs for address in vif.addresses}
