"""The client of plain threads, against a hub in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netnsmgr.client import Client, ConfigError, NetnsmgrError, Unreachable
from netnsmgr.pubsub.hub import Hub
from tests.unit.client.place import NI, NI_STATUS, instance, ready, straw
from tests.unit.pubsub.place import Site


class Running:
    """A hub in a thread: ``do`` runs a function where the hub lives."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self.hub, self.loop = hub, loop

    def status(self, key: str, value: dict[str, object] | None) -> None:
        self.loop.call_soon_threadsafe(self.hub.put, NI_STATUS, key, value)

    def ready(self, name: str) -> None:
        self.loop.call_soon_threadsafe(ready, self.hub, name)


@contextmanager
def running(site: Site) -> Iterator[Running]:
    box: queue.Queue[Running] = queue.Queue()
    end: queue.Queue[asyncio.Event] = queue.Queue()

    async def live() -> None:
        async with straw(site) as hub:
            over = asyncio.Event()
            end.put(over)
            box.put(Running(hub, asyncio.get_running_loop()))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    it = box.get(timeout=30)
    try:
        yield it
    finally:
        it.loop.call_soon_threadsafe(end.get().set)
        thread.join(30)


def test_publish_and_wait(site: Site) -> None:
    """Publish, wait, look; in threads."""
    with running(site) as hub, Client("zedbox", site.run) as client:
        assert client.wait_connected(30)
        assert client.connected
        published = client.publish([instance("ni1"), instance("ni2")], replace=True)
        assert [each.label for each in client.applied(published, 0.2)] == [
            "network-instance/ni1",
            "network-instance/ni2",
        ]
        hub.ready("ni1")
        hub.ready("ni2")
        assert client.applied(published, 30) == ()
        assert set(client.rows(NI)) == {"ni1", "ni2"}
        client.delete("NetworkInstance", "ni2")
        assert set(client.rows(NI)) == {"ni1"}
        with pytest.raises(ConfigError, match="is bad"):
            client.publish([instance("ni1") | {"bad": 1}])


def test_no_daemon(site: Site) -> None:
    """Everything that blocks ends with its timeout."""
    with Client("zedbox", site.run) as client:
        assert not client.wait_connected(0.05)
        with pytest.raises(Unreachable, match="not running"):
            client.publish([instance("ni1")], timeout=0.1)
        with pytest.raises(Unreachable, match="not running"):
            client.rows(NI, timeout=0.1)
        assert list(client.changes(NI_STATUS, timeout=0.1)) == []


def test_callbacks_may_use_the_client(site: Site) -> None:
    """A callback blocks on the client that calls it, fails, and is called again; those of others are not held up."""
    told: queue.Queue[object] = queue.Queue()
    connections: queue.Queue[bool] = queue.Queue()
    with Client("zedbox", site.run) as client:
        client.on_connection(connections.put)
        assert connections.get(timeout=30) is False
        with running(site) as hub:
            assert connections.get(timeout=30) is True

            def on_change(change: object) -> None:
                told.put(client.publish([instance("ni1")]).revision)
                raise RuntimeError("of the test")

            client.on_change(on_change, NI_STATUS)
            for n in range(3):
                hub.status(f"ni{n}", {})
            assert [told.get(timeout=30) for _ in range(3)] == [1, 1, 1]
        assert connections.get(timeout=30) is False


def test_closing_ends_what_waits(site: Site) -> None:
    """Iterations end, blocked calls raise, threads are gone; closing twice does nothing."""
    ended: queue.Queue[object] = queue.Queue()
    before = threading.active_count()
    with running(site):
        client = Client("zedbox", site.run)
        client.on_change(ended.put, NI_STATUS)
        changes = client.changes(NI_STATUS)
        published = client.publish([instance("ni1")])

        def iterate() -> None:
            ended.put(list(changes))

        def wait() -> None:
            try:
                ended.put(client.applied(published, 60))
            except Unreachable:
                ended.put("unreachable")

        threads = [threading.Thread(target=work) for work in (iterate, wait)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)  # so that they are inside
        client.close()
        client.close()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert {str(ended.get()) for _ in threads} == {"[]", "unreachable"}
        with pytest.raises(Unreachable, match="closed"):
            client.rows(NI)
    assert threading.active_count() == before


def test_hammered(site: Site) -> None:
    """Many threads publish, ask and listen at the same time; every change is told to each, in its order, once."""
    with running(site) as hub, Client("zedbox", site.run) as client:
        told: dict[int, list[object]] = {n: [] for n in range(4)}

        def listen(n: int) -> None:
            for change in client.changes(NI_STATUS):
                if change.key == "end":
                    return
                told[n].append(change.row)

        def publish(n: int) -> None:
            for version in range(20):
                client.publish([instance(f"ni{n}", version=version)])
                assert client.rows(NI)[f"ni{n}"]["spec"]["version"] == version

        listeners = [threading.Thread(target=listen, args=(n,)) for n in told]
        publishers = [threading.Thread(target=publish, args=(n,)) for n in range(6)]
        hub.status("ni", {"n": -1})
        for thread in listeners:
            thread.start()
        while not all(told.values()):
            time.sleep(0.01)
        for thread in publishers:
            thread.start()
        for n in range(500):
            hub.status("ni", {"n": n})
        hub.status("end", {})
        for thread in [*listeners, *publishers]:
            thread.join(50)
            assert not thread.is_alive()
        assert client.publish([], replace=True).revision == 6 * 20 + 1
        assert all(rows == [{"n": n} for n in range(-1, 500)] for rows in told.values())


def test_costs_no_models() -> None:
    """Who subscribes or publishes what he has does not import the models, nor a YAML parser."""
    code = "import sys; from netnsmgr.client import AsyncClient, Client, Change; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert not {"pydantic", "yaml", "click"} & set(done.stdout.split())


def test_a_table_that_is_none(site: Site) -> None:
    """It is said where the callback is given, and not in a thread that nobody looks at."""
    with Client("zedbox", site.run) as client:
        before = threading.active_count()
        with pytest.raises(NetnsmgrError, match="there is no table 'AppStatus'"):
            client.on_change(print, "AppStatus")
        assert threading.active_count() == before
