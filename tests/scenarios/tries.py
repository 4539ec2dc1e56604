"""``tries.py AGENT USER FILE``: give up what that agent gives up, try what the file says, tell what became of it."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from netnsmgr.agent.rights import Person, give_up

CALLS: dict[str, tuple[int, ...]] = {
    "unshare": (0x10000000,),
    "mount": (0, 0, 0, 0, 0),
    "umount2": (0, 0),
    "ptrace": (16, 1, 0, 0),
    "bpf": (321, 0, 0, 0),
    "keyctl": (250, 0, 0),
}
"""Arguments; of those that the C library does not know the number comes first (x86-64)."""

RUN = "/run/netnsmgr"


def main(agent: str, user: int, file: str) -> None:
    with open(file, encoding="utf-8") as opened:
        wanted: dict[str, list[Any]] = json.load(opened)
    asks = bool(wanted.get("read") or wanted.get("put"))
    if asks:
        import netnsmgr.pubsub.client  # noqa: F401  while it is still root
    own = [
        f"{RUN}/instances/{agent}",
        f"/var/lib/netnsmgr/leases/{agent}",
        f"/var/lib/netnsmgr/secrets/{agent}",
    ]
    give_up(Person(user), own, 0)
    tries: dict[str, Callable[[Any], object]] = {
        "enter": enter,
        "calls": call,
        "open": lambda path: os.close(os.open(path, os.O_RDONLY)),
        "write": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)),
        "kill": lambda pid: os.kill(pid, 0),
        "connect": connect,
    }
    found = {}
    for kind, things in wanted.items():
        for thing in things if kind in tries else ():
            try:
                tries[kind](thing)
                found[f"{kind} {thing}"] = "fine"
            except OSError as error:
                found[f"{kind} {thing}"] = errno.errorcode[error.errno or 0]
    if asks:
        found |= asyncio.run(hub(agent, wanted))
    print(json.dumps(found))


def enter(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    call("setns", fd, 0)


def call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    function = getattr(libc, name, libc.syscall)
    if function(*map(ctypes.c_ulong, arguments or CALLS[name])) < 0:
        raise OSError(ctypes.get_errno(), name)


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)


async def hub(agent: str, wanted: dict[str, list[Any]]) -> dict[str, str]:
    from netnsmgr.errors import ConfigError, Unreachable
    from netnsmgr.pubsub.client import AsyncClient

    found: dict[str, str] = {}
    async with AsyncClient(f"{RUN}/given/{agent}", f"agent:{agent}") as client:
        views = {table: client.subscribe(table) for table in wanted.get("read", ())}
        for table, key in wanted.get("put", ()):
            try:
                await client.put([(table, key, {"name": key})])
                found[f"put {table}"] = "fine"
            except ConfigError:
                found[f"put {table}"] = "refused"
        try:
            async with asyncio.timeout(5):
                while not all(view.synchronized for view in views.values()):
                    await asyncio.sleep(0.05)
        except (TimeoutError, Unreachable):
            pass
        for table, view in views.items():
            found[f"read {table}"] = "fine" if view.synchronized or view.rows else "refused"
    return found


if __name__ == "__main__":
    signal.alarm(60)
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
