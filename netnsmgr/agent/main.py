"""An agent's first steps after the fork: into its namespace, away with the privileges, and to work."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import structlog

from netnsmgr.agent.agent import Agent
from netnsmgr.agent.instance import InstanceRole
from netnsmgr.agent.pulse import Pulse
from netnsmgr.agent.rights import Person, give_up
from netnsmgr.agent.uplink import UplinkRole
from netnsmgr.agent.words import say
from netnsmgr.errors import KernelError
from netnsmgr.features.rows import etc_dir, given_dir, lease_file, secrets_dir
from netnsmgr.kernel import namespace
from netnsmgr.kernel.far_links import FarWatch
from netnsmgr.kernel.moves import borrows
from netnsmgr.kernel.port_key import port_key
from netnsmgr.kernel.processes import end_all
from netnsmgr.kernel.secrets import borrow
from netnsmgr.kernel.system import KernelSystem
from netnsmgr.kernel.watch import DirectoryWatch
from netnsmgr.log import configure
from netnsmgr.pubsub.client import AsyncClient

UPLINK = "uplink"
"""Name of the agent of the device's root namespace; no instance may be called so."""

fork_server = 0
"""Process id of the fork server, which sets it; its children have it."""

log = structlog.get_logger()


def main(
    name: str,
    run_dir: str,
    state_dir: str,
    log_level: str,
    log_format: str,
    silence: float,
    person: Person,
    last_words: Connection,
) -> None:
    """Run the agent called ``name`` in a process of its own; never returns before its work is done.

    It begins as root and becomes ``person``, whose directories the supervisor has made.  What ends it too early is sent to
    the supervisor through ``last_words``, and from time to time a sign of life: ``silence`` seconds without one are taken
    for its end.
    """
    faulthandler.enable()  # who is ended by SIGABRT, because it hangs, says where
    namespace.die_with_parent(signal.SIGKILL)
    if fork_server not in (0, os.getppid()):
        return  # it was killed before we had asked to die with it, and nobody else would end us
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ctrl-C reaches the whole foreground group; the supervisor decides when an agent ends, and it kills:
        # an agent owns nothing that could be lost.
        # By a function and not SIG_IGN: that one helpers would inherit, and a shell could not undo it.
        signal.signal(signum, _nothing)
    gc.enable()
    gc.set_threshold(20_000, 20, 20)  # an agent makes no cycles to speak of; looking for them costs more
    configure(log_level, log_format)
    structlog.contextvars.bind_contextvars(agent=name)
    namespace.rename_process(f"netnsmgr:{name}")
    directory = f"{run_dir}/instances/{name}"
    try:
        # Kept: ports that are here for a while go back there.
        home = namespace.open_own()
        key = port_key(state_dir)
        fresh = False if name == UPLINK else _enter(name, run_dir, key, person.user)
        far = FarWatch() if name == UPLINK else None
        own = directory, os.path.dirname(lease_file(state_dir, name)), secrets_dir(state_dir, name)
        give_up(person, own, fork_server)
        borrow(f"{given_dir(run_dir, name)}/secrets")
        work = _work(
            name, run_dir, state_dir, directory, key, last_words, silence, fresh=fresh, home=home, far=far
        )
        asyncio.run(work)
    except Exception as error:
        log.exception("agent ends")
        say(
            last_words,
            end=f"{type(error).__name__}: {error}" if not isinstance(error, KernelError) else str(error),
        )
        raise SystemExit(1) from error


def _nothing(_signum: int, _frame: object) -> None:
    return


def _enter(name: str, run_dir: str, key: bytes, user: int | None) -> bool:
    """Enter the instance's namespace, made now if need be; true if it was made now.

    The file ``netns/<name>`` in the run directory holds the inode of the namespace that we made, so that one of the same
    name that somebody else made is never taken for ours; unless a port of the device is in it that has a record of ours.
    """
    mark = Path(run_dir, "netns", name)
    pin = namespace.pin_path(name)
    found = namespace.inode(pin)
    ours = mark.read_text(encoding="ascii") if mark.exists() else ""
    if found is not None and str(found) == ours:
        namespace.enter(pin)
        return False
    if found is not None:
        namespace.enter(pin)
        if borrows(name, key):
            # The run directory is gone, but not what is in the namespace: a port of the device, which would go with it.
            mark.write_text(str(found), encoding="ascii")
            return False
        raise KernelError(
            f"a network namespace {name} exists already and is not netnsmgr's: give the instance another name, "
            f"or remove the namespace (ip netns del {name})"
        )
    if ours.isdigit():
        # It was deleted while nobody looked, but lives on as long as its helpers do, and its links are in the way.
        end_all(etc_dir(run_dir, name), int(ours), user)
    namespace.create_and_enter(name, lambda inode: mark.write_text(str(inode), encoding="ascii"))
    return True


async def _work(
    name: str,
    run_dir: str,
    state_dir: str,
    directory: str,
    key: bytes,
    words: Connection,
    silence: float,
    *,
    fresh: bool,
    home: int,
    far: FarWatch | None,
) -> None:
    # The default watcher starts a thread for each child; this one waits for a pidfd.
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    async with AsyncClient(given_dir(run_dir, name), f"agent:{name}") as client:
        role: UplinkRole | InstanceRole
        if name == UPLINK:
            role = UplinkRole(run_dir, state_dir, far)
            agent = Agent(name, role, client)
            role.changed(agent.wake)
            system = KernelSystem(directory, agent.wake, owns_namespace=False, fresh=fresh, port_key=key)
        else:
            role = InstanceRole(name, run_dir, state_dir)
            agent = Agent(name, role, client)
            role.learning.changed, role.learning.limits.tell = agent.wake, agent.events.tell
            role.vpn.wake_with(agent.wake)
            system = KernelSystem(
                directory,
                agent.wake,
                owns_namespace=True,
                fresh=fresh,
                port_key=key,
                leases=role.leases,
                home=home,
            )
        os.makedirs(role.lease_dir, mode=0o700, exist_ok=True)
        leases = DirectoryWatch(role.lease_dir, agent.wake)
        pulse = Pulse(words, agent, silence)
        try:
            async with system:
                await agent.run(system)
        finally:
            pulse.close()
            leases.close()
            if isinstance(role, InstanceRole):
                role.vpn.close()
