"""A real hub with a daemon of straw behind it, and the command line in the same process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from netnsmgr.cli.main import cli
from netnsmgr.errors import Problem
from netnsmgr.pubsub import tables
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change

Status = dict[str, Any]


class Straw:
    """Accepts configuration and says at once that everything is ready; tests bend it by its attributes."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.problems: Callable[[Sequence[Change]], list[Problem]] = lambda changes: []
        self.status: Status = {"state": "ready", "reasons": []}
        """Merged into each instance's and application's status."""
        self.slow = False
        """Leave the statuses as they are."""
        self.plan: dict[str, Any] = {"agents": {}}
        self.asked: list[Any] = []
        self.commits = 0
        self.events: list[tuple[str, str, str, str]] = []

    def tell(self, about: str, reason: str, message: str, *, type: str) -> None:  # noqa: A002
        self.events.append((about, reason, message, type))

    async def validate(self, changes: Sequence[Change]) -> list[Problem]:
        return self.problems(changes)

    async def answer_plan(self, value: Any) -> Any:
        self.asked.append(value)
        return self.plan

    async def revisions(self, _value: Any) -> dict[str, int]:
        return dict.fromkeys(("uplink", *self.hub.rows(tables.INSTANCE_CONFIG)), self.hub.revision)

    def configured(self, revision: int) -> None:
        self.commits += 1
        if self.slow:
            return
        wanted: dict[tuple[str, str], Status] = {}
        for name, document in self.hub.rows(tables.DEVICE_CONFIG).items():
            ports = [{"name": port["name"], "state": "up"} for port in document["spec"].get("ports", ())]
            wanted[tables.DEVICE_STATUS, name] = {"name": name, "ports": ports, "items": ITEMS}
        for name, document in self.hub.rows(tables.INSTANCE_CONFIG).items():
            subnets = document["spec"]["subnets"]
            wanted[tables.INSTANCE_STATUS, name] = (
                {
                    "name": name,
                    "subnets": subnets,
                    "items": ITEMS,
                }
                | tunnels(document)
                | self.status
            )
        for name, document in self.hub.rows(tables.APP_CONFIG).items():
            for interface in document["spec"]["interfaces"]:
                key = f"{interface['network']}/{name}/{interface['name']}"
                wanted[tables.APP_STATUS, key] = {
                    "app": name,
                    "mac": "02:16:3e:00:00:01",
                    "addresses": [{"address": "10.10.1.50", "source": "dhcp", "expires": None}],
                } | self.status
        for table in (tables.DEVICE_STATUS, tables.INSTANCE_STATUS, tables.APP_STATUS):
            for key in [key for key in self.hub.rows(table) if (table, key) not in wanted]:
                self.hub.put(table, key, None)
        for (table, key), row in wanted.items():
            self.hub.put(table, key, {"state": "ready", "revision": revision} | row)
        agents = ["uplink", *self.hub.rows(tables.INSTANCE_CONFIG)]
        for name in self.hub.rows(tables.AGENT_STATUS).keys() - set(agents):
            self.hub.put(tables.AGENT_STATUS, name, None)
        for name in agents:
            self.hub.put(
                tables.AGENT_STATUS, name, {"agent": name, "state": "running", "pid": 42, "restarts": 0}
            )


def tunnels(document: Status) -> Status:
    """What an agent says of WireGuard tunnels: they have a key, and whatever peers are written."""
    written = document["spec"].get("vpn", {}).get("wireguard", {}).get("tunnels", ())
    rows = [
        {"name": each["name"], "backend": "kernel", "state": "up", "publicKey": SERVER_KEY, "peers": [
            {"name": peer["name"], "state": "idle"} for peer in each.get("peers", ())
        ]}
        for each in written
    ]  # fmt: skip
    return {"vpn": {"wireguard": rows, "ipsec": []}} if rows else {}


SERVER_KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
ITEMS = [
    {"ref": "link/lo", "state": "external", "lacks": [], "error": "", "deps": []},
    {"ref": "link/bn0", "state": "created", "lacks": [], "error": "", "deps": ["link/lo"]},
    {"ref": "address/10.10.1.1/24", "state": "failed", "lacks": [], "error": "EPERM", "deps": ["link/bn0"]},
    {"ref": "process/dnsmasq", "state": "pending", "lacks": ["file/dnsmasq.conf"], "error": "", "deps": ["file/dnsmasq.conf"]},
]  # fmt: skip


class Machine:
    """Where a daemon lives, and the command line pointed at it."""

    def __init__(self) -> None:
        # Not tmp_path: its names are longer than a socket's path may be.
        self.root = Path(tempfile.mkdtemp(prefix="nm"))
        self.run_dir = self.root / "run"

    def run(self, *args: str, text: str | None = None) -> Result:
        """Run one command; what is on its two streams is in ``stdout`` and ``stderr``."""
        given = ["--run-dir", str(self.run_dir), "--state-dir", str(self.root / "state"), *args]
        return CliRunner().invoke(cli, given, input=text)

    def file(self, text: str, name: str = "site.yaml") -> str:
        """Write a file; return its path."""
        path = self.root / name
        path.write_text(text)
        return str(path)


SITE = """\
apiVersion: netnsmgr/v1alpha1
kind: Device
metadata: {name: edge}
spec:
  ports:
    - {name: eth0, addresses: [192.168.0.2/24]}
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni1}
spec:
  type: local
  ports: [eth0]
  subnets: [10.10.1.0/24]
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app1}
spec:
  attach: {netns: app1}
  interfaces:
    - {name: eth0, network: ni1}
"""
