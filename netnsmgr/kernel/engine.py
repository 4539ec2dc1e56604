"""A container engine (docker, or podman, which speaks the same), asked on its Unix socket by its HTTP API.

h11 reads and writes the protocol; one connection for each question.  Of the API two parts are used, the same in all of its
versions: ``GET /containers/NAME/json`` and ``GET /events`` (docs.docker.com, Engine API, v1.24 and later).
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import h11

from netnsmgr.errors import KernelError

SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
ANSWER_SECONDS = 10.0
LARGEST = 4 * 1024 * 1024
"""Bytes at most of an answer, and of one event; docker's are of some ten thousand."""
HEADER_BYTES = 64 * 1024
EVENTS = ("create", "start", "die", "destroy", "rename", "died", "remove")
"""What changes where a container's name leads; the last two are podman's own words."""


class EngineLost(KernelError):
    """Nobody answers on the socket, or not as an engine does."""


class EngineRefused(KernelError):
    """The engine answered that it cannot say; the text has its words."""


@dataclass(frozen=True)
class Container:
    """A container as the engine shows it.

    ``pid`` is that of its first process, 0 while it does not run and where the engine counts processes otherwise than we;
    ``sandbox`` is a file of its network namespace, where the engine has one; ``mode`` is its network (``none``, ``host``,
    ``container:<id>``, …).
    """

    id: str
    running: bool
    pid: int = 0
    sandbox: str = ""
    mode: str = ""


@dataclass(frozen=True)
class Event:
    """Something happened to the container that has or had these names; without any it is not known to which."""

    names: frozenset[str] = frozenset()

    def concerns(self, name: str) -> bool:
        """Say whether it may concern the container called ``name``, which may be the beginning of an id."""
        return not self.names or any(each.startswith(name) for each in self.names)


def socket_path(given: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """Return where the engine listens: as given, by DOCKER_HOST, or where one usually does; KernelError if nowhere."""
    if given:
        return given.removeprefix("unix://")
    if (host := environ.get("DOCKER_HOST", "")).startswith("unix://"):
        return host.removeprefix("unix://")
    for path in SOCKETS:
        if os.path.exists(path):
            return path
    raise EngineLost(
        f"there is no container engine: none of {', '.join(SOCKETS)} exists; start one, or give its socket "
        "(netnsmgr daemon --engine PATH)"
    )


class Engine:
    """An engine by the path of its socket.  Every method raises EngineLost while it does not answer."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def version(self) -> str:
        """Return the engine's own name and version."""
        found = await self._json("/version")
        return f"{(found.get('Platform') or {}).get('Name') or 'docker'} {found.get('Version', '?')}".strip()

    async def container(self, name: str) -> Container | None:
        """Return the container with this name or id, or None if there is none; EngineRefused if it cannot be told."""
        async with self._asked(f"/containers/{quote(name, safe='')}/json") as answer:
            body = await answer.whole()
            if answer.status == 404:
                return None
            found = self._object(body)
            if answer.status != 200:
                raise EngineRefused(str(found.get("message") or f"status {answer.status}"))
            try:
                return _container(found, same_pids=answer.same_pids)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise EngineLost(self._silent(f"what it says of {name} lacks {error}")) from error

    @asynccontextmanager
    async def events(self) -> AsyncGenerator[AsyncIterator[Event]]:
        """Be told what happens to containers from now on; the iterator ends with the engine, or raises EngineLost."""
        filters = json.dumps({"type": ["container"], "event": EVENTS})
        async with self._asked(f"/events?{urlencode({'filters': filters})}") as answer:
            if answer.status != 200:
                raise EngineLost(self._silent(f"status {answer.status} for its events"))
            yield self._told(answer)

    async def _told(self, answer: _Answer) -> AsyncIterator[Event]:
        rest = b""
        while data := await answer.more():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LARGEST:
                raise EngineLost(self._silent(f"an event of more than {LARGEST} bytes"))
            for line in lines:
                if line.strip():
                    yield _event(line)

    async def _json(self, target: str) -> dict[str, Any]:
        async with self._asked(target) as answer:
            body = await answer.whole()
            if answer.status != 200:
                raise EngineLost(self._silent(f"status {answer.status}"))
            return self._object(body)

    def _object(self, body: bytes) -> dict[str, Any]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EngineLost(self._silent(f"no JSON: {error}")) from error
        if not isinstance(found, dict):
            raise EngineLost(self._silent("not the JSON of an engine"))
        return found

    def _silent(self, why: object) -> str:
        return f"the container engine at {self.path} does not answer: {why}"

    @asynccontextmanager
    async def _asked(self, target: str) -> AsyncGenerator[_Answer]:
        """Ask, and wait until an answer has begun; the connection ends with the block."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.path)
                answer = _Answer(reader, same_pids=_same_pids(writer.get_extra_info("socket")))
                writer.write(answer.request(target))
                await answer.begin()
            yield answer
        except TimeoutError as error:
            raise EngineLost(self._silent(f"it is silent for {ANSWER_SECONDS:.0f} s")) from error
        except OSError as error:
            raise EngineLost(self._silent(error.strerror or error)) from error
        except h11.RemoteProtocolError as error:
            raise EngineLost(self._silent(f"no HTTP: {error}")) from error
        finally:
            if writer is not None:
                writer.close()


class _Answer:
    """One answer as it comes in.  Raises what ``Engine._asked`` makes EngineLost of."""

    def __init__(self, reader: asyncio.StreamReader, *, same_pids: bool) -> None:
        self._reader = reader
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES)
        self.same_pids = same_pids
        self.status = 0

    def request(self, target: str) -> bytes:
        headers = [("Host", "engine"), ("Connection", "close")]
        asked = self._http.send(h11.Request(method="GET", target=target, headers=headers)) or b""
        return asked + (self._http.send(h11.EndOfMessage()) or b"")

    async def begin(self) -> None:
        while not isinstance(event := await self._event(), h11.Response):
            pass
        self.status = event.status_code

    async def more(self) -> bytes:
        """Return the next part of the body; nothing at its end."""
        event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def whole(self) -> bytes:
        """Return all of the body."""
        parts, size = [], 0
        async with asyncio.timeout(ANSWER_SECONDS):
            while part := await self.more():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise h11.RemoteProtocolError(f"an answer of more than {LARGEST} bytes")
        return b"".join(parts)

    async def _event(self) -> object:
        data = b"-"
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(65536)
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            if data:
                raise
            raise ConnectionResetError(errno.ECONNRESET, "it has ended") from error
        return event


def _container(found: Mapping[str, Any], *, same_pids: bool) -> Container:
    state, network = found["State"], found["NetworkSettings"] or {}
    # While it waits to be started again, docker calls it running; it has no process then.
    pid = int(state["Pid"])
    return Container(
        str(found["Id"]),
        state["Running"] is True and state.get("Restarting") is not True and pid > 0,
        pid if same_pids else 0,
        str(network.get("SandboxKey") or ""),
        str((found.get("HostConfig") or {}).get("NetworkMode") or ""),
    )


def _event(line: bytes) -> Event:
    """Read an event; one that cannot be read says that something happened, which is what counts."""
    try:
        actor = json.loads(line)["Actor"]
        told: Sequence[object] = (
            actor["ID"],
            *(actor["Attributes"].get(key) for key in ("name", "oldName")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return Event()
    return Event(frozenset(each.removeprefix("/") for each in told if isinstance(each, str) and each))


def _same_pids(connection: socket.socket) -> bool:
    """Say whether the engine's process ids are ours: whether who listens lives in our process namespace.

    The kernel translates the listener's id; it is 0 for who cannot be seen from here (SO_PEERCRED, unix(7)).
    """
    size = struct.calcsize("3i")
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    try:
        return bool(pid) and os.stat(f"/proc/{pid}/ns/pid").st_ino == os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return False
