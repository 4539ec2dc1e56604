"""The sockets themselves: broken peers, many peers, big tables."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from netnsmgr.pubsub import wire
from netnsmgr.pubsub.client import AsyncClient
from netnsmgr.pubsub.crowd import MOST
from netnsmgr.pubsub.door import Door
from tests.unit.pubsub.place import Site, Until

NI, STATUS = "NetworkInstanceConfig", "NetworkInstanceStatus"


@pytest.fixture
def many_files() -> Iterator[None]:
    """250 clients and their hub in one process have more descriptors than a process usually may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_garbage_costs_nothing(site: Site) -> None:
    """Random frames, half a protocol and plain noise are dropped, and the hub still answers."""
    rnd = random.Random(1)
    words = [b"SNAPSHOT", b"PUT", b"CALL", b"RESTARTED", b"", b"{}", b"[[", b"\0", rnd.randbytes(40)]
    async with site.both() as (hub, client):
        with zmq.Context() as context:
            dealer, sub = context.socket(zmq.DEALER), context.socket(zmq.XSUB)
            dealer.connect(f"ipc://{site.run}/hub.sock")
            sub.connect(f"ipc://{site.run}/updates.sock")
            for _ in range(500):
                dealer.send_multipart(rnd.choices(words, k=rnd.randint(1, 7)))
            for message in b"\1Nonsense\0", b"\1\xff\0", b"\1", b"\2x", b"\1" + b"x" * 9999:
                sub.send(message)
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(f"{site.run}/hub.sock")
                raw.send(rnd.randbytes(1000))
            # The answer to the last message of this peer shows that all before it were read.
            dealer.send_multipart([b"CALL", b"1", b"none", b"null"])
            while not dealer.poll(0):
                await asyncio.sleep(0.001)
            dealer.close(0)
            sub.close(0)
        assert await client.put([(NI, "ni1", {})]) == 1
        assert hub._door._topics <= {""}


async def test_table_longer_than_the_usual_queue(site: Site, until: Until) -> None:
    """ZeroMQ's 1000 messages are not the largest table."""
    async with site.both() as (hub, client):
        for n in range(5000):
            hub.put(STATUS, f"ni{n}", {"n": n})
        view = client.subscribe(STATUS)
        await until(client, lambda: view.synchronized)
        assert len(view.rows) == 5000


async def test_250_clients_at_once(site: Site, many_files: None) -> None:
    """All connect in the same moment, get the snapshot, hear an update, and are heard."""
    with zmq.Context() as context:
        clients = [AsyncClient(site.run, f"agent{n}", context) for n in range(250)]

        async def live(n: int, client: AsyncClient) -> None:
            async with client:
                view = client.subscribe(STATUS)
                assert await client.wait(lambda: view.rows.get("all") == {"x": 1}, 30)
                client.publish("AgentStatus", f"agent{n}", {"n": n})
                assert await client.wait(lambda: view.rows.get("all") == {"x": 2}, 30)

        async with site.hub() as hub:
            hub.put(STATUS, "all", {"x": 1})
            everybody = asyncio.Event()
            heard = set[str]()

            def hear(table: str, key: str, value: object) -> None:
                heard.add(key)
                if len(heard) == 250:
                    everybody.set()

            hub.on_change(hear)
            lives = [asyncio.create_task(live(n, client)) for n, client in enumerate(clients)]
            await everybody.wait()
            hub.put(STATUS, "all", {"x": 2})
            await asyncio.gather(*lives)


async def test_an_agents_own_address(tmp_path: Path) -> None:
    """It is its group's alone, opened again as often as one likes, and made anew at once after it was shut."""
    heard: list[tuple[int, wire.Request]] = []
    door = Door(
        tmp_path,
        None,
        lambda _peer, user, request: heard.append((user, request)),
        lambda _: pytest.fail("nobody subscribes"),
        lambda _user, _table: True,
    )
    place = tmp_path / "ni1"
    context = zmq.Context()
    try:
        place.mkdir()
        for number in range(50):
            for _ in range(2):
                door.open(place, os.getgid())
            asking = context.socket(zmq.DEALER)
            asking.setsockopt(zmq.LINGER, 1000)
            asking.connect(f"ipc://{place}/hub.sock")
            asking.send_multipart(wire.encode_request(wire.Snapshot("AgentStatus")))
            async with asyncio.timeout(5):
                while len(heard) <= number:
                    await asyncio.sleep(0.001)
            asking.close()
            assert (place / "updates.sock").stat().st_mode & 0o777 == 0o660
            door.shut(place)
        assert list(place.iterdir()) == []
        assert heard == [(os.getuid(), wire.Snapshot("AgentStatus"))] * 50
    finally:
        context.term()
        await door.close()


async def test_an_address_takes_no_crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's address is closed for a while at many connections, with all of them; the others are not."""
    heard: list[bytes] = []
    door = Door(
        tmp_path,
        None,
        lambda peer, _user, _request: heard.append(peer),
        lambda _: pytest.fail("nobody subscribes"),
        lambda _user, _table: True,
    )
    place = tmp_path / "ni1"
    context = zmq.Context()
    held: list[socket.socket] = []
    monkeypatch.setattr("netnsmgr.pubsub.door.REST", 1.0)

    def connects() -> bool:
        held.append(socket.socket(socket.AF_UNIX))
        try:
            held[-1].connect(str(place / "hub.sock"))
        except OSError:
            held.pop().close()
            return False
        return True

    async def ask(directory: Path) -> None:
        known = len(heard)
        asking = context.socket(zmq.DEALER)
        asking.setsockopt(zmq.LINGER, 0)
        asking.connect(f"ipc://{directory}/hub.sock")
        asking.send_multipart(wire.encode_request(wire.Snapshot("AgentStatus")))
        async with asyncio.timeout(5):
            while len(heard) == known:
                await asyncio.sleep(0.001)
        asking.close()

    try:
        place.mkdir()
        door.open(place, os.getgid())
        async with asyncio.timeout(10):
            while connects():
                assert len(held) < 5 * MOST
                await asyncio.sleep(0.001)
        door.open(place, os.getgid())  # as when the agent is started again
        assert not connects()
        await ask(tmp_path)
        while held:
            held.pop().close()
        async with asyncio.timeout(10):
            while not connects():
                await asyncio.sleep(0.01)
        await ask(place)
    finally:
        for each in held:
            each.close()
        context.term()
        await door.close()
