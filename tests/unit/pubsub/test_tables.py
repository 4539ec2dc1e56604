"""The tables' names."""

from __future__ import annotations

import pytest

from netnsmgr.pubsub import tables


def test_scoped_tables() -> None:
    """Each agent and each instance has a table of its own, of which only the link's is another agent's to write."""
    assert tables.agent_config("ni1") == "AgentConfig/ni1"
    assert tables.link_status("ni1") == "LinkStatus/ni1"
    assert tables.is_daemons(tables.agent_config("ni1"))
    assert not tables.is_daemons(tables.link_status("ni1"))


def test_kinds_go_to_persistent_tables() -> None:
    """What users write is what is kept."""
    assert set(tables.KIND_TABLE.values()) == set(tables.PERSISTENT)


@pytest.mark.parametrize(
    "name", ["", "Foo", "AgentConfig", "AgentConfig/", "AgentConfig/a/b", "X/a", "devicePortConfig"]
)
def test_no_such_table(name: str) -> None:
    """A name that is nearly right is wrong."""
    assert not tables.is_table(name)


@pytest.mark.parametrize(
    "name",
    [*tables.PERSISTENT, *tables.STATUS, tables.EVENT, "AgentConfig/a", "LinkStatus/a", "AgentEvent/a"],
)
def test_tables(name: str) -> None:
    """All tables are known, and which of them are kept on disk."""
    assert tables.is_table(name)
    assert tables.is_persistent(name) == (name in tables.PERSISTENT)
