"""The scenario while it runs, wherever: its hosts, the configuration that is applied, and what netnsmgr says of it.

``Namespaces`` and ``Containers`` bring it up; the rows (``poc/rows``) see only what is here.
"""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.lab.app import AppHost, Lease
from tests.lab.host import Host
from tests.lab.process import LabError
from tests.lab.tap import TapApp

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "poc" / "scenario.yaml"
APPS = ("app1", "app2", "app3", "app4", "app5", "app6")
CLOUDS = ("cloud1", "cloud2")


#: Of app1 in ni1 and app3 in ni3: they ask for the same address, so that both hold it.
WISHES = {("app1", "eth0"): "10.10.1.77", ("app3", "eth0"): "10.10.1.77"}


class NotUp(LabError):
    """There is no lab to run in; the text says how to bring it up."""


class Scene(ABC):
    """``with Scene() as scene``: everything but the configuration is in place.

    ``device`` is where netnsmgr runs (its own, the uplink, namespace), ``gw`` the site's router, ``internet`` holds
    github.com and google.com, ``clouds`` are the other ends of the tunnels.  Every one of ``apps`` serves HTTP on port 80:
    "I am app1, you are 192.168.0.9".
    """

    device: Host
    gw: Host
    internet: Host
    clouds: Mapping[str, Host]
    apps: Mapping[str, AppHost]

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def instance(self, name: str) -> Host:
        """The inside of a network instance."""

    @abstractmethod
    def netnsmgr(
        self, *arguments: str, text: str | None = None, timeout: float = 60.0, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """The operator's command line, on the device."""

    @abstractmethod
    def publish(self, text: str) -> str:
        """Have zedbox publish exactly these documents, and wait until they are true: "applied", or what is not."""

    @abstractmethod
    def sas(self, cloud: str) -> str:
        """What a cloud's own ``swanctl --list-sas`` says."""

    @abstractmethod
    def logs(self) -> Mapping[str, str]:
        """The logs there are, by what wrote them."""

    # --- asking netnsmgr

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """The documents of a kind, with their status, as ``netnsmgr get … -o json`` prints them."""
        return list(json.loads(self.netnsmgr("get", kind, "-o", "json", check=True).stdout)["items"])

    def status(self, instance: str) -> dict[str, Any]:
        """The status of an instance; LabError if netnsmgr knows none of that name."""
        for one in self.objects("instances"):
            if one["metadata"]["name"] == instance:
                return dict(one["status"])
        raise LabError(f"netnsmgr reports no instance {instance}")

    def vif(self, app: str, network: str) -> dict[str, Any]:
        """The status row of an application's interface; LabError if there is none."""
        rows: list[dict[str, Any]] = [row for o in self.objects("apps") for row in o["status"]["interfaces"]]
        rows = [row for row in rows if (row["app"], row["network"]) == (app, network)]
        if not rows:
            raise LabError(f"netnsmgr reports no interface of {app} in {network}")
        return rows[0]

    def flows(self, app: str) -> list[dict[str, Any]]:
        """The flow log of an application."""
        return list(json.loads(self.netnsmgr("flows", app, "-o", "json", check=True).stdout)["items"])

    # --- doing

    def lease(self, app: str, interface: str = "eth0") -> Lease:
        """The lease that an application holds; LabError if it has none."""
        try:
            return self.apps[app].leases[interface]
        except KeyError:
            raise LabError(f"{app} has no lease for {interface}") from None

    def leased(self, app: str, interface: str = "eth0") -> Lease:
        """The lease that an application holds and has on its interface, or else a new one."""
        host = self.apps[app]
        lease = host.leases.get(interface)
        if lease is None or str(lease.address) not in host.addresses(interface):
            lease = host.dhcp(interface, request=WISHES.get((app, interface)))
        return lease

    def plug(self) -> str:
        """Switch on app3, the virtual machine, which opens its TAP in ni3; again, if it is on."""
        self.unplug()
        row = self.vif("app3", "ni3")
        app3 = self.apps["app3"]
        assert isinstance(app3, TapApp)
        app3.plug("ni3", row["vif"], mac=row["mac"])
        return "plugged"

    def unplug(self) -> None:
        """Switch app3 off."""
        app3 = self.apps["app3"]
        assert isinstance(app3, TapApp)
        app3.unplug()


def without(text: str, instance: str) -> str:
    """The documents without an instance, the interfaces in it, and the applications that have no other."""
    kept = []
    for document in yaml.safe_load_all(text):
        if document["kind"] == "NetworkInstance" and document["metadata"]["name"] == instance:
            continue
        if document["kind"] == "App":
            spec = document["spec"]
            spec["interfaces"] = [i for i in spec["interfaces"] if i["network"] != instance]
            if not spec["interfaces"]:
                continue
        kept.append(document)
    return str(yaml.safe_dump_all(kept, sort_keys=False))
