"""Fixtures: a machine without a daemon, and one with a daemon of straw."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator, Sequence

import pytest

from netnsmgr.errors import Problem
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Store
from netnsmgr.supervisor.revisions import Revisions
from tests.unit.cli.straw import Machine, Straw


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine without a daemon."""
    machine = Machine()
    yield machine
    shutil.rmtree(machine.root)


@pytest.fixture
def straw(machine: Machine) -> Iterator[Straw]:
    """The daemon of straw, running in a thread with a loop of its own."""
    started = threading.Event()
    box: list[Straw] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def live() -> None:
        async def validate(changes: Sequence[Change]) -> list[Problem]:
            return await box[0].validate(changes)

        async with Hub(machine.run_dir, Store(machine.root / "state"), validate=validate) as hub:
            daemon = Straw(hub)
            box.append(daemon)
            hub.serve("plan", daemon.answer_plan)
            hub.serve("revisions", daemon.revisions)
            revisions = Revisions(hub.transactions, daemon.tell)
            for call in (revisions.confirm, revisions.rollback, revisions.history, revisions.revision):
                hub.serve(call.__name__, call)
            hub.on_config(daemon.configured)
            end = asyncio.Event()
            ends.append((asyncio.get_running_loop(), end))
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert started.wait(5)
    yield box[0]
    loop, end = ends[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(5)
