"""``netnsmgr daemon``: the hub and the supervisor in one event loop, until a signal ends it."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
from sdnotify import SystemdNotifier

from netnsmgr import __version__
from netnsmgr.errors import NetnsmgrError, Problem
from netnsmgr.kernel import modules
from netnsmgr.kernel.watch import MountWatch
from netnsmgr.log import configure
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Store
from netnsmgr.supervisor.agents import CHECKS, Settings, prepare_fork_server
from netnsmgr.supervisor.counting import Counting
from netnsmgr.supervisor.damage import fault, tell_damage
from netnsmgr.supervisor.events import Events
from netnsmgr.supervisor.log_levels import LogLevels
from netnsmgr.supervisor.metrics import exposition
from netnsmgr.supervisor.metrics_server import MetricsServer
from netnsmgr.supervisor.milestones import Milestones
from netnsmgr.supervisor.preview import Preview
from netnsmgr.supervisor.revisions import Revisions
from netnsmgr.supervisor.supervisor import Supervisor
from netnsmgr.supervisor.watchdog import ALIVE, answer, watchdog, watchdog_seconds

REPIN_SECONDS = 0.2
DESCRIPTORS = 65_536

log = structlog.get_logger()


def run(
    run_dir: str,
    state_dir: str,
    *,
    log_level: str,
    log_format: str,
    engine: str,
    agent_timeout: float,
    users: int,
    metrics: str,
) -> int:
    """Run the daemon; 0 when it was told to end, 1 when it could not start.

    ``agent_timeout``: seconds without a sign of life, after which an agent is started again.
    ``metrics``: ADDRESS:PORT at which metrics are shown over TCP, too; empty: nowhere.
    ``engine`` is the path of the container engine's socket, for applications in containers; empty: where one usually is.
    ``users`` is the first of the users that agents are, see ``Homes``.
    """
    configure(log_level, log_format)
    faulthandler.enable()  # systemd's watchdog ends with SIGABRT: where it hung is in the log then
    if os.geteuid() != 0:
        print("netnsmgr daemon: must run as root (it makes network namespaces)", file=sys.stderr)
        return 1
    os.umask(0o022)  # whatever the caller's: helpers that run as other users read what we write
    # 0751: helpers that run as other users reach their own files below; the sockets protect themselves.
    os.makedirs(run_dir, exist_ok=True)
    os.chmod(run_dir, 0o751)  # noqa: S103
    os.makedirs(f"{run_dir}/instances", mode=0o755, exist_ok=True)
    os.makedirs(state_dir, mode=0o755, exist_ok=True)
    # Each agent has two connections here and two addresses of its own: a shell's 1024 end at 200 instances.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, DESCRIPTORS)), hard))
    try:
        # Two daemons in one namespace would take each other's links, rules and tables for their own strays.  An
        # abstract address exists once in a network namespace, and goes with its process.
        with socket.socket(socket.AF_UNIX) as only_one:
            try:
                only_one.bind("\0netnsmgr")
            except OSError:
                raise NetnsmgrError(
                    "another netnsmgr daemon runs in this network namespace; end it first"
                ) from None
            settings = Settings(run_dir, state_dir, log_level, log_format, agent_timeout)
            asyncio.run(_serve(settings, engine, users, metrics))
    except NetnsmgrError as error:
        print(f"netnsmgr daemon: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, engine: str, users: int, metrics: str) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, ended.set)
    if reason := modules.bridge_filter():
        log.warning("access lists need the kernel module br_netfilter", reason=reason)
    prepare_fork_server()
    supervisor: Supervisor | None = None

    async def validate(changes: Sequence[Change]) -> list[Problem]:
        assert supervisor is not None
        return await supervisor.validate(changes)

    def agent_of(user: int) -> str | None:
        # Before that nobody but root may anything: whoever comes back may be of an instance.
        return supervisor.agent_of(user) if supervisor is not None else None if user == 0 else ""

    store = Store(settings.state_dir, fault)
    async with (
        Hub(settings.run_dir, store, validate=validate, agent_of=agent_of) as hub,
        AsyncExitStack() as stack,
    ):
        events = Events(hub, settings.state_dir)
        hub.on_change(events.on_row)
        hub.on_change(Milestones(events.tell).on_row)
        events.tell("Daemon", "Started", f"netnsmgr {__version__} started", type="Normal")
        supervisor = Supervisor(hub, settings, engine, users)
        hub.on_config(supervisor.apply)
        tell_damage(hub, store, events)
        hub.on_change(supervisor.on_row)
        hub.serve("plan", Preview(hub, supervisor).plan)
        hub.serve("revisions", supervisor.revisions)
        hub.serve("log-level", LogLevels(hub, supervisor).answer)
        hub.serve(ALIVE, answer)
        revisions = Revisions(hub.transactions, events.tell)
        hub.transactions.settled = supervisor.settled
        for call in (revisions.confirm, revisions.rollback, revisions.history, revisions.revision):
            hub.serve(call.__name__, call)
        counting = Counting(hub, supervisor)
        hub.on_change(counting.on_row)
        events.heard.append(counting.on_event)
        await stack.enter_async_context(
            MetricsServer(settings.run_dir, lambda: exposition(counting.seen()), metrics)
        )
        supervisor.apply(hub.revision)
        pinning, soon = supervisor, False

        def repin() -> None:
            nonlocal soon
            soon = False
            for name in pinning.repin():
                message = f"namespace {name} had lost its name below /run/netns; repaired"
                events.tell(f"NetworkInstance/{name}", "Drift", message, found={"item": f"netns/{name}"})

        def repin_soon() -> None:
            # Once for many mounts; and "ip netns del" takes the mount away first and then the file, which must not be
            # mounted again meanwhile.
            nonlocal soon
            if not soon:
                soon = True
                loop.call_later(REPIN_SECONDS, repin)

        mounts = MountWatch(repin_soon)
        mounts.enable(True)
        tasks = [asyncio.create_task(_check(supervisor))]
        notifier = SystemdNotifier()
        if (seconds := watchdog_seconds()) is not None:
            tasks.append(asyncio.create_task(watchdog(settings.run_dir, seconds, notifier.notify)))
        notifier.notify("READY=1")
        log.info("ready", version=__version__, run_dir=settings.run_dir, state_dir=settings.state_dir)
        await ended.wait()
        notifier.notify("STOPPING=1")
        events.tell("Daemon", "Stopping", "the daemon ends; the network goes on", type="Normal")
        log.info("ending; the network goes on")
        mounts.enable(False)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        supervisor.stop()


async def _check(supervisor: Supervisor) -> None:
    while True:
        await asyncio.sleep(supervisor.settings.silence / CHECKS)
        supervisor.check()
