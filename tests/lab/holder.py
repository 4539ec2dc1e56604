"""The process that holds the lab's namespaces, and the way into them.

The holder is process 1 of a PID namespace: when it ends, the kernel kills everything inside, whatever it forked,
and with the last process go the mounts and the network namespaces.  It ends when its standard input closes, and
the other end of that pipe is held by the owner alone: so the lab goes also when the owner is killed with SIGKILL.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.patience import patient
from tests.lab.place import Place
from tests.lab.process import LabError, environment, first_child, kill_group

UNSHARE = ("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc")


class Holder(Place):
    """Fresh mount, network, PID and IPC namespaces (and a user namespace where the owner isn't root).

    ``script`` is run by ``sh`` as process 1 and must end in ``hold``, a function that says it is ready and stays.
    """

    PROLOGUE = "hold() { echo lab-is-ready; trap '' CHLD; exec cat >/dev/null 2>&1; }\nset -e\n"

    def __init__(self, script: str) -> None:
        self.rootless = os.geteuid() != 0
        user = ["--user", "--map-root-user"] if self.rootless else []
        # In a session of its own: a Ctrl-C at the terminal must reach the owner, who still wants to read logs.
        self._unshare = subprocess.Popen(
            [*UNSHARE, *user, "sh", "-c", self.PROLOGUE + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )
        self.pid = 0

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Block until ``hold``; LabError with what the script said if it ends before."""
        stdout = self._unshare.stdout
        assert stdout is not None
        said: list[str] = []
        deadline = time.monotonic() + patient(timeout)
        for line in iter(stdout.readline, b""):
            if line == b"lab-is-ready\n":
                self.pid = first_child(self._unshare.pid)
                stdout.close()
                return
            said.append(line.decode(errors="replace"))
            if time.monotonic() > deadline:
                break
        self.close()
        raise LabError("the lab could not be built:\n" + "".join(said))

    def path(self, inside: str | Path) -> Path:
        return Path(f"/proc/{self.pid}/root{inside}")

    def enter(self, netns: str | None = None) -> list[str]:
        user = ["--user", "--preserve-credentials"] if self.rootless else []
        net = "--net" if netns is None else f"--net={self.path(netns)}"
        return ["nsenter", f"--target={self.pid}", *user, "--mount", "--pid", "--ipc", net, "--"]

    def close(self) -> None:
        """End everything inside and wait until it is gone."""
        assert self._unshare.stdin is not None
        try:
            self._unshare.stdin.close()
            if self._unshare.stdout is not None:
                self._unshare.stdout.close()
        except OSError:
            pass
        if self.pid:
            kill(self.pid)
        try:
            self._unshare.wait(5)
        except subprocess.TimeoutExpired:  # the script hasn't got as far as reading its standard input
            kill_group(self._unshare.pid)
            self._unshare.wait()


def kill(pid: int, signals: Sequence[int] = (9,)) -> None:
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
