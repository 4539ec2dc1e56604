"""What is read from a container engine, said well or badly, by a server that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.kernel import doctor_engine
from netnsmgr.kernel import engine as module
from netnsmgr.kernel.engine import Container, Engine, EngineLost, EngineRefused, Event, socket_path

#: As docker 20.10.24 said it: its own words for containers, errors and events.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("docker.json").read_text())
HEAD = (
    "HTTP/1.1 {} X\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nDocker-Experimental: false\r\n"
    "Ostype: linux\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\nDate: Sat, 21 Nov 2026 22:19:02 GMT\r\n"
)
ID = RECORDED["app1"]["Id"]


def plain(body: object, status: int = 200) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
    return f"{HEAD.format(status)}Content-Length: {len(data)}\r\n\r\n".encode() + data


def chunked(*parts: bytes, end: bool = True) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return (
        f"{HEAD.format(200)}Transfer-Encoding: chunked\r\n\r\n".encode()
        + chunks
        + (b"0\r\n\r\n" if end else b"")
    )


@asynccontextmanager
async def answering(tmp_path: Path, *pieces: bytes) -> AsyncIterator[Engine]:
    """An engine that says these pieces to whatever it is asked, one after the other, and ends."""
    path = str(tmp_path / "engine.sock")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield Engine(path)
    finally:
        server.close()


def ask(tmp_path: Path, *pieces: bytes) -> Container | None:
    async def run() -> Container | None:
        async with answering(tmp_path, *pieces) as engine:
            return await engine.container("app1")

    return asyncio.run(run())


def listen(tmp_path: Path, *pieces: bytes) -> list[Event]:
    async def run() -> list[Event]:
        async with answering(tmp_path, *pieces) as engine, engine.events() as events:
            return [event async for event in events]

    return asyncio.run(run())


def events(*lines: str) -> bytes:
    return chunked(*(line.encode() + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("name", "running", "sandbox", "mode"),
    [
        ("app1", True, "/run/docker/netns/b1aa95a3ada7", "none"),
        ("shared", True, "", f"container:{ID}"),
        ("hosty", True, "/run/docker/netns/default", "host"),
        ("made", False, "", "none"),
    ],
)
def test_containers_of_docker(tmp_path: Path, name: str, running: bool, sandbox: str, mode: str) -> None:
    """What docker says of a container, however it is cut into pieces."""
    body = json.dumps(RECORDED[name]).encode() + b"\n"
    for answer in (plain(body), chunked(body), chunked(*(body[i : i + 7] for i in range(0, len(body), 7)))):
        found = ask(tmp_path, answer)
        assert found is not None
        assert (found.running, found.sandbox, found.mode) == (running, sandbox, mode)
        # Who listens is this very process.
        assert found.pid == RECORDED[name]["State"]["Pid"]
    assert ask(tmp_path, *(bytes([byte]) for byte in chunked(body)[:2000]), chunked(body)[2000:]) == found


def test_no_container(tmp_path: Path) -> None:
    """404 is an answer, other statuses are the engine's trouble and in its words."""
    assert ask(tmp_path, plain(RECORDED["nobody"], 404)) is None
    for status, body, said in (
        (500, {"message": "layer does not exist"}, "layer does not exist"),
        (409, {}, "status 409"),
    ):
        with pytest.raises(EngineRefused, match=f"^{said}$"):
            ask(tmp_path, plain(body, status))


def test_a_container_that_waits_to_be_started_again(tmp_path: Path) -> None:
    """docker calls it running, but there is no process."""
    state = RECORDED["app1"]["State"] | {"Restarting": True, "Pid": 0}
    found = ask(tmp_path, plain(RECORDED["app1"] | {"State": state}))
    assert found is not None
    assert not found.running


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "it has ended"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP: "),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20000, "no HTTP: "),
        (plain({"a": 1})[:-4], "it has ended"),
        (chunked(b'{"Id"', end=False), "it has ended"),
        (plain(b"<html>"), "no JSON: "),
        (plain(b"[" * 100000), "no JSON: "),
        (plain([]), "not the JSON of an engine"),
        (plain({}), "what it says of app1 lacks 'State'"),
        (plain({"State": 1, "NetworkSettings": {}}), "what it says of app1 lacks "),
        (plain({"State": {"Pid": "x"}, "NetworkSettings": {}}), "what it says of app1 lacks "),
        (plain(b'{"State": {"Pid": 1e999}, "NetworkSettings": {}}'), "what it says of app1 lacks "),
        (
            plain({"State": {"Pid": 1, "Running": True}, "NetworkSettings": [1], "Id": "a"}),
            "what it says of app1 lacks ",
        ),
    ],
)
def test_no_engine(tmp_path: Path, answer: bytes, said: str) -> None:
    """Whoever speaks otherwise does not answer, and the reason says how."""
    with pytest.raises(EngineLost) as caught:
        ask(tmp_path, answer)
    assert f"engine.sock does not answer: {said}" in str(caught.value)


def test_a_huge_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than an engine has to say is not taken in."""
    monkeypatch.setattr(module, "LARGEST", 100_000)
    with pytest.raises(EngineLost, match="an answer of more than 100000 bytes"):
        ask(tmp_path, chunked(*([b" " * 10_000] * 20)))
    with pytest.raises(EngineLost, match="an event of more than 100000 bytes"):
        listen(tmp_path, chunked(*([b" " * 10_000] * 20)))


def test_a_silent_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes the question and says nothing is waited for so long and no longer."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        with pytest.raises(EngineLost, match="mute does not answer: it is silent for 0 s"):
            asyncio.run(Engine(str(tmp_path / "mute")).container("app1"))


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(EngineLost, match="none does not answer: No such file or directory"):
        asyncio.run(Engine(str(tmp_path / "none")).version())


def test_events_of_docker(tmp_path: Path) -> None:
    """Each names the container by its id and names, whatever pieces they come in; the end is the stream's."""
    lines = [json.dumps(event) for event in RECORDED["events"]]
    whole = "".join(line + "\n" for line in lines).encode()
    cut = chunked(*(whole[i : i + 100] for i in range(0, len(whole), 100)))
    for answer in (events(*lines), cut, chunked(whole)):
        found = listen(tmp_path, answer)
        assert found[0] == Event(frozenset({ID, "app1"}))
        assert Event(frozenset({ID, "app9", "app1"})) in found
        assert len(found) == len(lines)
    assert found[0].concerns("app1")
    assert found[0].concerns(ID[:12])
    assert not found[0].concerns("app2")


@pytest.mark.parametrize("line", ["x", "{}", "[]", '{"Actor": 1}', '{"Actor": {"ID": 1, "Attributes": {}}}'])
def test_an_event_that_cannot_be_read(tmp_path: Path, line: str) -> None:
    """It may concern any container."""
    (event,) = listen(tmp_path, events(line))
    assert event.concerns("app1")


def test_events_that_break_off(tmp_path: Path) -> None:
    """An engine that is killed is not taken for one that has said all."""
    with pytest.raises(EngineLost, match="it has ended"):
        listen(tmp_path, chunked(b"{}\n", end=False))


def test_the_doctor_s_line(tmp_path: Path) -> None:
    """Who answers, in the engine's words; or that nobody does."""

    async def run(*pieces: bytes) -> tuple[bool, str]:
        async with answering(tmp_path, *pieces) as engine:
            return await asyncio.to_thread(doctor_engine.line, engine.path)

    said = {"Platform": {"Name": ""}, "Version": "20.10.24+dfsg1", "ApiVersion": "1.41"}
    assert asyncio.run(run(plain(said))) == (True, f"docker 20.10.24+dfsg1 at {tmp_path}/engine.sock")
    ok, why = asyncio.run(run(plain({}, 503)))
    assert not ok
    assert why.endswith("engine.sock does not answer: status 503")


def test_which_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given counts, then DOCKER_HOST where it is a socket, then what is there."""
    there = tmp_path / "podman.sock"
    monkeypatch.setattr(module, "SOCKETS", (str(tmp_path / "none"), str(there)))
    assert socket_path("/x", {"DOCKER_HOST": "unix:///y"}) == "/x"
    assert socket_path("unix:///x", {}) == "/x"
    assert socket_path("", {"DOCKER_HOST": "unix:///y"}) == "/y"
    with pytest.raises(EngineLost, match="there is no container engine: none of "):
        socket_path("", {"DOCKER_HOST": "tcp://127.0.0.1:2375"})
    there.touch()
    assert socket_path("", {"DOCKER_HOST": "tcp://127.0.0.1:2375"}) == str(there)
