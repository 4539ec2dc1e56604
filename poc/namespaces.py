"""The scenario in plain namespaces of one machine: no docker, nothing installed, nothing left behind."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from poc import wires
from poc.scene import APPS, CLOUDS, ROOT, Scene
from tests.lab import Lab
from tests.lab.host import Host
from tests.lab.patience import patient
from tests.lab.site import Site

PORTS = ("eth0", "eth1", "eth2", "eth3")
ROLES = ROOT / "poc" / "site"
SECRETS = "/etc/netnsmgr/secrets"
#: Where the network namespaces of hosts are pinned in the lab; ip netns shows the device its applications only.
HOSTS = {name: f"/run/lab/{name}" for name in ("gw", "internet", *CLOUDS)} | {
    name: f"/run/netns/{name}" for name in APPS
}


class ScenarioSite(Site):
    """The site as it is in docker, too: hosts that are wired by ``poc/wires`` and do what their roles say (``poc/site``)."""

    def _network(self) -> str:
        made = wires.read()
        # "1" is the lab's first process, in the device's namespace.
        netns = {"zedbox": "1", **HOSTS}
        lines: dict[str, list[str]] = {}
        for wire in made:
            for end in (wire.near, wire.far):
                lines.setdefault(end.host, []).extend(end.lines())
        batches = [("", [wire.line(netns) for wire in made] + ["link set lo up"])]
        batches += [(f"nsenter --net={HOSTS[host]} ", said) for host, said in lines.items() if said]
        return "\n".join(
            (
                *(f": >{netns}; unshare --net={netns} true" for netns in HOSTS.values()),
                *(f"{enter}ip -batch - <<E\n" + "\n".join(said) + "\nE" for enter, said in batches),
                *(self._role(host) for host in HOSTS),
            )
        )

    def _role(self, host: str) -> str:
        role = ROLES / next(name for name in ("gw", "internet", "cloud", "app") if host.startswith(name))
        log = f"/run/lab/log/{host}"
        return f"""\
[ -p /run/lab/said ] || mkfifo /run/lab/said
{{
    LAB_HOST={host} LAB=/run/lab/{host}.d nsenter --net={HOSTS[host]} {shlex.quote(str(role))} 2>{log} || cat {log}
}} >/run/lab/said &"""

    def _services(self) -> str:
        return f"""\
for _ in {" ".join(HOSTS)}; do
    read -r answer
    [ "$answer" = listening ] || {{ echo "a role of the site says: $answer"; exit 1; }}
done </run/lab/said"""


class Namespaces(Scene):
    """Owns a ``Lab`` with the scenario's site, and the daemon in it."""

    def __init__(self) -> None:
        self.lab = Lab(PORTS, site=ScenarioSite)

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
        engine = lab.engine()
        self.clouds = {name: Host(lab.holder, name, HOSTS[name]) for name in CLOUDS}
        self.apps = {name: lab.tap_app(name) if name == "app3" else engine.run(name) for name in APPS}
        lab.path(SECRETS).mkdir(mode=0o700, parents=True)
        for name in CLOUDS:
            secret = lab.path(f"{SECRETS}/{name}.psk")
            secret.write_text(f"the secret of {name}")
            secret.chmod(0o600)
        # In the virtual machine of another kernel, beside all hosts of the site that begin at the same time.
        lab.daemon("--log-level", "debug", timeout=60.0)

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
        mock = [sys.executable, "-m", "zedbox_mock", "publish", "-", "--wait", f"{patient(60):.0f}"]
        result = self.device.run(mock, text=text, timeout=90.0, check=False, env={"PYTHONPATH": str(ROOT)})
        return "applied" if result.returncode == 0 else (result.stdout + result.stderr).strip()

    def sas(self, cloud: str) -> str:
        uri = f"unix:///run/lab/{cloud}.d/charon.vici"
        return self.clouds[cloud].run(["swanctl", "--list-sas", "--uri", uri]).stdout

    def logs(self) -> Mapping[str, str]:
        run = self.lab.path("/run/lab")
        logs = {log.name: log for pattern in ("log/*", "*.d/log/*") for log in run.glob(pattern)}
        return {name: text for name, log in logs.items() if (text := log.read_text(errors="replace"))}
