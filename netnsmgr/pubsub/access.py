"""What an agent may ask of the hub: to read what concerns it, and to write what it alone knows.  Pure.

Who speaks the kernel says (SO_PEERCRED, which ZeroMQ shows with each message of a socket of the file system), and the
supervisor, whose user that is.  The agent's helpers are of the same user, and so may the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netnsmgr.errors import Problem
from netnsmgr.pubsub import tables, wire

UPLINK = "uplink"
WRITERS = ("agent", "flowlog")
"""What its programs call themselves before the colon: no row is the others' because somebody says so."""


class Guard:
    """``agent_of`` tells whose a user is: an agent's, or (None) somebody's who may all."""

    def __init__(self, agent_of: Callable[[int], str | None]) -> None:
        self._agent_of = agent_of

    def may_read(self, user: int, table: str) -> bool:
        """Say whether a user's processes may hear of a table."""
        agent = self._agent(user)
        return agent is None or may_read(agent, table)

    def prefix(self, user: int, table: str) -> str:
        """Return how the keys begin of what a user's processes may see of a table that they may ask for."""
        agent = self._agent(user)
        return "" if agent is None or may_read(agent, table) else f"{agent}/"

    def refusals(self, user: int, request: wire.Request) -> tuple[Problem, ...]:
        """Return why a user's processes may not ask this; nothing if they may."""
        agent = self._agent(user)
        return () if agent is None else tuple(map(Problem, refusals(agent, request)))

    def _agent(self, user: int) -> str | None:
        return "" if user < 0 else self._agent_of(user)


def may_read(agent: str, table: str) -> bool:
    """Say whether an agent may hear of a table."""
    if table in (wire.CONTROL, tables.agent_config(agent), tables.link_status(agent)):
        return True
    # Which instances run, and for which addresses of IPv6 the device has to answer.
    return agent == UPLINK and table in (tables.AGENT_STATUS, tables.APP_STATUS)


def may_write(agent: str, table: str, key: str) -> bool:
    """Say whether a row is an agent's to write."""
    if table == f"AgentEvent/{agent}":
        return True
    if agent == UPLINK:
        return table == tables.DEVICE_STATUS or (
            tables.is_scoped(table) and table == tables.link_status(table.partition("/")[2])
        )
    if table == tables.INSTANCE_STATUS:
        return key == agent
    return table in (tables.APP_STATUS, tables.FLOW_LOG) and key.partition("/")[0] == agent


def refusals(agent: str, request: wire.Request) -> Iterator[str]:
    """Yield why an agent may not ask this; nothing if it may."""
    match request:
        case wire.Snapshot(table):
            # Its flow log asks once for what it has told in an earlier life, and is shown that alone.
            if not may_read(agent, table) and not (agent and table == tables.FLOW_LOG):
                yield f"{agent or 'nobody'} may not read {table}"
        case wire.Restarted(writer, _, table):
            yield from _writer(agent, writer)
            if tables.is_persistent(table):
                yield f"{agent or 'nobody'} may not write {table}"
        case wire.Put():
            yield from _writer(agent, request.writer)
            if request.takeover or request.replace:
                yield "an agent takes nothing over"
            for table, key, _ in request.changes:
                if not may_write(agent, table, key):
                    yield f"{agent or 'nobody'} may not write {table} {key!r}"
        case wire.Call(_, name):
            yield f"{agent or 'nobody'} may not call {name!r}"


def _writer(agent: str, writer: str) -> Iterator[str]:
    kind, _, name = writer.partition(":")
    if kind not in WRITERS or name != agent or not agent:
        yield f"{agent or 'nobody'} may not write as {writer!r}"
