"""A place for a hub, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netnsmgr.pubsub.client import AsyncClient
from tests.unit.pubsub.place import Site, Until


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run coroutines in a loop, a minute at most: a test that hangs is a test that failed.

    They need tenths of seconds, and more than ten of them where many others are at work.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 60))
    return True


@pytest.fixture
def site() -> Iterator[Site]:
    # Not tmp_path: its names may be longer than a socket's path can be.
    with tempfile.TemporaryDirectory(prefix="pubsub") as directory:
        yield Site(Path(directory) / "run", Path(directory) / "state")


@pytest.fixture
def until() -> Until:
    async def wait(client: AsyncClient, predicate: Callable[[], bool]) -> None:
        assert await client.wait(predicate, 30)

    return wait
