"""Namespaces of processes and containers to which applications are attached.

The supervisor pins such a namespace below ``attach/`` in the run directory, where the agents find it as a file: an
agent itself may not look into processes that have more capabilities than it has, and asks no container engine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from netnsmgr.errors import KernelError
from netnsmgr.kernel import namespace

if TYPE_CHECKING:
    from netnsmgr.supervisor.containers import Containers

RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Attachments:
    """Owns ``<run dir>/attach``: one pin ``pid-<n>`` for each process that lives; for containers see ``Containers``.

    ``engine`` is the path of the container engine's socket (empty: where one usually is), ``changed`` hears of each
    container of which there is something else to say than before.
    """

    def __init__(
        self, run_dir: str, engine: str = "", changed: Callable[[str], object] = lambda _: None
    ) -> None:
        self._directory = Path(run_dir, "attach")
        self._directory.mkdir(mode=0o755, exist_ok=True)
        self._pidfds: dict[int, int] = {}
        self._wanted: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._engine = engine
        self._changed = changed
        self._containers: Containers | None = None
        for left in self._directory.glob("pid-*"):
            # Whether the process is still the same one is not known: a veth in its namespace stays either way.
            namespace.unpin(str(left))

    def want(self, pids: Iterable[int]) -> None:
        """Pin the namespaces of these processes, and of no others."""
        self._wanted = set(pids)
        for pid in self._pidfds.keys() - self._wanted:
            self._unpin(pid)
        self._try()

    def want_containers(self, names: Iterable[str], *, keep: bool = False) -> None:
        """Pin the namespaces of these containers while they run; ``keep``: and of those that are pinned already."""
        wanted = set(names)
        if self._containers is None:
            if not wanted and not any(self._directory.glob("container-*")):
                return
            # Here and not above: who has no containers pays for no HTTP.
            from netnsmgr.supervisor.containers import Containers

            self._containers = Containers(self._directory, self._engine, self._changed)
        self._containers.want(wanted | self._containers.pinned() if keep else wanted)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why containers that are wanted have no pin, in words."""
        return self._containers.reasons if self._containers is not None else {}

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
