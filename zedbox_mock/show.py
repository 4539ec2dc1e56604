"""Changes of status as lines: for people, or as JSON for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from netnsmgr.client import Change, Published

Row = Mapping[str, Any]


class Printer:
    """Prints what happens; for people only what reads differently from the last time."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._json = as_json
        self._last: dict[tuple[str, str], str] = {}

    def change(self, change: Change) -> None:
        """Print a row that has become different."""
        if self._json:
            self._print({"table": change.table, "key": change.key, "row": change.row})
            return
        line = line_of(change)
        if self._last.get(change[:2]) != line:
            self._last[change[:2]] = line
            self._print(line)

    def say(self, text: str, **fields: Any) -> None:
        """Print something of our own."""
        self._print({"event": text, **fields} if self._json else text)

    def _print(self, what: str | dict[str, Any]) -> None:
        if isinstance(what, dict):
            print(json.dumps({"time": round(time.time(), 3), **what}, ensure_ascii=False), flush=True)
        else:
            print(time.strftime("%H:%M:%S"), what, flush=True)


def said(published: Published) -> str:
    """Return what was published, in words."""
    deleted = "".join(f", deleted {kind.label(name)}" for kind, name in published.deleted)
    return f"published {len(published.documents)} objects, revision {published.revision}{deleted}"


def line_of(change: Change) -> str:
    """Return one line for people."""
    write = _LINES.get(change.table)
    if write is None:
        return f"{change.table} {change.key} {'gone' if change.row is None else 'changed'}"
    what, tell = write
    name = change.key
    if change.row is None:
        return f"{what} {name} gone"
    told = tell(change.row)
    reasons = "; ".join(map(str, change.row.get("reasons", ())))
    return f"{what} {name} {told}" + (f": {reasons}" if reasons else "")


def _device(row: Row) -> str:
    ports = [f"{port['name']} {port['state']}" for port in row.get("ports", ())]
    return f"{row.get('state')} ({', '.join(ports)})"


def _instance(row: Row) -> str:
    vpn = row.get("vpn", {})
    tunnels = [
        f"{each['name']} {each['state']}" for each in [*vpn.get("ipsec", ()), *vpn.get("wireguard", ())]
    ]
    return f"{row.get('state')}" + (f" ({', '.join(tunnels)})" if tunnels else "")


def _interface(row: Row) -> str:
    addresses = [f"{each['address']} by {each['source']}" for each in row.get("addresses", ())]
    return f"{row.get('state')}" + (f" ({', '.join(addresses)})" if addresses else "")


def _agent(row: Row) -> str:
    cause = f": {row['cause']}" if row.get("cause") else ""
    return f"{row.get('state')} (pid {row.get('pid')}, {row.get('restarts')} restarts){cause}"


def _flows(row: Row) -> str:
    lost = f", {row['lost']} lost" if row.get("lost") else ""
    return f"{row.get('seq', 0)} records{lost}"


_LINES = {
    "DeviceNetworkStatus": ("device", _device),
    "NetworkInstanceStatus": ("network-instance", _instance),
    "AppNetworkStatus": ("interface", _interface),
    "AgentStatus": ("agent", _agent),
    "AppFlowLog": ("flow log", _flows),
}
