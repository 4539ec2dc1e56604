"""Pins of the namespaces of containers, against the real kernel and an engine that says what a test wants."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from netnsmgr.kernel.engine import Container, EngineLost, EngineRefused, Event
from netnsmgr.kernel.namespace import inode
from netnsmgr.supervisor import containers
from netnsmgr.supervisor.attach import Attachments
from tests.lab import isolated

PIN = Path("/run/attach/container-app1")


class Scripted:
    """An engine: ``known`` containers, ``tell`` an event, ``end`` it."""

    path = "/run/scripted.sock"

    def __init__(self) -> None:
        self.known: dict[str, Container | Exception] = {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False
        self._told: asyncio.Queue[Event | None] = asyncio.Queue()
        # For good: the process of an isolated test ends with it.
        patch.object(containers, "Engine", lambda _: self).start()
        containers.FIRST_PAUSE = containers.LAST_PAUSE = containers.RETRY_SECONDS = 0.01

    async def container(self, name: str) -> Container | None:
        self.asked.append(name)
        found = self.known.get(name)
        await self.gate.wait()
        if isinstance(found, Exception):
            raise found
        return found

    @asynccontextmanager
    async def events(self) -> AsyncGenerator[AsyncIterator[Event]]:
        if self.away:
            raise EngineLost("away")
        yield self._events()

    async def _events(self) -> AsyncIterator[Event]:
        while event := await self._told.get():
            yield event

    def tell(self, *names: str) -> None:
        self._told.put_nowait(Event(frozenset(names)))

    def end(self) -> None:
        self.away = True
        self._told.put_nowait(None)


def running(name: str) -> Container:
    """A container in a new namespace, whose file is its sandbox."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    return Container(f"id-{name}", running=True, sandbox=f"/run/netns/{name}")


async def seen(what: Callable[[], object]) -> None:
    for _ in range(500):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never seen")


def pinned_at(name: str) -> Callable[[], object]:
    return lambda: inode(str(PIN)) == inode(f"/run/netns/{name}") is not None


def attachments(wanted: tuple[str, ...] = ("app1",)) -> Attachments:
    made = Attachments("/run", "/run/scripted.sock")
    made.want_containers(wanted)
    return made


@isolated
async def test_a_pin_that_an_earlier_daemon_left_stays_as_it_is() -> None:
    """It is neither taken away nor mounted anew, while the engine is silent and when it says the same."""
    engine = Scripted()
    engine.known["app1"] = running("one")
    attachments()
    await seen(pinned_at("one"))
    mounts = Path("/proc/self/mountinfo").read_text()
    engine.away = True
    again = attachments()
    await asyncio.sleep(0.05)
    assert not again.reasons
    engine.away = False
    engine.asked.clear()
    await seen(lambda: len(engine.asked) >= 1)
    await asyncio.sleep(0.05)
    assert Path("/proc/self/mountinfo").read_text() == mounts


@isolated
async def test_pins_that_nobody_wants_go_and_stay_while_the_configuration_is_not_whole() -> None:
    """With a part of the configuration lost, its absence says nothing."""
    engine = Scripted()
    engine.known["app1"] = running("one")
    attachments()
    await seen(pinned_at("one"))
    again = Attachments("/run", "")
    again.want_containers((), keep=True)
    assert pinned_at("one")()
    again.want_containers(())
    assert os.listdir("/run/attach") == []


@isolated
async def test_nothing_is_imported_or_asked_without_containers() -> None:
    engine = Scripted()
    made = attachments(())
    assert made._containers is None
    assert (engine.asked, dict(made.reasons)) == ([], {})


@isolated
async def test_an_event_while_the_engine_is_asked() -> None:
    """The answer may be older than the event: it is asked once more, however many events there were."""
    engine = Scripted()
    engine.known["app1"] = running("one")
    made = attachments()
    await seen(pinned_at("one"))
    engine.gate.clear()
    engine.tell("app1")
    await seen(lambda: len(engine.asked) == 2)
    engine.known["app1"] = running("two")
    for _ in range(3):
        engine.tell("app1")
    engine.tell("app2")
    await asyncio.sleep(0.02)
    engine.gate.set()
    await seen(pinned_at("two"))
    await asyncio.sleep(0.02)
    assert engine.asked == ["app1"] * 3
    assert not made.reasons


@isolated
async def test_an_engine_that_cannot_say() -> None:
    """It is asked again; who is attached stays so, who is not hears why."""
    engine = Scripted()
    engine.known = {"app1": running("one"), "app2": EngineRefused("layer does not exist")}
    made = attachments(("app1", "app2"))
    await seen(pinned_at("one"))
    await seen(lambda: made.reasons == {"app2": "layer does not exist"})
    engine.known = {"app1": EngineLost("silent"), "app2": None}  # type: ignore[dict-item]
    engine.tell("app1")
    await seen(lambda: made.reasons == {"app2": "there is no container app2"})
    assert pinned_at("one")()


@isolated
async def test_an_engine_that_goes() -> None:
    """What is pinned stays; what is wanted meanwhile hears that there is no engine."""
    engine = Scripted()
    engine.known["app1"] = running("one")
    made = attachments()
    await seen(pinned_at("one"))
    engine.end()
    await asyncio.sleep(0.05)
    made.want_containers(["app1", "app2"])
    assert made.reasons == {"app2": "away"}
    assert pinned_at("one")()
    engine.known["app2"] = Container("id-app2", running=False)
    engine.away = False
    await seen(lambda: made.reasons == {"app2": "container app2 is not running"})


@isolated
async def test_where_a_namespace_is_found() -> None:
    """The engine's file, else the process, else the file of the container that was joined; none, with what to do."""
    engine = Scripted()
    owner = running("one")
    with subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        elsewhere = Container("a", running=True, sandbox="/nowhere/netns/a", mode="none")
        engine.known = {
            "owner": owner,
            "app1": Container("b", running=True, pid=process.pid, mode="container:owner"),
            "app2": Container("c", running=True, mode="container:owner"),
            "app3": elsewhere,
            "own": Container("d", running=True, sandbox="/proc/1/ns/net"),
            "round": Container("e", running=True, mode="container:round"),
        }
        made = attachments(("app1", "app2", "app3", "own", "round"))
        await seen(lambda: len(made.reasons) == 3)
        await seen(lambda: inode("/run/attach/container-app2") == inode("/run/netns/one"))
        assert inode(str(PIN)) == inode(f"/proc/{process.pid}/ns/net")
        assert "own network" in made.reasons["own"]
        assert (
            "let netnsmgr see the mounts in /nowhere/netns (in a container: as a volume, rslave)"
            in made.reasons["app3"]
        )
        assert "cannot be reached from here" in made.reasons["round"]
        assert sorted(os.listdir("/run/attach")) == ["container-app1", "container-app2"]
        process.kill()


@isolated
async def test_an_engine_that_cannot_say_is_not_asked_more_often_for_all_that_happens() -> None:
    """One question is due, not one for each event that was answered like that."""
    engine = Scripted()
    containers.RETRY_SECONDS = 0.2
    engine.known["app1"] = EngineRefused("layer does not exist")
    attachments()
    for _ in range(20):
        engine.asked.clear()
        engine.tell("app1")
        await seen(lambda: engine.asked)
    await asyncio.sleep(0.3)
    engine.asked.clear()
    await asyncio.sleep(0.5)
    assert 1 <= len(engine.asked) <= 3


@isolated
async def test_what_an_engine_says_is_no_path_and_no_sentence() -> None:
    """It is a reason, short and on one line, and asked again; the engine is not left alone for ever."""
    engine = Scripted()
    made = attachments()
    for path in ("/run/\0", "/run/\ud800"):
        engine.asked.clear()
        engine.known["app1"] = Container("id", running=True, sandbox=path)
        engine.tell("app1")
        await seen(lambda: len(engine.asked) >= 2)
        assert made.reasons["app1"]
    engine.known["app1"] = EngineRefused("\x1b[2J\n" * 1000000)
    await seen(lambda: made.reasons["app1"].startswith("?[2J?"))
    assert len(made.reasons["app1"]) == containers.LONGEST
    engine.known["app1"] = running("one")
    await seen(pinned_at("one"))


@isolated
async def test_an_engine_that_always_ends_is_looked_for_less_and_less_often() -> None:
    """All containers are looked at each time."""
    engine = Scripted()
    containers.LAST_PAUSE = 0.5
    for _ in range(1000):
        engine._told.put_nowait(None)
    attachments()
    await asyncio.sleep(1)
    assert 2 <= 1000 - engine._told.qsize() <= 15
