"""Which severity daemon and agents log, changed while they run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from netnsmgr import log
from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.tables import agent_config
from netnsmgr.supervisor.agents import Settings

DAEMON = "daemon"


class _Agents(Protocol):
    settings: Settings

    @property
    def slices(self) -> Iterable[str]: ...


class LogLevels:
    """Answers the call ``log-level``.  What is set lasts until the daemon ends."""

    def __init__(self, hub: Hub, supervisor: _Agents) -> None:
        self._hub = hub
        self._supervisor = supervisor
        self._daemon = supervisor.settings.log_level

    async def answer(self, value: Any) -> dict[str, str]:
        """Set ``level`` for ``agent`` (``daemon``, an agent's name; none: all), if told; return that of each.

        Raises NetnsmgrError if there is no such level or agent.
        """
        level, agent = (value or {}).get("level"), (value or {}).get("agent")
        agents = sorted(self._supervisor.slices)
        if agent not in (None, DAEMON, *agents):
            raise NetnsmgrError(f"there is no agent {agent!r}; there are: {', '.join((DAEMON, *agents))}")
        if level is not None:
            if level not in log.LEVELS:
                raise NetnsmgrError(f"there is no level {level!r}; levels are: {', '.join(log.LEVELS)}")
            if agent in (None, DAEMON):
                self._daemon = level
                log.set_level(level)
            if agent is None:
                # Agents of instances to come are started with it.
                self._supervisor.settings = self._supervisor.settings._replace(log_level=level)
            for name in agents if agent is None else [agent]:
                if name != DAEMON:
                    self._hub.put(agent_config(name), "log", {"level": level})
        found = {DAEMON: self._daemon} | {name: self._of(name) for name in agents}
        return found if agent is None else {agent: found[agent]}

    def _of(self, name: str) -> str:
        row = self._hub.rows(agent_config(name)).get("log")
        return str(row["level"]) if row else self._supervisor.settings.log_level
