"""One agent's process, with a fork server of straw."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from netnsmgr.agent.rights import Person
from netnsmgr.supervisor import agents
from netnsmgr.supervisor.agents import CHECKS, AgentProcess, Settings
from tests.unit.supervisor.endless import endless


@pytest.mark.parametrize("fault", [EOFError("unexpected EOF"), ConnectionRefusedError()])
def test_a_fork_server_that_dies_while_it_is_asked(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """However the fork server's end shows, the agent is started again a little later."""

    class Process:
        def __init__(self, **_: object) -> None:
            pass

        def start(self) -> None:
            raise fault

    monkeypatch.setattr(agents._fork_server, "Process", Process)
    heard: list[str] = []

    async def run() -> None:
        settings, nobody = Settings("", "", "", ""), Person(None)
        agent = AgentProcess("ni1", settings, lambda: nobody, lambda: heard.append("changed"), heard.clear)
        agent.start()
        assert (agent.state, agent.restarts, heard) == ("backing-off", 1, ["changed"])
        assert agent._timer is not None
        assert cast("Any", agent.cause).startswith("could not be started")
        agent.stop()

    asyncio.run(run())


def test_an_endless_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who shows no sign of life says where he hangs, ends, and is started again; not before he had his time."""
    monkeypatch.setattr(agents, "agent_main", endless)
    settings = Settings(str(tmp_path), "", "", "", 5.0)

    async def run() -> None:
        changed = asyncio.Event()
        agent = AgentProcess("ni1", settings, lambda: Person(None), changed.set, changed.clear)
        agent.start()
        async with asyncio.timeout(30):
            while not (tmp_path / "begun").exists():
                await asyncio.sleep(0.01)
            for _ in range(CHECKS):
                changed.clear()
                assert agent.state == "running"
                agent.check()
            await changed.wait()
        assert (agent.state, agent.restarts) == ("backing-off", 1)
        assert agent.cause == "killed: no sign of life for 5 s"
        agent.stop()

    asyncio.run(run())
    assert "in endless" in (tmp_path / "stack").read_text()
