"""The daemon under test: started in the device, ready when it says so by sd_notify."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.holder import Holder
from tests.lab.patience import patient
from tests.lab.process import LabError, Process


class DaemonFailed(LabError):
    """The daemon ended or kept silent instead of becoming ready; its log is in the text."""


class Daemon:
    """``python -m netnsmgr daemon`` in the device.  Its log is a file in the lab: read ``log``.

    ``package`` is the directory with the package that it runs; another one counts at the next start.
    """

    def __init__(
        self, holder: Holder, root: Path, arguments: Sequence[str], env: Mapping[str, str], *, number: int = 0
    ) -> None:
        self._holder = holder
        self._argv = [sys.executable, "-m", "netnsmgr", "daemon", *arguments]
        self._notify = f"/run/lab/notify{number}"
        self._env = {"NOTIFY_SOCKET": self._notify, **env}
        self.package = root
        self._log = holder.path(f"/run/lab/log/daemon{number or ''}")
        self.process: Process | None = None

    def start(self, timeout: float = 20.0) -> None:
        """Start it (again) and wait for READY=1; DaemonFailed otherwise."""
        place = self._holder.path(self._notify)
        env = {"PYTHONPATH": str(self.package), **self._env}
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(place))
            self.process = Process(self._holder.enter(), self._argv, env=env, log=self._log)
            self._wait_ready(notify, self.process, timeout)

    def _wait_ready(self, notify: socket.socket, process: Process, timeout: float) -> None:
        deadline = time.monotonic() + patient(timeout)
        gone = os.pidfd_open(process.popen.pid)
        try:
            while (left := deadline - time.monotonic()) > 0:
                readable = select.select([notify.fileno(), gone], [], [], left)[0]
                if notify.fileno() in readable and b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
                if gone in readable:
                    raise DaemonFailed(f"the daemon ended with {process.wait()}\n{self.log}")
        finally:
            os.close(gone)
        process.stop()
        raise DaemonFailed(f"the daemon wasn't ready within {timeout} s\n{self.log}")

    @property
    def pid(self) -> int:
        """The supervisor's process id, as seen from outside the lab."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        return self.process.stop(signal.SIGTERM, timeout)

    def kill9(self) -> None:
        """SIGKILL to the supervisor alone."""
        assert self.process is not None
        self.process.send(signal.SIGKILL)
        self.process.wait()
