"""One agent's process: started by the fork server, watched by a pidfd, started again when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from typing import NamedTuple

import structlog

from netnsmgr.agent.main import main as agent_main
from netnsmgr.agent.rights import Person
from netnsmgr.agent.words import Listener
from netnsmgr.supervisor.fork_server import answering

FIRST_PAUSE = 0.1
LAST_PAUSE = 30.0
CHECKS = 3
"""Within the time that an agent may be silent.  Counted are looks in vain and not seconds: who was stopped himself, or
slept with the machine, has not looked."""
ABORT_SECONDS = 1.0
"""From SIGABRT, at which an agent says where it hangs, to SIGKILL."""
STABLE_SECONDS = 60.0
PRELOAD = ["netnsmgr.agent.preload"]
"""Imported once, by the fork server; agents share its memory until they write to it."""

log = structlog.get_logger()
_fork_server = get_context("forkserver")


def prepare_fork_server() -> None:
    """Have the fork server import what agents need; before the first agent."""
    _fork_server.set_forkserver_preload(PRELOAD)
    # Each child would import the program that its parent was started as, 3 ms for nothing that an agent uses.
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
    # Threads (ZeroMQ has two) get no heaps of their own: 1 MB less in each agent.
    os.environ["MALLOC_ARENA_MAX"] = "1"


class Settings(NamedTuple):
    """What every agent is started with."""

    run_dir: str
    state_dir: str
    log_level: str
    log_format: str
    silence: float = 60.0
    """Seconds without a sign of life, after which an agent is started again."""


class AgentProcess:
    """The process of one agent.

    ``home`` makes its directories and says who it is, before each start; ``changed`` hears of each start and end,
    ``done`` of an end on purpose (status 0).
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        home: Callable[[], Person],
        changed: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        self.name = name
        self.state = "starting"
        self.restarts = 0
        self.cause: str | None = None
        self.since = time.time()
        self.pid: int | None = None
        self._settings = settings
        self._home = home
        self._changed = changed
        self._done = done
        self._process: ForkServerProcess | None = None
        self._pidfd = -1
        self._words: Listener | None = None
        self._pause = FIRST_PAUSE
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._beats = self._missed = 0
        self._said: str | None = None
        self.counters: dict[str, int] = {}
        """What the process has done, as it said last."""

    def start(self) -> None:
        """Fork the agent; needs a few milliseconds."""
        self._timer = None
        try:
            person = self._home()
        except OSError as error:
            self._ended(f"its directories cannot be made: {error}")
            return
        listen, speak = _fork_server.Pipe(duplex=False)
        process = _fork_server.Process(
            target=agent_main, args=(self.name, *self._settings, person, speak), name=self.name, daemon=True
        )
        try:
            with answering(self._settings.silence):
                process.start()
            assert process.pid is not None
            self._pidfd = os.pidfd_open(process.pid)
        except (OSError, EOFError) as error:  # the fork server died this moment, or its child already has
            listen.close()
            self._ended(f"could not be started: {error}")
            return
        finally:
            speak.close()
        self._process, self._words, self.pid = process, Listener(listen), process.pid
        self.state, self.since = "running", time.time()
        self._beats = self._missed = 0
        self._said = None
        asyncio.get_running_loop().add_reader(self._pidfd, self._exited)
        self._changed()

    def stop(self) -> None:
        """End the process and do not start it again.  It owns nothing: what it made stays."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def check(self) -> None:
        """End the process if it has shown no sign of life; to be called ``CHECKS`` times in the time it has."""
        if self._pidfd < 0:
            return
        self._listen()
        self._missed = 0 if self._beats else self._missed + 1
        self._beats = 0
        if self._missed == CHECKS:
            self._said = f"killed: no sign of life for {self._settings.silence:g} s"
            log.error("agent hangs", name=self.name, pid=self.pid)
            signal.pidfd_send_signal(self._pidfd, signal.SIGABRT)
            asyncio.get_running_loop().call_later(ABORT_SECONDS, self._kill, self.pid)

    def _kill(self, pid: int | None) -> None:
        if pid == self.pid and self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _listen(self) -> None:
        """Take in signs of life, and last words."""
        assert self._words is not None
        for said in self._words.heard():
            self._beats += 1
            if isinstance(end := said.get("end"), str):
                self._said = end
            if isinstance(counters := said.get("counters"), dict):
                self.counters = {
                    name: n for name, n in counters.items() if isinstance(n, int) and 0 <= n < 1 << 63
                }

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        process, words = self._process, self._words
        assert process is not None
        assert words is not None
        # The fork server has been told before us, or is dead: its answer does not make us wait.
        process.join(timeout=1)
        code = process.exitcode
        self._listen()
        said = self._said
        words.close()
        if code is not None:  # "close" refuses a process of whose end the fork server has not told
            process.close()
        self._process, self.pid = None, None
        if self._stopped:
            return
        if code == 0:
            self._done()
            return
        if said is None:
            said = (
                f"killed by {signal.Signals(-code).name}"
                if code is not None and code < 0
                else f"exit status {code}"
            )
        self._ended(str(said))

    def _ended(self, cause: str) -> None:
        if time.time() - self.since > STABLE_SECONDS:
            self._pause = FIRST_PAUSE
        self.state, self.cause, self.pid = "backing-off", cause, None
        self.restarts += 1
        log.warning("agent ended", name=self.name, cause=cause, again_in=self._pause)
        self._timer = asyncio.get_running_loop().call_later(self._pause, self.start)
        self._pause = min(self._pause * 2, LAST_PAUSE)
        self._changed()
