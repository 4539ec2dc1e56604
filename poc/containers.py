"""The scenario in containers: ``poc/compose.yaml`` is up, and this is the way to its hosts.

``python -m poc.containers prepare`` and ``… wait`` are what ``make poc-up`` does before and after compose.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from poc import wires
from poc.docker import Container, ContainerApp, ContainerTapApp, client, docker, prepare
from poc.scene import APPS, CLOUDS, CONFIGURATION, NotUp, Scene
from tests.lab.host import Host
from tests.lab.process import LabError, Process

#: Their roles say when they serve; "wires" is none of them.
HOSTS = ("gw", "internet", *CLOUDS, "zedbox", *APPS)
CONFIG = "/run/lab/config/zedbox.yaml"


class Containers(Scene):
    """Owns nothing but what it starts: the lab was there before and stays, with the configuration that it was given last."""

    def __init__(self) -> None:
        self._places = {name: Container(name) for name in HOSTS}
        self._zedbox = self._places["zedbox"]

    def __enter__(self) -> Self:
        wait()
        self.end_processes()  # of a run that was cut off
        self.gw, self.internet, self.device = (self._host(name) for name in ("gw", "internet", "zedbox"))
        self.clouds = {name: self._host(name) for name in CLOUDS}
        self.apps = {
            name: (ContainerTapApp if name == "app3" else ContainerApp)(place, self._zedbox)
            for name, place in self._places.items()
            if name in APPS
        }
        for wire in wires.read():
            self._host(wire.near.host).wait_link(wire.near.link)
        if (said := self.publish(CONFIGURATION.read_text().partition("---\n")[0])) != "applied":
            raise LabError(f"the device does not become empty: {said}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_processes()

    def end_processes(self) -> None:
        for place in self._places.values():
            place.end_processes()

    def _host(self, name: str) -> Host:
        return Host(self._places[name], name, None)

    def instance(self, name: str) -> Host:
        return Host(self._zedbox, name, f"/run/netns/{name}")

    def netnsmgr(
        self, *arguments: str, text: str | None = None, timeout: float = 60.0, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return self.device.run(["netnsmgr", *arguments], text=text, timeout=timeout, check=check)

    def publish(self, text: str) -> str:
        """By the file that zedbox follows; and then once more by hand, which waits until all of it is true."""
        file = self._zedbox.path(CONFIG)
        if not file.exists() or file.read_text() != text:
            before = self._heard()
            file.with_suffix(".new").write_text(text)
            file.with_suffix(".new").rename(file)
            # What it read before must not be published after what comes now.
            self.device.eventually(lambda: self._heard() > before, timeout=10.0)
        mock = [self._zedbox.python, "-m", "zedbox_mock", "publish", CONFIG, "--wait", "60"]
        result = self.device.run(mock, timeout=90.0, check=False)
        return "applied" if result.returncode == 0 else (result.stdout + result.stderr).strip()

    def _heard(self) -> int:
        """How often zedbox has said what became of its file."""
        said = self._zedbox.path("/run/lab/log/zedbox").read_text(errors="replace").splitlines()
        return sum(" published " in line or " refused" in line for line in said)

    def sas(self, cloud: str) -> str:
        argv = ["swanctl", "--list-sas", "--uri", "unix:///run/lab/charon.vici"]
        return self.clouds[cloud].run(argv).stdout

    def logs(self) -> Mapping[str, str]:
        logs = {
            f"{name}.{log.name}": log.read_text(errors="replace")
            for name, place in self._places.items()
            for log in place.path("/run/lab/log").glob("*")
        }
        return logs | {f"{name}.docker": docker("logs", name) for name in (*HOSTS, "wires")}


def wait(timeout: float = 60.0) -> None:
    """Wait until every host's role says that it serves; LabError with what it says instead."""
    listed = docker("ps", "--all", "--format", "{{.Names}} {{.State}}").splitlines()
    states = dict(line.split(maxsplit=1) for line in listed)
    if missing := [name for name in (*HOSTS, "wires") if states.get(name) != "running"]:
        said = [f"{name}: {docker('logs', '--tail', '5', name)}" for name in missing if name in states]
        raise NotUp("\n".join([f"these containers do not run: {' '.join(missing)} (make poc-up)", *said]))
    # What a host said before it was started again doesn't count.
    ended = docker("inspect", "--format", "{{.State.FinishedAt}}", *HOSTS).split()
    for name, since in zip(HOSTS, ended, strict=True):
        log = Process(client(), ["logs", "--follow", "--since", since, name])
        try:
            log.wait_line("listening", timeout)
        finally:
            log.popen.kill()
            log.stop()


def main() -> None:
    match sys.argv[1:]:
        case ["prepare"]:
            prepare(HOSTS)
            (Container("zedbox").path(CONFIG)).write_text(CONFIGURATION.read_text())
        case ["wait"]:
            try:
                wait()
            except LabError as failed:
                sys.exit(str(failed))
        case _:
            sys.exit("python -m poc.containers prepare | wait")


if __name__ == "__main__":
    main()
