"""The two processes of the metadata service: what they may do, and that it outlives either, and its agent."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.kernel.metadatastage import (
    SECRET,
    configure,
    curl,
    items,
    processes,
    scope,
    served,
)
from tests.kernel.stage import DIRECTORY, sh, stage
from tests.lab import isolated


@isolated
async def test_who_answers_has_no_privileges_and_no_files() -> None:
    """Who answers holds no capability and opens no file of the service's; the data are the keeper's alone, and in no argument."""
    async with served("app1") as (agent, of):
        assert curl("app1", "/user-data") == (200, SECRET)
        keeper, server = processes(agent)
        for pid, held in ((keeper, 1 << 10), (server, 0)):  # CAP_NET_BIND_SERVICE
            status = Path(f"/proc/{pid}/status").read_text()
            for kind in ("Prm", "Eff", "Amb"):
                assert f"Cap{kind}:\t{held:016x}" in status
            assert "NoNewPrivs:\t1" in status
            for name in ("cmdline", "environ"):
                assert b"s3cr3t" not in Path(f"/proc/{pid}/{name}").read_bytes()
        assert sh(f"stat -c '%a %u' {DIRECTORY}/private/metadata.json") == "600 0"
        assert sh(f"stat -c '%a' {DIRECTORY}/private") == "700"
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
