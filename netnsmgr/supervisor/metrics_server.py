"""Who asks for metrics is answered over HTTP: on ``metrics.sock`` in the run directory, and on TCP if that is wanted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.wire import socket_path
from netnsmgr.services.metadata.answers import Answer, sentence
from netnsmgr.supervisor.metrics import CONTENT_TYPE

SOCKET = "metrics.sock"
CONNECTIONS = 8
"""At a time; more are closed at once."""
SECONDS = 10.0
"""That a client has for asking and for taking the answer."""

log = structlog.get_logger()


class MetricsServer:
    """``async with MetricsServer(run_dir, text, tcp)``: owns ``metrics.sock`` and the port of TCP.

    ``text`` returns the metrics of the moment; ``tcp`` is ADDRESS:PORT, or empty.  Nobody is asked who he is: the socket
    has the mode of the hub's, the port has none.  Raises NetnsmgrError on entering if it cannot listen.
    """

    def __init__(self, run_dir: str, text: Callable[[], bytes], tcp: str = "") -> None:
        self._path = socket_path(run_dir, SOCKET)
        self._text = text
        self._tcp = tcp
        self._open = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> None:
        await self._stack.__aenter__()
        try:
            await self._listen()
        except BaseException:
            await self._stack.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _listen(self) -> None:
        self._path.unlink(missing_ok=True)  # of a daemon that was killed; the run directory's lock is ours
        before = os.umask(0o117)
        try:
            server = await asyncio.start_unix_server(self._serve, self._path)
        except OSError as error:
            raise NetnsmgrError(f"cannot listen at {self._path}: {error}") from None
        finally:
            os.umask(before)
        self._stack.callback(Path.unlink, self._path, missing_ok=True)
        self._stack.callback(server.close)
        if self._tcp:
            host, port = address(self._tcp)
            try:
                server = await asyncio.start_server(self._serve, host, port)
            except OSError as error:
                raise NetnsmgrError(f"--metrics: cannot listen at {self._tcp}: {error}") from None
            self._stack.callback(server.close)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                await self._exchange(reader, writer)
        except (OSError, TimeoutError):
            pass
        except Exception:
            log.exception("metrics failed")
        finally:
            self._open -= 1
            with suppress(OSError):
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from netnsmgr.services.metadata.exchange import Exchange  # h11, which nobody needs who asks nothing

        exchange = Exchange(self._respond)
        while not exchange.over:
            async with asyncio.timeout(SECONDS):
                data = await reader.read(65536)
                reply = exchange.receive(data)
                while reply:
                    writer.write(reply)
                    await writer.drain()
                    reply = exchange.proceed()

    def _respond(self, method: str, target: str) -> Answer:
        if target.partition("?")[0] not in ("/", "/metrics"):
            return sentence(404, "there is nothing but /metrics here")
        if method not in ("GET", "HEAD"):
            return sentence(405, "metrics can only be read (GET, HEAD)", ("Allow", "GET, HEAD"))
        return Answer(200, CONTENT_TYPE, self._text())


def address(text: str) -> tuple[str, int]:
    """Return host and port of ADDRESS:PORT, [ADDRESS6]:PORT; raises NetnsmgrError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise NetnsmgrError(f"--metrics: {text!r}: write ADDRESS:PORT, such as 127.0.0.1:9465 or [::1]:9465")
    return host, int(port)
