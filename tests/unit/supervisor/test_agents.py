"""One agent's process, with a fork server of straw."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from netnsmgr.agent.rights import Person
from netnsmgr.supervisor import agents
from netnsmgr.supervisor.agents import AgentProcess, Settings


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
