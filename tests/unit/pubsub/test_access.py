"""What an agent may ask of the hub, and what not."""

from __future__ import annotations

import pytest

from netnsmgr.pubsub import tables, wire
from netnsmgr.pubsub.access import Guard
from netnsmgr.pubsub.row import Change

ROOT, UPLINK, NI1, NI2, GONE = 0, 1000, 1001, 1002, 1003
USERS = {UPLINK: "uplink", NI1: "ni1", NI2: "ni2", GONE: ""}
guard = Guard(USERS.get)


def put(writer: str, table: str, key: str, *, takeover: bool = False, replace: bool = False) -> wire.Put:
    return wire.Put(b"1", writer, b"life", (Change(table, key, {}),), takeover, replace)


OWN = [
    (NI1, wire.Snapshot(tables.agent_config("ni1"))),
    (NI1, wire.Snapshot(tables.link_status("ni1"))),
    (NI1, wire.Snapshot(tables.FLOW_LOG)),
    (NI1, put("agent:ni1", tables.INSTANCE_STATUS, "ni1")),
    (NI1, put("agent:ni1", tables.APP_STATUS, "ni1/app1/eth0")),
    (NI1, put("agent:ni1", "AgentEvent/ni1", "3")),
    (NI1, put("flowlog:ni1", tables.FLOW_LOG, "ni1/app1")),
    (NI1, wire.Restarted("flowlog:ni1", b"life", tables.FLOW_LOG)),
    (UPLINK, wire.Snapshot(tables.agent_config("uplink"))),
    (UPLINK, wire.Snapshot(tables.APP_STATUS)),
    (UPLINK, put("agent:uplink", tables.DEVICE_STATUS, "device")),
    (UPLINK, put("agent:uplink", tables.link_status("ni2"), "link")),
    *((ROOT, wire.Snapshot(table)) for table in (*tables.PERSISTENT, tables.agent_config("ni1"))),
    (ROOT, put("cli", tables.INSTANCE_CONFIG, "ni1", takeover=True)),
    (ROOT, wire.Call(b"1", "plan", None)),
]
OTHERS = [
    *((NI1, wire.Snapshot(table)) for table in tables.PERSISTENT),
    (NI1, wire.Snapshot(tables.agent_config("ni2"))),
    (NI1, wire.Snapshot(tables.agent_config("uplink"))),
    (NI1, wire.Snapshot(tables.link_status("ni2"))),
    (NI1, wire.Snapshot(tables.APP_STATUS)),
    (NI1, wire.Snapshot(tables.AGENT_STATUS)),
    (NI1, put("agent:ni1", tables.INSTANCE_STATUS, "ni2")),
    (NI1, put("agent:ni1", tables.APP_STATUS, "ni2/app2/eth0")),
    (NI1, put("agent:ni1", tables.AGENT_STATUS, "ni1")),
    (NI1, put("agent:ni1", tables.agent_config("ni1"), "config")),
    (NI1, put("agent:ni1", tables.link_status("ni1"), "link")),
    (NI1, put("agent:ni1", tables.DEVICE_STATUS, "device")),
    (NI1, put("agent:ni1", "AgentEvent/ni2", "3")),
    (NI1, put("agent:ni1", tables.INSTANCE_CONFIG, "ni1")),
    (NI1, put("agent:ni2", tables.INSTANCE_STATUS, "ni1")),
    (NI1, put("supervisor", tables.INSTANCE_STATUS, "ni1")),
    (NI1, put("agent:ni1", tables.INSTANCE_STATUS, "ni1", takeover=True)),
    (NI1, put("agent:ni1", tables.INSTANCE_STATUS, "ni1", replace=True)),
    (NI1, wire.Restarted("agent:ni2", b"life", tables.INSTANCE_STATUS)),
    (NI1, wire.Restarted("cli", b"life", tables.INSTANCE_CONFIG)),
    (NI1, wire.Call(b"1", "plan", None)),
    (UPLINK, wire.Snapshot(tables.agent_config("ni1"))),
    (UPLINK, wire.Snapshot(tables.INSTANCE_CONFIG)),
    (UPLINK, put("agent:uplink", tables.INSTANCE_STATUS, "ni1")),
    (UPLINK, put("agent:uplink", tables.agent_config("ni1"), "config")),
    # Of an instance that is gone, and of nobody that the kernel knows.
    *((user, wire.Snapshot(tables.agent_config("ni1"))) for user in (GONE, -1)),
    *((user, wire.Snapshot(tables.FLOW_LOG)) for user in (GONE, -1)),
    *((user, put("agent:", tables.APP_STATUS, "/app1/eth0")) for user in (GONE, -1)),
]


@pytest.mark.parametrize(("user", "request_"), OWN, ids=str)
def test_what_is_its_own(user: int, request_: wire.Request) -> None:
    """It reads its configuration and writes its status."""
    assert guard.refusals(user, request_) == ()


@pytest.mark.parametrize(("user", "request_"), OTHERS, ids=str)
def test_what_is_others(user: int, request_: wire.Request) -> None:
    """It is told why not."""
    assert guard.refusals(user, request_)


def test_who_may_follow_what() -> None:
    """A subscription is for what may be read; of the flow log an instance is shown its own rows, once."""
    assert guard.may_read(NI1, wire.CONTROL)
    assert guard.may_read(NI1, tables.agent_config("ni1"))
    assert not guard.may_read(NI1, tables.agent_config("ni2"))
    assert not guard.may_read(NI1, tables.FLOW_LOG)
    assert guard.prefix(NI1, tables.FLOW_LOG) == "ni1/"
    assert guard.prefix(NI1, tables.agent_config("ni1")) == guard.prefix(ROOT, tables.FLOW_LOG) == ""
