"""Helpers that stay in the foreground: which of them failed, and what they are not told."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.process import Process
from netnsmgr.kernel import processes
from netnsmgr.kernel.namespace import inode
from tests.kernel import helper
from tests.kernel.stage import ETC, stage
from tests.kernel.test_process import once
from tests.lab import isolated


@isolated
async def test_one_that_stays_and_ends_at_once_is_said_to_fail() -> None:
    """A helper that ends right after each start is no loop: from the second time on it fails, with its own words."""
    Path(ETC).mkdir(parents=True)
    script = f"{ETC}/client.{inode()}.0.sh"
    Path(script).write_text(
        "[ -e /run/go ] && read go </run/go && rm /run/go; echo out of luck >&2; [ -e /run/good ] || exit 3; sleep 60; :\n"
    )
    client = Process("client", ("/bin/sh", script), stays=True, rights=helper.RIGHTS)
    os.mkfifo("/run/go")
    changed = asyncio.Event()
    async with stage(changed=changed.set) as agent:
        assert await once(agent, client) == [f"create {client.ref}"]
        await asyncio.to_thread(Path("/run/go").write_text, "go\n")
        await asyncio.wait_for(changed.wait(), 5)
        for _ in range(2):
            with pytest.raises(KernelError, match="/bin/sh: out of luck"):
                await once(agent, client)
        Path("/run/good").touch()
        assert await once(agent, client) == [f"create {client.ref}"]
        assert await once(agent, client) == []


@isolated
async def test_one_that_was_ended_is_not_said_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is replaced soon after its start has not failed: nobody waits to see whether its successor does."""
    monkeypatch.setattr(processes, "BRIEF", 600.0)
    Path(ETC).mkdir(parents=True)
    script = f"{ETC}/client.{inode()}.0.sh"
    Path(script).write_text("sleep 60; :\n")
    client = Process("client", ("/bin/sh", script), stays=True, rights=helper.RIGHTS)
    async with stage() as agent:
        for _ in range(2):
            assert await once(agent, client) == [f"create {client.ref}"]
            assert await once(agent) == [f"delete {client.ref}"]


@isolated
async def test_a_helper_knows_nothing_of_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd tells the daemon is the daemon's: unbound, for one, would say in its name that it is ready."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    Path(ETC).mkdir(parents=True)
    script = f"{ETC}/client.{inode()}.0.sh"
    Path(script).write_text('echo "[$NOTIFY_SOCKET]" >/run/told; sleep 60; :\n')
    os.mkfifo("/run/told")
    async with stage() as agent:
        await once(agent, Process("client", ("/bin/sh", script), stays=True, rights=helper.RIGHTS))
        assert await asyncio.to_thread(Path("/run/told").read_text) == "[]\n"
