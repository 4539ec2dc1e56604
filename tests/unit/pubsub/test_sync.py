"""The client of the command line: it blocks, in a thread of its own here, while the hub's loop runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from netnsmgr.errors import ConfigError, Problem, Unreachable
from netnsmgr.pubsub.client import SyncClient
from tests.unit.pubsub.place import Site

NI, STATUS = "NetworkInstanceConfig", "NetworkInstanceStatus"


async def using(site: Site, use: Callable[[SyncClient], Any]) -> Any:
    """What a program with a client of its own gets."""

    def program() -> Any:
        with SyncClient(site.run, "operator") as client:
            return use(client)

    return await asyncio.to_thread(program)


async def test_put_and_snapshot(site: Site) -> None:
    """A put is acknowledged with its revision, and seen; a second snapshot is a new one."""

    def use(client: SyncClient) -> object:
        before = client.snapshot(NI)
        return before, client.put([(NI, "ni1", {"x": 1})]), client.snapshot(NI)

    async with site.hub():
        assert await using(site, use) == ({}, 1, {"ni1": {"x": 1}})


async def test_problems_come_back(site: Site) -> None:
    """A refused transaction raises with all its problems; so does a call that says so."""

    async def check(_value: object) -> None:
        raise ConfigError([Problem("no good")])

    async with site.hub() as hub:
        hub.serve("check", check)
        with pytest.raises(ConfigError, match="is bad"):
            await using(site, lambda client: client.put([(NI, "ni1", {"bad": 1})]))
        with pytest.raises(ConfigError, match="no good"):
            await using(site, lambda client: client.call("check"))


async def test_wait_for_an_update(site: Site) -> None:
    """``netnsmgr wait``: block until a row is as it should be."""
    async with site.hub() as hub:
        loop, waiting = asyncio.get_running_loop(), threading.Event()

        def use(client: SyncClient) -> bool:
            view = client.subscribe(STATUS)
            client.wait(lambda: view.synchronized, 30)
            loop.call_soon_threadsafe(hub.put, STATUS, "ni1", {"state": "ready"})
            waiting.set()
            return client.wait(lambda: "ni1" in view.rows, 30)

        assert await using(site, use)


async def test_wait_in_vain(site: Site) -> None:
    """It ends when its time is over, and costs no processor meanwhile."""

    def use(client: SyncClient) -> float:
        began = time.thread_time()
        assert not client.wait(lambda: False, 0.2)
        return time.thread_time() - began

    async with site.hub():
        assert await using(site, use) < 0.1


def test_no_daemon(site: Site) -> None:
    """Told at once: nothing there, left behind, or something else."""
    with pytest.raises(Unreachable, match=r"there is no .*netnsmgr daemon"):
        SyncClient(site.run, "operator")
    site.run.mkdir()
    (site.run / "hub.sock").touch()
    with pytest.raises(Unreachable, match="not a socket"):
        SyncClient(site.run, "operator")


def test_killed_daemon(site: Site) -> None:
    """A socket without a listener is told from a daemon that is slow."""
    import socket

    site.run.mkdir()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(site.run / "hub.sock"))
    with pytest.raises(Unreachable, match="left behind"):
        SyncClient(site.run, "operator")


async def test_daemon_that_does_not_answer(site: Site) -> None:
    """A stopped daemon is waited for as long as was said, and the caller knows that it may still happen."""

    def use(client: SyncClient) -> None:
        client.snapshot(NI)  # else the time may be over before there is a connection to send anything by
        client.call("sleep", timeout=0.1)

    async def sleep(_value: object) -> None:
        await asyncio.sleep(0.3)

    async with site.hub() as hub:
        hub.serve("sleep", sleep)
        with pytest.raises(Unreachable, match=r"does not answer in time.*may still"):
            await using(site, use)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
async def test_not_permitted(site: Site) -> None:
    """Another user is told whose socket it is and who may use it, whichever of the two locks is closed."""
    program = f"""
import os
from netnsmgr.pubsub.client import SyncClient
import grp, pwd, socket  # what is imported when needed may be out of this user's reach
os.setgroups([]); os.setgid(65534); os.setuid(65534)
SyncClient({str(site.run)!r}, "operator")
"""
    site.run.parent.chmod(0o755)
    async with site.hub(group=12345):
        for mode, text in (0o750, "may not be used"), (0o755, "member of group '12345'"):
            site.run.chmod(mode)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                program,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )
            _, error = await process.communicate()
            assert text in error.decode()


def test_importing_makes_nothing() -> None:
    """The client's modules are loaded before the fork: no context, no thread, none of the slow libraries."""
    program = """
import sys, threading
import netnsmgr.pubsub.client
import zmq
assert zmq.Context._instance is None
assert threading.active_count() == 1
import os
assert len(os.listdir("/proc/self/task")) == 1
print(*{"asyncio", "structlog", "logging", "pydantic", "zmq.asyncio"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_no_edge_is_lost(site: Site) -> None:
    """Question after question from another thread: a descriptor's edge that is missed once hangs here."""

    def use(client: SyncClient) -> None:
        for n in range(3000):
            client.put([(STATUS, "a", {"n": n})], timeout=30)

    async with site.hub():
        await using(site, use)
