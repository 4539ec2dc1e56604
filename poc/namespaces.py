"""The scenario in plain namespaces of one machine: no docker, nothing installed, nothing left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import yaml

from poc.scene import APPS, CLOUDS, Scene
from tests.lab import Lab
from tests.lab.app import AppHost
from tests.lab.cloud import BEHIND, Cloud
from tests.lab.host import Host

PORTS = ("eth0", "eth1", "eth2", "eth3")
SECRETS = "/etc/netnsmgr/secrets"
SWANCTL = """\
connections {{
  device {{
    version = 2
    local_addrs = {address}
    remote_addrs = %any
    encap = yes
    local {{
      auth = psk
    }}
    remote {{
      auth = psk
    }}
    children {{
      net {{
        local_ts = 192.168.0.0/24
        remote_ts = 10.10.10.0/24
      }}
    }}
  }}
}}
secrets {{
  ike-device {{
    secret = "{psk}"
  }}
}}
"""


class Namespaces(Scene):
    """Owns a ``Lab`` with the scenario's site, and the daemon in it."""

    def __init__(self) -> None:
        self.lab = Lab(PORTS, dhcp_ports=PORTS[-1:])

    def __enter__(self) -> Self:
        self.lab.__enter__()
        try:
            self._build()
        except BaseException as error:
            self.lab.__exit__(type(error), error, None)
            raise
        return self

    def _build(self) -> None:
        lab = self.lab
        self.device, self.gw, self.internet = lab.device, lab.gw, lab.internet
        clouds = {name: Cloud(lab.holder, lab.gw, name) for name in CLOUDS}
        lab.path(SECRETS).mkdir(mode=0o700, parents=True)
        for name, cloud in clouds.items():
            psk = f"the secret of {name}"
            lab.path(f"{SECRETS}/{name}.psk").write_text(psk)
            lab.path(f"{SECRETS}/{name}.psk").chmod(0o600)
            cloud.charon(SWANCTL.format(address=cloud.address, behind=BEHIND, psk=psk))
        self.clouds = clouds
        self.apps: Mapping[str, AppHost] = {
            name: lab.tap_app(name) if name == "app3" else lab.app(name) for name in APPS
        }
        self._servers = [
            app.serve_http(address="0.0.0.0") for app in self.apps.values() if app.name != "app6"
        ]
        lab.daemon()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lab.__exit__(kind, error, trace)

    def instance(self, name: str) -> Host:
        return self.lab.instance(name)

    def netnsmgr(
        self, *arguments: str, text: str | None = None, timeout: float = 60.0, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return self.lab.netnsmgr(*arguments, text=text, timeout=timeout, check=check)

    def publish(self, text: str) -> str:
        result = self.netnsmgr(
            "apply", "-f", "-", "--prune", "--timeout", "60s", text=as_yet(text), timeout=90
        )
        return "applied" if result.returncode == 0 else (result.stdout + result.stderr).strip()

    def logs(self) -> Mapping[str, str]:
        return {log.name: log.read_text(errors="replace") for log in self.lab.path("/run/lab/log").glob("*")}


def as_yet(text: str) -> str:
    """The documents in the words that are understood until containers are."""
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        spec = document["spec"]
        if container := spec.get("attach", {}).get("container"):
            spec["attach"] = {"netns": container}
    return str(yaml.safe_dump_all(documents, sort_keys=False))
