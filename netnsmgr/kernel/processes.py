"""Helper programs: started so that they survive us, and found again by their argument vectors."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from netnsmgr.errors import KernelError
from netnsmgr.items.process import Rights
from netnsmgr.items.system import ProcessInfo
from netnsmgr.kernel import reach
from netnsmgr.kernel.helper import confined
from netnsmgr.kernel.listening import listening
from netnsmgr.kernel.proc import argv_of, former_users, has_ended, helpers, named, parent, pattern_of

RUN_SECONDS = 20.0
STOP_SECONDS = 5.0
NOTHING = Rights()
BRIEF = 0.5  # a helper that stays and ends sooner has failed
NOTIFY = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")  # sd_notify(3): the daemon's own


class Helper(NamedTuple):
    """A process in view.  Its pidfd says whether it lives: ``cmdline`` is also empty while a program is being started."""

    pid: int
    pidfd: int
    argv: tuple[str, ...]


class KernelProcesses:
    """See ``items.system.Processes``.

    A helper is ours when it has our user, which nobody else on the device has, and its argument vector names a file below
    ``etc`` that is tagged with our namespace's inode.  (``/proc/<pid>/ns/net`` of one that holds other capabilities may be
    read only with CAP_SYS_PTRACE, which would let an agent into every process of the machine; ``cmdline`` is free to read.)
    Where agents have no users of their own, as root of a user namespace, the rest keeps strangers out.
    ``changed`` is called when a helper has ended.
    """

    def __init__(self, etc: str, inode: int, changed: Callable[[], None], *, fresh: bool) -> None:
        self._etc = etc
        self._inode = inode
        self._changed = changed
        self._pattern = pattern_of(etc, inode)
        self._known: dict[str, Helper] = {}
        self._started: dict[str, float] = {}  # helpers that stay; infinite if that failed
        self._lingering: dict[int, tuple[asyncio.TimerHandle, int]] = {}  # by pidfd
        if not fresh:
            # Only a restarted agent looks through all of /proc; in a new namespace nobody can be running yet.
            self._search()

    def running(self) -> Sequence[ProcessInfo]:
        found = []
        for name, helper in list(self._known.items()):
            if has_ended(helper.pidfd):
                self._lose(name)
            else:
                found.append(ProcessInfo(name, helper.pid, helper.argv))
        return found

    def require(self, program: str) -> None:
        """Raise ``KernelError`` when a program is not installed."""
        if shutil.which(program) is None:
            raise KernelError(_not_installed(program))

    async def start(
        self,
        name: str,
        argv: Sequence[str],
        rights: Rights = NOTHING,
        *,
        stays: bool = False,
        executable: str = "",
        env: Sequence[tuple[str, str]] = (),
    ) -> None:
        if any(info.name == name and info.argv == tuple(argv) for info in self.running()):
            return
        if self._takes_up(argv):
            return
        if stays:
            again, self._started[name] = self._started.get(name, 0.0) > time.monotonic() - BRIEF, math.inf
            spawn = functools.partial(self._spawn, argv, rights=rights, executable=executable, env=env)
            process = await (
                self._watched(spawn, executable or argv[0]) if again else spawn(subprocess.DEVNULL)
            )
            self._started[name] = time.monotonic()
            # The kernel lets us go on before it has given the new program its vector.
            if not self._adopt(process.pid, tuple(argv)):
                raise KernelError(f"{executable or argv[0]} ended right after its start")
            return
        pidfile = f"{rights.writes[0] if rights.writes else os.path.dirname(self._etc)}/{name}.pid"
        with suppress(FileNotFoundError):
            os.unlink(pidfile)
        await self.run(argv, rights)
        try:
            with open(pidfile, encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError) as error:
            raise KernelError(f"{argv[0]} left no process id in {pidfile}") from error
        if not self._adopt(pid):
            raise KernelError(f"{argv[0]} ended right after its start")

    async def _watched(
        self, spawn: Callable[..., Awaitable[asyncio.subprocess.Process]], program: str
    ) -> asyncio.subprocess.Process:
        """Start a helper whose last start failed; ``KernelError`` with its words if this one fails too."""
        with open(os.memfd_create("errors"), "r+b") as errors:
            # wireguard-go says what is wrong where others say what is right.
            process = await spawn(errors.fileno(), output=errors.fileno())
            with suppress(TimeoutError):
                status = await asyncio.wait_for(process.wait(), BRIEF)
                words = os.pread(errors.fileno(), 4096, 0).decode(errors="replace").strip()
                raise KernelError(f"{program}: {words or f'exit status {status}'}")
            return process

    async def stop(self, name: str, *, linger: float = 0.0) -> None:
        """End a helper and wait for it; one that lingers is forgotten now and ended later, or when we end."""
        helper = self._known.get(name)
        self._started.pop(name, None)
        if helper is None:
            return
        if linger:
            pidfd = os.dup(helper.pidfd)
            timer = asyncio.get_running_loop().call_later(linger, self._end_lingering, pidfd)
            self._lingering[pidfd] = timer, helper.pid
            self._lose(name)
            return
        ended = asyncio.Event()
        pidfd = os.dup(helper.pidfd)  # the other one is watched already, and closed when the helper ends
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, ended.set)
        try:
            for signum in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signum)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), STOP_SECONDS)
                    break
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        self._lose(name)

    def _end_lingering(self, pidfd: int) -> None:
        timer, _ = self._lingering.pop(pidfd)
        timer.cancel()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        os.close(pidfd)

    def _takes_up(self, argv: Sequence[str]) -> bool:
        """Adopt one that lingers and is wanted again: a second one could not have its address."""
        for pidfd, (timer, pid) in self._lingering.items():
            if argv_of(pid) == tuple(argv):
                timer.cancel()
                del self._lingering[pidfd]
                os.close(pidfd)
                return self._adopt(pid)
        return False

    def close(self) -> None:
        """End those that linger: an instance that is deleted does not wait for them."""
        for pidfd in list(self._lingering):
            self._end_lingering(pidfd)

    def signal(self, name: str, signum: int) -> None:
        helper = self._known.get(name)
        if helper is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(helper.pidfd, signum)

    async def run(self, argv: Sequence[str], rights: Rights = NOTHING) -> None:
        """Run a program to its end; raises ``KernelError`` with its words when it fails or is not installed."""
        process = await self._spawn(argv, subprocess.PIPE, rights=rights)
        try:
            _, errors = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
        except TimeoutError:
            process.kill()
            raise KernelError(f"{argv[0]} did not end within {RUN_SECONDS:g} s") from None
        if process.returncode != 0:
            words = errors.decode(errors="replace").strip() or f"exit status {process.returncode}"
            raise KernelError(f"{argv[0]}: {words}")

    def _search(self) -> None:
        """Adopt what runs already: of a parent and its children with one vector (dnsmasq forks for TCP) the parent."""
        found: dict[str, set[int]] = {}
        for pid, name in helpers(self._pattern, {os.geteuid()}):
            found.setdefault(name, set()).add(pid)
        for family in found.values():
            for pid in family:
                if parent(pid) not in family:
                    self._adopt(pid)

    async def _spawn(
        self,
        argv: Sequence[str],
        errors: int,
        rights: Rights,
        executable: str = "",
        env: Sequence[tuple[str, str]] = (),
        output: int = subprocess.DEVNULL,
        fds: Sequence[int] = (),
    ) -> asyncio.subprocess.Process:
        if rights.writes:
            os.makedirs(rights.writes[0], mode=0o700, exist_ok=True)
        if rights.listens is not None:
            with listening(rights.listens) as door:
                named = (*env, (rights.listens.variable, str(door)))
                given = replace(rights, listens=None)
                return await self._spawn(argv, errors, given, executable, named, output, (door,))
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                preexec_fn=confined(executable or argv[0], rights),
                executable=shutil.which(executable) or executable if executable else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                pass_fds=(*fds, *(reach.descriptors() if rights.python else ())),
                env={name: value for name, value in os.environ.items() if name not in NOTIFY} | dict(env),
            )
        except FileNotFoundError as error:
            raise KernelError(_not_installed(executable or argv[0])) from error
        except (PermissionError, subprocess.SubprocessError) as error:
            raise KernelError(f"{executable or argv[0]}: {error}") from error

    def _adopt(self, pid: int, argv: tuple[str, ...] | None = None) -> bool:
        """Keep a helper in view; false if it has ended or is none of ours.  Its vector is read unless it is given."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        argv = argv or argv_of(pid) or ()
        name = named(argv, self._pattern)
        if name is None or has_ended(pidfd):
            os.close(pidfd)
            return False
        self._lose(name)
        self._known[name] = Helper(pid, pidfd, argv)
        with suppress(RuntimeError):  # no loop: a one-off look from outside
            asyncio.get_running_loop().add_reader(pidfd, self._ended, name)
        return True

    def _ended(self, name: str) -> None:
        self._lose(name)
        self._changed()

    def _lose(self, name: str) -> None:
        helper = self._known.pop(name, None)
        if helper is not None:
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(helper.pidfd)
            os.close(helper.pidfd)


def _not_installed(program: str) -> str:
    return f"{program} is not installed (netnsmgr doctor says how to get it)"


def end_all(etc: str, inode: int, user: int | None) -> None:
    """Kill the helpers of a namespace, and wait until they are gone: with the last goes one that has lost its name.

    ``user`` is who they are, and those of former versions go, too.  As root.  Not by SIGTERM: radvd would tell hosts to leave.
    """
    for pid, _ in helpers(pattern_of(etc, inode), former_users() | {user or os.geteuid()}):
        with suppress(ProcessLookupError):
            pidfd = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], STOP_SECONDS)
            finally:
                os.close(pidfd)
