"""The two processes of the metadata service: what they may do, and that it outlives either, and its agent."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kernel.metadatastage import (
    SECRET,
    configure,
    curl,
    items,
    processes,
    scope,
    served,
)
from tests.kernel.stage import ETC, sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.root  # the process changes its user


@isolated
async def test_the_process_has_no_privileges_and_the_file_is_root_s() -> None:
    """Who answers has given up root and all capabilities; what it answers from only root may read."""
    async with served("app1") as (agent, of):
        assert curl("app1", "/user-data") == (200, SECRET)
        keeper, server = processes(agent)
        status = Path(f"/proc/{server}/status").read_text()
        uid = int(sh("id -u nobody"))
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
        assert "CapEff:\t0000000000000000" in status
        assert "CapPrm:\t0000000000000000" in status
        assert re.search(r"Groups:\s*\n", status)
        assert sh(f"stat -c '%a %u' {ETC}/metadata.json") == "600 0"
        for pid in (keeper, server):
            for name in ("cmdline", "environ"):
                assert b"s3cr3t" not in Path(f"/proc/{pid}/{name}").read_bytes()
        reading = ["setpriv", f"--reuid={uid}", "--clear-groups", "cat", f"/proc/{server}/environ"]
        assert subprocess.run(reading, capture_output=True, check=False).returncode != 0
        assert "s3cr3t" not in repr(items(of))


@isolated
async def test_who_answers_may_crash_alone() -> None:
    """The process that answers is replaced when it ends; when both end, the agent starts them again."""
    ended = asyncio.Event()
    async with served("app1") as (agent, of):
        agent.system.processes._changed = ended.set
        assert curl("app1", "/")[0] == 200
        keeper, server = processes(agent)
        os.kill(server, signal.SIGKILL)
        assert curl("app1", "/user-data") == (200, SECRET)
        assert processes(agent)[0] == keeper
        os.kill(keeper, signal.SIGKILL)
        await asyncio.wait_for(ended.wait(), 5)
        assert await agent.bring(*items(of)) == ["create process/metadata"]
        assert curl("app1", "/user-data") == (200, SECRET)


@isolated
async def test_a_restarted_agent_finds_it() -> None:
    """Another agent of the same namespace takes the running one for its own, and can end it."""
    async with served("app1") as (agent, of):
        before = processes(agent)
        async with stage(fresh=False) as restarted:
            assert await restarted.bring(*items(of)) == []
            assert processes(restarted) == before
            await restarted.bring(*items(scope()))
            assert not Path(f"/proc/{before[1]}").exists()
            await restarted.bring(*items(of))
            configure("app1", 1)
            assert curl("app1", "/")[0] == 200
