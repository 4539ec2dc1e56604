"""Whether there is a container engine to ask: the lines of ``doctor`` about containers."""

from __future__ import annotations

import asyncio

from netnsmgr.errors import KernelError

COSTS = "no applications with 'attach: {container: NAME}'"
FIX = "start docker or podman (podman.socket), or say where its socket is: --engine PATH, NETNSMGR_ENGINE"


def line(given: str) -> tuple[bool, str]:
    """Say whether the engine answers, and who it is or why it does not; ``given``: the path of its socket, if told."""
    try:
        from netnsmgr.kernel.engine import Engine, socket_path
    except ImportError as error:
        return False, str(error)
    try:
        engine = Engine(socket_path(given))
        return True, f"{asyncio.run(engine.version())} at {engine.path}"
    except KernelError as error:
        return False, str(error).partition("; ")[0]
