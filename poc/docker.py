"""A container as a place of the lab: its programs run by ``docker exec``, with no more privileges than the container has.

/run/lab of each is a directory of this machine's, below build/poc/hosts.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from poc.scene import ROOT, NotUp
from tests.lab.app import AppHost
from tests.lab.host import Capture, Host
from tests.lab.patience import patient
from tests.lab.place import Place
from tests.lab.process import CommandFailed, LabError, Process, run
from tests.lab.tap import TapApp

FILES = ROOT / "build" / "poc" / "hosts"
#: Where /opt/netnsmgr of the image has what is here below the root of the repository.
INSIDE = Path("/opt/netnsmgr")
#: In the environment of what is started here: which file has its process id.
MARK = "LAB_PROCESS"
#: Programs of the lab are not told of the machine's engine otherwise.
HERE = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if os.environ.get("DOCKER_HOST") else {}


@cache
def client() -> list[str]:
    """The start of docker's command line, for the engine of the lab; NotUp where there is none."""
    try:
        found = run([], [str(ROOT / "poc" / "engine.sh")], timeout=20.0, check=True, text=None, env=HERE)
    except CommandFailed as failed:
        raise NotUp(failed.result.stderr.strip()) from None
    return ["docker", "--host", found.stdout.strip()]


def docker(*arguments: str, timeout: float = 30.0, check: bool = True) -> str:
    """What docker's command line says; CommandFailed unless it ends with 0 (or ``check`` is off)."""
    result = run(client(), arguments, timeout=timeout, check=check, text=None, env=None)
    return result.stdout


class Container(Place):
    """One container of the lab that runs."""

    python = "python3"

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[ContainerProcess] = []

    def script(self, file: Path) -> str:
        return str(INSIDE / file.relative_to(ROOT))

    def path(self, inside: str | Path) -> Path:
        try:
            return FILES / self.name / Path(inside).relative_to("/run/lab")
        except ValueError:
            raise LabError(f"{inside} of {self.name} is not seen from outside: only /run/lab is") from None

    def enter(self, netns: str | None = None) -> list[str]:
        prefix = [*client(), "exec", "--interactive", self.name]
        return prefix if netns is None else [*prefix, "nsenter", f"--net={netns}", "--"]

    def run(
        self,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        timeout: float = 10.0,
        check: bool = True,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return run([*prefix, *environment(env)], argv, timeout=timeout, check=check, text=text, env=None)

    def start(
        self,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Process:
        process = ContainerProcess(self, prefix, argv, env=env, log=log)
        self._processes.append(process)
        return process

    @property
    def sandbox(self) -> str:
        """Where the engine has pinned its network namespace."""
        return docker("inspect", "--format", "{{.NetworkSettings.SandboxKey}}", self.name).strip()

    def end_processes(self) -> None:
        """End what was started here and not stopped, also by a run that was cut off."""
        for process in self._processes:
            if process.running:
                process.popen.kill()
                process.popen.wait()
        self._processes.clear()
        left = list(self.path("/run/lab/pids").glob("*"))
        if left:
            script = f"""
                for environ in /proc/[0-9]*/environ; do
                    ! grep -qz '^{MARK}=' "$environ" 2>/dev/null || kill -KILL "$(basename "$(dirname "$environ")")"
                done"""
            self.run(self.enter(), ["sh", "-c", script], check=False)
            for file in left:
                file.unlink(missing_ok=True)


class ContainerProcess(Process):
    """A program in a container.  The client on the outside knows nothing of signals; they go by another ``docker exec``."""

    def __init__(
        self,
        container: Container,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self._container = container
        name = f"/run/lab/pids/{uuid.uuid4().hex}"
        self._file = container.path(name)
        # "exec" keeps the process id that the shell has written down.
        shell = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', name]
        super().__init__([*prefix, *environment({MARK: name, **(env or {})}), *shell], argv, log=log)
        self.argv = list(argv)

    @property
    def pid(self) -> int:
        """The program's process id in its container (0: it is gone)."""
        deadline = time.monotonic() + patient(5.0)
        while self.running:
            if self._file.exists() and (text := self._file.read_text().strip()):
                return int(text)
            if time.monotonic() > deadline:
                raise LabError(f"{' '.join(self.argv)!r} has not begun in {self._container.name}")
            time.sleep(0.01)
        return 0

    @property
    def asleep(self) -> bool:
        shown = self._command("cat", f"/proc/{self.pid}/stat")
        return not shown or shown.rpartition(")")[2].split()[0] == "S"

    def send(self, number: int) -> None:
        if pid := self.pid:
            self._command("kill", f"-{int(number)}", str(pid))

    def wait(self, timeout: float = 10.0) -> int:
        code = super().wait(timeout)
        self._file.unlink(missing_ok=True)
        return code

    def _command(self, *argv: str) -> str:
        return self._container.run(self._container.enter(), argv, check=False).stdout


class ContainerApp(AppHost):
    """An application in a container of its own, which is there already."""

    def __init__(self, place: Container, device: Container) -> None:
        # Not AppHost's, which makes a namespace.
        Host.__init__(self, place, place.name, None)
        self.leases = {}
        self._place, self._device = place, device
        self.run(["sh", "-c", ": >/etc/resolv.conf"])

    def enter(self) -> list[str]:
        return self.holder.enter()

    def capture(self, interface: str = "any", expression: str = "") -> Capture:
        # By the device: tcpdump changes its user, and that of its file, which is more than an application may.
        return Host(self._device, self.name, self._place.sandbox).capture(interface, expression)

    def remove(self) -> None:
        docker("stop", self.name)


class ContainerTapApp(ContainerApp, TapApp):
    """The virtual machine's stand-in: the device's container carries frames between the TAP and this one's namespace."""

    def _hypervisor(self) -> tuple[Place, str]:
        return self._device, self._place.sandbox


def environment(extra: Mapping[str, str] | None) -> list[str]:
    """The start of a command line that gives its rest this environment."""
    return ["env", *(f"{name}={value}" for name, value in extra.items())] if extra else []


def prepare(names: Iterable[str]) -> None:
    """Make the directories that hosts share with this machine; whoever is root there, anybody may clean up here."""
    for name in names:
        for place in (FILES / name / folder for folder in ("", "log", "leases", "pids", "config")):
            place.mkdir(parents=True, exist_ok=True)
            if place.stat().st_uid == os.getuid():
                place.chmod(0o777)
