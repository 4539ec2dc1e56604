"""The door to charon's socket: answers between events, refusals, and a charon that ends or says nothing."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from vici.protocol import Message, Packet

from netnsmgr.kernel import vici
from netnsmgr.kernel.vici import Said, Vici, ViciError, ViciLost

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def packet(kind: int, message: dict[str, Any] | None = None, event: str = "") -> bytes:
    body = struct.pack("!B", kind)
    body += struct.pack("!B", len(event)) + event.encode() if event else b""
    body += bytes(Message.serialize(message or {}))
    return struct.pack("!I", len(body)) + body


@asynccontextmanager
async def served(
    path: Path, serve: Serve
) -> AsyncIterator[tuple[Vici, list[tuple[str, Said]], asyncio.Event]]:
    """A charon that says what ``serve`` writes."""
    heard: list[tuple[str, Said]] = []
    lost = asyncio.Event()
    server = await asyncio.start_unix_server(serve, path)
    door = Vici(lambda event, said: heard.append((event, said)), lost.set)
    try:
        yield await door.open(str(path)), heard, lost
    finally:
        await door.close()
        server.close()


def test_answers_between_events(tmp_path: Path) -> None:
    """Events that come before an answer are heard, and those of a list are in it; what is no text does no harm."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        confirm = packet(Packet.EVENT_CONFIRM)
        log = packet(Packet.EVENT, {"msg": b"caf\xe9"}, "log")
        for answer in (
            confirm,  # log
            log + confirm,  # list-sa
            packet(Packet.EVENT, {"a": {"children": ["x"]}}, "list-sa") + log + packet(Packet.CMD_RESPONSE),
            confirm,
            packet(Packet.CMD_RESPONSE, {"success": "no", "errmsg": "no such thing"}),
            packet(Packet.EVENT_UNKNOWN),
        ):
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(length)
            writer.write(answer)

    async def ask() -> None:
        async with served(tmp_path / "vici", serve) as (door, heard, _):
            await door.register("log")
            assert await door.listed("list-sas", "list-sa") == [{"a": {"children": ["x"]}}]
            assert heard == [("log", {"msg": "caf\ufffd"})] * 2
            with pytest.raises(ViciError, match="charon, initiate: no such thing"):
                await door.request("initiate", {"child": "net"})
            with pytest.raises(ViciError, match="knows no event nothing"):
                await door.register("nothing")

    asyncio.run(ask())


@pytest.mark.parametrize(
    "last", [b"", b"\x00\x00", struct.pack("!I", 5) + b"\x01", struct.pack("!I", 1 << 30)]
)
def test_charon_ends(tmp_path: Path, last: bytes) -> None:
    """In the middle of whatever: who waits for an answer is told, and so is who only listens; and nothing hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(last)
        writer.close()

    async def ask() -> None:
        async with served(tmp_path / "vici", serve) as (door, _, lost):
            with pytest.raises(ViciLost):
                await door.request("version")
            await asyncio.wait_for(lost.wait(), 5)
            with pytest.raises(ViciLost):
                await door.request("version")

    asyncio.run(ask())


def test_charon_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is not waited for for ever, and is not taken for that of another question."""
    monkeypatch.setattr(vici, "ANSWER_SECONDS", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask() -> None:
        async with served(tmp_path / "vici", serve) as (door, _, lost):
            with pytest.raises(ViciLost, match="has not answered version within"):
                await door.request("version")
            await asyncio.wait_for(lost.wait(), 5)

    asyncio.run(ask())
