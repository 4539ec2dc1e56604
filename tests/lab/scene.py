"""The demo's scenario while it runs: the file that is applied, the applications, and what netnsmgr says of them."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.app import AppHost, Lease
from tests.lab.lab import ROOT, Lab
from tests.lab.observe import without
from tests.lab.process import LabError
from tests.lab.tap import TapApp

CONFIGURATION = ROOT / "poc" / "demo.yaml"


class Scene:
    """One lab with the scenario's three applications, and what can be done there and asked."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.app1: AppHost = lab.app("app1")
        self.app2: AppHost = lab.app("app2")
        self.app3: TapApp = lab.tap_app("app3")
        self.document = CONFIGURATION.read_text()

    def said(self, *arguments: str, code: bool = False) -> str:
        """The last line that the command line said (``code``: its exit code, if that is 0)."""
        result = self.lab.netnsmgr(*arguments, text=self.document)
        lines = (result.stdout + result.stderr).strip().splitlines() or [""]
        return "exit code 0" if code and result.returncode == 0 else lines[-1]

    def plug(self) -> str:
        """Switch on the virtual machine, which opens its TAP."""
        row = self.vif("app3", "ni3")
        self.app3.plug("ni3", row["vif"], mac=row["mac"])
        return "plugged"

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """The documents of a kind, with their status, as ``netnsmgr get … -o json`` prints them."""
        return list(json.loads(self.lab.netnsmgr("get", kind, "-o", "json", check=True).stdout)["items"])

    def vif(self, app: str, network: str) -> dict[str, Any]:
        """The status row of an application's interface; LabError if there is none."""
        rows: list[dict[str, Any]] = [row for o in self.objects("apps") for row in o["status"]["interfaces"]]
        rows = [row for row in rows if (row["app"], row["network"]) == (app, network)]
        if not rows:
            raise LabError(f"netnsmgr reports no interface of {app} in {network}")
        return rows[0]

    def lease(self, app: str, interface: str) -> Lease:
        """The lease that an application holds; LabError if it has none."""
        try:
            return self.lab.apps[app].leases[interface]
        except KeyError:
            raise LabError(f"{app} has no lease for {interface}") from None

    def asked_inside(self, instance: str, address: str) -> str:
        """What an HTTP server answers to curl by ``netnsmgr exec``."""
        result = self.lab.netnsmgr("exec", instance, "--", "curl", "-sS", "-m", "5", f"http://{address}")
        return result.stdout or result.stderr

    def delete(self, instance: str) -> str:
        """Take the instance, and what is attached to it alone, out of the file, and apply that with --prune."""
        self.document = without(self.document, instance)
        said = self.said("apply", "-f", "-", "--prune", "--timeout", "30s", code=True)
        if said != "exit code 0":
            return said
        left = [
            f"namespace {n}" for n in self.lab.device.run(["ip", "netns"]).stdout.split() if n == instance
        ]
        everything = "ip -br link; ip rule; ip route show table all; nft list ruleset"
        shown = self.lab.device.run(["sh", "-c", everything]).stdout.splitlines()
        left += [line.strip() for line in shown if f"nm-{instance}" in line]
        return f"{instance} is gone" if not left else f"left: {', '.join(left)}"
