"""Bytes on the hub's sockets that no ZeroMQ of ours sends: it goes on, serves others, and keeps nothing of them."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.wire import HUB_SOCKET, UPDATES_SOCKET
from tests.unit.pubsub.place import Site

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
"""Of the protocol that ZeroMQ speaks (ZMTP 3.0, RFC 23): what both ends begin with."""
CONNECTIONS = 400
MEBIBYTES = 64


def noise(chance: random.Random) -> bytes:
    """What a client says from its first byte on, wrong somewhere."""
    said = bytearray(GREETING + b"\x04" + bytes([len(READY)]) + READY)
    for _ in range(chance.randrange(5)):
        frame = chance.choice(
            [b"PUT", b"SNAPSHOT", b"CALL", b"RESTARTED", b"", chance.randbytes(40), b"[" * 200]
        )
        size = len(frame) if chance.random() < 0.8 else chance.randrange(256)
        said += bytes([chance.choice([0, 0, 1, 1, 2, 4, 6, 255]), size]) + frame
    if chance.random() < 0.1:
        said += b"\x02" + (1 << 62).to_bytes(8) + b"x"  # a frame that has no end
    for _ in range(chance.randrange(4)):
        said[chance.randrange(len(said))] = chance.randrange(256)
    return bytes(said[: chance.randrange(len(said))]) if chance.random() < 0.2 else bytes(said)


def shout(path: Path, chance: random.Random) -> list[socket.socket]:
    """Connect and say it; half of them stay, as somebody would who means it."""
    stay = []
    for _ in range(CONNECTIONS):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(5)
        with suppress(OSError):
            one.connect(str(path))
            one.sendall(noise(chance))
        if chance.random() < 0.5:
            stay.append(one)
        else:
            one.close()
    return stay


@pytest.mark.parametrize("name", [HUB_SOCKET, UPDATES_SOCKET])
async def test_noise(site: Site, name: str) -> None:
    """Hundreds of connections that say nonsense: others are served meanwhile and after, and memory is as before."""
    async with site.both() as (hub, client):
        await client.put([Change("NetworkInstanceConfig", "a", {"spec": {}})])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stay = await asyncio.to_thread(shout, site.run / name, random.Random(20261122))
        for number in range(20):
            await client.put([Change("NetworkInstanceConfig", "a", {"spec": {"mtu": 1300 + number}})])
        assert hub.rows("NetworkInstanceConfig") == {"a": {"spec": {"mtu": 1319}}}
        for one in stay:
            one.close()
        await client.put([Change("NetworkInstanceConfig", "b", {"spec": {}})])
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEBIBYTES * 1024
