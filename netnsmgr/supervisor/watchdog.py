"""systemd's watchdog: told that all is well only while the hub's sockets really answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.client import AsyncClient

ALIVE = "alive"
"""The call that is answered."""
BEATS = 3
"""In the time after which systemd gives up (``WATCHDOG_USEC``); sd_watchdog_enabled(3) advises two or more."""

log = structlog.get_logger()


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how long systemd lets us be silent; None if nobody watches, or another process than this one."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    usec = environ.get("WATCHDOG_USEC", "")
    return int(usec) / 1e6 if usec.isdigit() and int(usec) > 0 else None


async def answer(_value: Any) -> bool:
    """Answer the call."""
    return True


async def watchdog(run_dir: str, seconds: float, notify: Callable[[str], object]) -> None:
    """Ask the hub as anybody asks it, and have ``notify`` tell systemd; until cancelled.

    So the loop has to go round, the sockets have to be there, and what is asked has to be answered.
    """
    pause = seconds / BEATS
    async with AsyncClient(run_dir, "watchdog") as client:
        while True:
            try:
                await client.call(ALIVE, timeout=pause)
            except NetnsmgrError as error:
                log.error("the hub does not answer", cause=str(error))
            else:
                notify("WATCHDOG=1")
            await asyncio.sleep(pause)
