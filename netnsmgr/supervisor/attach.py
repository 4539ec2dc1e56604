"""Namespaces of processes to which applications are attached by process id.

The supervisor pins such a namespace below ``attach/`` in the run directory, where the agents find it as a file: an
agent itself may not look into processes that have more capabilities than it has.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import structlog

from netnsmgr.errors import KernelError
from netnsmgr.kernel import namespace

RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Attachments:
    """Owns ``<run dir>/attach``: one pin ``pid-<n>`` for each process that lives."""

    def __init__(self, run_dir: str) -> None:
        self._directory = Path(run_dir, "attach")
        self._directory.mkdir(mode=0o755, exist_ok=True)
        self._pidfds: dict[int, int] = {}
        self._wanted: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        for left in self._directory.iterdir():
            # Whether the process is still the same one is not known: a veth in its namespace stays either way.
            namespace.unpin(str(left))

    def want(self, pids: Iterable[int]) -> None:
        """Pin the namespaces of these processes, and of no others."""
        self._wanted = set(pids)
        for pid in self._pidfds.keys() - self._wanted:
            self._unpin(pid)
        self._try()

    def _try(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        for pid in self._wanted - self._pidfds.keys():
            self._pin(pid)
        if self._wanted - self._pidfds.keys() and self._timer is None:
            # The kernel tells nobody that a process with a certain id has appeared.
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._try)

    def _pin(self, pid: int) -> None:
        path = self._directory / f"pid-{pid}"
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            path.touch(mode=0o444)
            namespace.bind(f"/proc/{pid}/ns/net", str(path))
            if namespace.inode(str(path)) == namespace.inode():
                # Its interface would be one of the device, beside all the rules for instances.
                raise KernelError("it lives in the device's own network namespace")
        except (KernelError, OSError) as error:
            log.warning("cannot attach to a process", pid=pid, error=str(error))
            namespace.unpin(str(path))
            os.close(pidfd)
            return
        self._pidfds[pid] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._unpin, pid)

    def _unpin(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        namespace.unpin(str(self._directory / f"pid-{pid}"))
        if pid in self._wanted and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._try)
