"""Pins of the namespaces of processes, against the real kernel."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netnsmgr.kernel.namespace import inode
from netnsmgr.supervisor import attach
from netnsmgr.supervisor.attach import Attachments
from tests.lab import isolated

PINS = Path("/run/attach")


@contextmanager
def container() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a network namespace of its own."""
    with subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo; read x; exit 0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is inside
        try:
            yield process
        finally:
            process.kill()


async def until_gone(path: Path) -> None:
    for _ in range(10000):
        if not path.exists():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{path} is still there")


@isolated
async def test_a_process_s_namespace_is_pinned_while_it_lives_and_is_wanted() -> None:
    """The pin is the process's own namespace; it goes with the wish, and with the process."""
    attachments = Attachments("/run")
    with container() as first, container() as second:
        attachments.want([first.pid, second.pid])
        pin = PINS / f"pid-{first.pid}"
        assert inode(str(pin)) == os.stat(f"/proc/{first.pid}/ns/net").st_ino != inode()
        attachments.want([second.pid])
        assert not pin.exists()
        second.kill()
        await until_gone(PINS / f"pid-{second.pid}")
        assert os.listdir(PINS) == []


@isolated
async def test_a_process_of_the_device_itself_is_not_pinned() -> None:
    """An application with the device's own network has no place for an interface."""
    with subprocess.Popen(["sleep", "60"]) as process:
        attachments = Attachments("/run")
        attachments.want([process.pid])
        assert os.listdir(PINS) == []
        attachments.want([])
        process.kill()


@isolated
async def test_left_pins_of_an_earlier_supervisor_go() -> None:
    """A supervisor that starts does not know whether a process is still the same: it pins anew."""
    with container() as process:
        Attachments("/run").want([process.pid])
        again = Attachments("/run")
        assert os.listdir(PINS) == []
        again.want([process.pid])
        assert inode(str(PINS / f"pid-{process.pid}")) is not None


@isolated
async def test_a_process_that_is_not_there_yet_is_tried_again() -> None:
    """A missing process is looked for again, by one timer however often it is asked for."""
    attach.RETRY_SECONDS = 0.01
    loop = asyncio.get_running_loop()
    tried = asyncio.Event()
    attachments = Attachments("/run")
    calls = 0

    def pin(pid: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            tried.set()

    attachments._pin = pin  # type: ignore[method-assign]
    for _ in range(3):
        attachments.want([4194303])
    assert sum(not handle.cancelled() for handle in loop._scheduled) == 1  # type: ignore[attr-defined]
    await asyncio.wait_for(tried.wait(), 5)
    attachments.want([])
