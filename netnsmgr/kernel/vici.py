"""charon's own socket (VICI), by the wire format of strongSwan's package `vici`, on the agent's loop.

The package's ``Session`` waits in the thread that asks, and a charon whose threads are all busy lets it wait for minutes;
here whoever waits can be interrupted, and requests and events share one connection (strongSwan, `libcharon/plugins/vici/README.md`).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from vici.exception import DeserializationException
from vici.protocol import FiniteStream, Message, Packet

from netnsmgr.errors import KernelError

ANSWER_SECONDS = 10.0
LARGEST = 512 * 1024
"""Bytes of a message at most, as charon has it."""

Said = dict[str, Any]
"""A message: texts, lists of texts, and sections; what is no UTF-8 is replaced."""


class ViciError(KernelError):
    """charon refused, in its own words."""


class ViciLost(KernelError):
    """charon has ended, or does not answer."""


class Vici:
    """A connection to one charon; ``heard`` is given each event that was asked for, ``lost`` is called once, at its end."""

    def __init__(self, heard: Callable[[str, Said], object], lost: Callable[[], object]) -> None:
        self._heard = heard
        self._lost = lost
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[tuple[int, FiniteStream]] | None = None
        self._streamed: tuple[str, list[Said]] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, path: str) -> Self:
        """Connect; raises OSError while nobody answers there."""
        reader, self._writer = await asyncio.open_unix_connection(path)
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def register(self, *events: str) -> None:
        """Be told these events from now on."""
        for event in events:
            await self._exchange(Packet.register_event(event), Packet.EVENT_CONFIRM, f"event {event}")

    async def request(self, command: str, message: Mapping[str, Any] | None = None) -> Said:
        """Ask; raises ViciError with charon's words when it says that it failed."""
        async with self._turn:
            return await self._request(command, message)

    async def listed(self, command: str, event: str, message: Mapping[str, Any] | None = None) -> list[Said]:
        """Ask for what is told as a series of events."""
        async with self._turn:
            found: list[Said] = []
            self._streamed = event, found
            try:
                await self._send(Packet.register_event(event), Packet.EVENT_CONFIRM, f"event {event}")
                await self._request(command, message)
                await self._send(Packet.unregister_event(event), Packet.EVENT_CONFIRM, f"event {event}")
            finally:
                self._streamed = None
            return found

    async def close(self) -> None:
        """Leave; charon goes on."""
        self._lost = lambda: None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _request(self, command: str, message: Mapping[str, Any] | None) -> Said:
        packet = Packet.request(command, None if message is None else Message.serialize(message))
        answer = _readable(await self._send(packet, Packet.CMD_RESPONSE, command))
        if answer.get("success", "yes") != "yes":
            raise ViciError(f"charon, {command}: {answer.get('errmsg') or 'failed'}")
        return answer

    async def _exchange(self, packet: bytes, expected: int, what: str) -> None:
        async with self._turn:
            await self._send(packet, expected, what)

    async def _send(self, packet: bytes, expected: int, what: str) -> FiniteStream:
        if self._writer is None or self._reading is None or self._reading.done():
            raise ViciLost("charon has ended")
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._writer.write(struct.pack("!I", len(packet)) + packet)
        try:
            # Not wait_for(): it loses a cancellation that comes together with the answer (CPython before 3.12).
            async with asyncio.timeout(ANSWER_SECONDS):
                kind, stream = await answer
        except TimeoutError:
            # What comes later would be taken for the answer to the next request.
            self._reading.cancel()
            raise ViciLost(f"charon has not answered {what} within {ANSWER_SECONDS:g} s") from None
        finally:
            self._answer = None
        if kind != expected:
            raise ViciError(f"charon knows no {what}")
        return stream

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                if length > LARGEST:
                    break
                self._take(Packet.parse(await reader.readexactly(length)))
        except (OSError, EOFError, struct.error, DeserializationException):
            pass
        finally:
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(ViciLost("charon has ended"))
            if self._writer is not None:
                self._writer.close()
                with suppress(OSError):
                    await self._writer.wait_closed()
            self._lost()

    def _take(self, packet: Any) -> None:
        if packet.response_type != Packet.EVENT:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((packet.response_type, packet.payload))
            return
        event = packet.event_type.decode(errors="replace")
        said = _readable(packet.payload)
        if self._streamed is not None and self._streamed[0] == event:
            self._streamed[1].append(said)
        else:
            self._heard(event, said)


def _readable(stream: FiniteStream) -> Said:
    found: Said = _text(Message.deserialize(stream))
    return found


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [_text(each) for each in value]
    return {key: _text(each) for key, each in value.items()}
