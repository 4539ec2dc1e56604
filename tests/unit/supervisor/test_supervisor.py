"""The supervisor with a hub and agents of straw: who is started, told, and cleaned up after."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from unittest.mock import Mock

import pytest

from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.tables import AGENT_STATUS, INSTANCE_STATUS, KIND_TABLE, agent_config
from netnsmgr.supervisor import supervisor as module
from netnsmgr.supervisor.agents import Settings
from netnsmgr.supervisor.supervisor import Supervisor

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
NI = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "ni1"}, "spec": {"subnets": ["10.1.0.0/24"]}}


class StrawHub:
    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.complete = True
        self.transactions = SimpleNamespace(returns=lambda table, key: False)
        self.revision = 1
        self.door = Mock()

    def rows(self, table: str) -> dict[str, Any]:
        return self.tables.get(table, {})

    def put(self, table: str, key: str, value: Any) -> None:
        self.tables.setdefault(table, {})[key] = value

    def drop_table(self, table: str) -> None:
        self.tables.pop(table, None)

    def configure(self, *documents: dict[str, Any]) -> None:
        for table in KIND_TABLE.values():
            self.drop_table(table)
        for document in documents:
            self.put(KIND_TABLE[document["kind"]], document["metadata"]["name"], document)


class StrawAgent:
    started: list[str]

    def __init__(
        self,
        name: str,
        settings: Settings,
        home: object,
        changed: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        self.name, self.state, self.pid, self.restarts, self.cause, self.since = (
            name,
            "running",
            7,
            0,
            None,
            0.0,
        )
        self.done = done

    def start(self) -> None:
        StrawAgent.started.append(self.name)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> StrawHub:
    StrawAgent.started = []
    monkeypatch.setattr(module, "AgentProcess", StrawAgent)

    class NoAttachments:
        reasons: ClassVar[dict[str, str]] = {}

        def __init__(self, run_dir: str, engine: str, changed: object) -> None:
            self.changed = changed

        def want(self, pids: object) -> None:
            pass

        def want_containers(self, names: object, *, keep: bool) -> None:
            self.wanted, self.keep = names, keep

    monkeypatch.setattr(module, "Attachments", NoAttachments)
    monkeypatch.setattr(module, "Lending", Mock())  # it watches directories, and these tests have many loops
    return StrawHub()


def supervisor(hub: StrawHub, place: Path) -> Supervisor:
    return Supervisor(cast("Any", hub), Settings(str(place), str(place), "info", "console"), users=0)


def numbers(place: Path) -> Any:
    return json.loads((place / "numbers.json").read_text())


def test_an_agent_for_each_instance_and_the_uplink(hub: StrawHub, tmp_path: Path) -> None:
    """Each instance has an agent, and so has the device; a second time nobody is started again."""
    hub.configure(NI)
    made = supervisor(hub, tmp_path)
    for revision in (1, 2):
        made.apply(revision)
        assert sorted(StrawAgent.started) == ["ni1", "uplink"]
        assert hub.rows(agent_config("ni1"))["config"]["revision"] == 1
    assert numbers(tmp_path) == {"ni1": 0}


def test_numbers_that_a_power_failure_took(hub: StrawHub, tmp_path: Path) -> None:
    """An empty file, which a rename that was not synced may leave, does not keep the daemon from starting."""
    (tmp_path / "numbers.json").write_text("")
    hub.configure(NI)
    supervisor(hub, tmp_path).apply(1)
    assert numbers(tmp_path) == {"ni1": 0}


def test_a_removed_instance_is_told_and_forgotten_when_done(hub: StrawHub, tmp_path: Path) -> None:
    """The agent of a removed instance is told; its rows, files and number go when it has finished."""
    hub.configure(NI)
    made = supervisor(hub, tmp_path)
    made.apply(1)
    leases = tmp_path / "leases" / "ni1"
    leases.mkdir(parents=True)
    hub.configure()
    made.apply(2)
    assert hub.rows(agent_config("ni1"))["config"]["deleting"]
    assert hub.rows(AGENT_STATUS)["ni1"]["state"] == "deleting"
    cast("Any", made._agents["ni1"]).done()
    assert hub.rows(agent_config("ni1")) == {}
    assert hub.rows(INSTANCE_STATUS)["ni1"] is None
    assert numbers(tmp_path) == {}
    assert not leases.exists()


def test_wanted_again_while_it_goes(hub: StrawHub, tmp_path: Path) -> None:
    """An instance that is applied again before its deletion has ended starts over, with its number."""
    made = supervisor(hub, tmp_path)
    for documents in ((NI,), (), (NI,)):
        hub.configure(*documents)
        made.apply(1)
    cast("Any", made._agents["ni1"]).done()
    assert StrawAgent.started.count("ni1") == 2
    assert numbers(tmp_path) == {"ni1": 0}


def test_removed_while_the_daemon_was_down(hub: StrawHub, tmp_path: Path) -> None:
    """Instances whose deletion ended with the machine, namespaces and all, are forgotten without an agent."""
    (tmp_path / "numbers.json").write_text('{"gone1": 0, "gone2": 1, "gone3": 2}')
    hub.configure(NI)
    supervisor(hub, tmp_path).apply(1)
    assert sorted(StrawAgent.started) == ["ni1", "uplink"]
    assert numbers(tmp_path) == {"ni1": 3}


def test_a_damaged_store_deletes_nothing(hub: StrawHub, tmp_path: Path) -> None:
    """When part of the stored configuration could not be read, what is absent is not taken for removed."""
    (tmp_path / "numbers.json").write_text('{"lost": 0}')
    hub.complete = False
    hub.configure(NI)
    supervisor(hub, tmp_path).apply(1)
    assert numbers(tmp_path) == {"lost": 0, "ni1": 1}
    assert sorted(StrawAgent.started) == ["ni1", "uplink"]


DEVICE = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {}}


def test_when_a_damaged_configuration_is_whole_again(hub: StrawHub, tmp_path: Path) -> None:
    """With the Device somebody applies it as a whole; neither a start nor another change says what was lost of it."""
    hub.complete = False
    hub.configure(DEVICE, NI)
    made = supervisor(hub, tmp_path)

    async def given(document: dict[str, Any]) -> bool:
        table = KIND_TABLE[document["kind"]]
        assert await made.validate([Change(table, document["metadata"]["name"], document)]) == []
        made.apply(2)
        return hub.complete

    made.apply(1)
    assert not hub.complete
    assert [asyncio.run(given(document)) for document in (NI, DEVICE)] == [False, True]


async def _later() -> None:
    await asyncio.sleep(0)  # what was put off with call_soon has been done after this


def test_the_last_words_of_an_agent_that_has_gone_are_taken_back(hub: StrawHub, tmp_path: Path) -> None:
    """A status row that arrives after its instance was removed does not stay: its agent's end is heard first, at times."""

    async def run() -> None:
        made = supervisor(hub, tmp_path)
        hub.configure(NI)
        made.apply(1)
        made.on_row(INSTANCE_STATUS, "ni1", {"state": "ready"})
        hub.put(INSTANCE_STATUS, "ni1", {"state": "ready"})
        await _later()
        assert hub.rows(INSTANCE_STATUS)["ni1"] == {"state": "ready"}
        hub.put(INSTANCE_STATUS, "gone", {"state": "deleting"})
        made.on_row(INSTANCE_STATUS, "gone", {"state": "deleting"})
        await _later()
        assert hub.rows(INSTANCE_STATUS)["gone"] is None

    asyncio.run(run())


def test_a_full_link_pool_makes_a_new_instance_wait(hub: StrawHub, tmp_path: Path) -> None:
    """Numbers of instances that are still being deleted are not given away; the new one starts when one is free."""

    async def run() -> None:
        device = HEAD | {
            "kind": "Device",
            "metadata": {"name": "d"},
            "spec": {"linkPool": "169.254.100.0/31"},
        }
        other = NI | {"metadata": {"name": "ni2"}}
        made = supervisor(hub, tmp_path)
        hub.configure(device, NI)
        made.apply(1)
        hub.configure(device, other)
        made.apply(2)
        assert "ni2" not in StrawAgent.started
        cast("Any", made._agents["ni1"]).done()
        await _later()
        assert "ni2" in StrawAgent.started
        assert numbers(tmp_path) == {"ni2": 0}

    asyncio.run(run())


def test_a_device_in_use_is_not_deleted(hub: StrawHub, tmp_path: Path) -> None:
    """Alone it is refused; together with the switch that has its port, or where it is replaced, it goes."""
    edge = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth3"}]}}
    spec = {"type": "switch", "ports": ["eth3"]}
    plant = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "plant"}, "spec": spec}
    hub.configure(edge, plant)
    made = supervisor(hub, tmp_path)
    alone = Change(KIND_TABLE["Device"], "edge", None)
    (found,) = asyncio.run(made.validate([alone]))
    assert found.what.startswith(
        "Device 'edge' cannot be deleted: its ports are used by switch 'plant' (eth3);"
    )
    together = [alone, Change(KIND_TABLE["NetworkInstance"], "plant", None)]
    assert asyncio.run(made.validate(together)) == []
    other = edge | {"metadata": {"name": "other"}}
    assert asyncio.run(made.validate([alone, Change(KIND_TABLE["Device"], "other", other)])) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="secrets are root's")
def test_secrets_are_looked_at(hub: StrawHub, tmp_path: Path) -> None:
    """Files with secrets are looked at before anything is applied, of the documents that are applied alone."""
    psk = tmp_path / "ni1.psk"
    vpn = {
        "ipsec": {
            "connections": [
                {
                    "name": "c1",
                    "remote": "198.51.100.1",
                    "localAuth": {"psk": {"file": str(psk)}},
                    "children": [{"name": "net", "remote": ["10.20.0.0/24"]}],
                }
            ]
        }
    }
    ni1 = {**NI, "spec": {"subnets": ["10.1.0.0/24"], "ports": ["eth0"], "vpn": vpn}}
    ni2 = {**NI, "metadata": {"name": "ni2"}}
    made = supervisor(hub, tmp_path)

    def problems(*documents: dict[str, Any]) -> list[str]:
        changes = [Change(KIND_TABLE[each["kind"]], each["metadata"]["name"], each) for each in documents]

        async def run() -> list[str]:
            found = [f"{each.document} {each}" for each in await made.validate(changes)]
            await _later()
            return found

        return asyncio.run(run())

    where = "spec.vpn.ipsec.connections[0].localAuth.psk.file"
    assert problems(ni2, ni1) == [
        (
            f"1 {where}: there is no file {psk}; put the secret there, on the device, owned by root with mode 0600"
        )
    ]
    psk.write_text("secret!", encoding="ascii")
    psk.chmod(0o644)
    (said,) = problems(ni1)
    assert said.startswith(f"0 {where}: {psk} can be read by everybody (mode 0644)")
    psk.chmod(0o600)
    assert problems(ni1, ni2) == []
    hub.configure(ni1)
    made.apply(1)
    assert hub.rows(agent_config("ni1"))["config"]["files"].keys() == {str(psk)}
    psk.write_text("another!", encoding="ascii")
    hub.revision = 2
    assert problems(ni1) == []
    assert hub.rows(agent_config("ni1"))["config"]["revision"] == 2, "a file that has changed is news"
    hub.revision = 3
    assert problems(ni1, ni2) == []
    assert hub.rows(agent_config("ni1"))["config"]["revision"] == 2
    psk.unlink()
    assert problems(ni2) == [], "what was applied before is no reason to refuse a change elsewhere"


def test_secrets_go_with_their_instance(hub: StrawHub, tmp_path: Path) -> None:
    """Keys that were generated for an instance are removed when it is gone."""
    key = tmp_path / "secrets" / "ni1" / "wg0.key"
    other = tmp_path / "secrets" / "ni2" / "wg0.key"
    for each in (key, other):
        each.parent.mkdir(parents=True)
        each.write_text("", encoding="ascii")
    made = supervisor(hub, tmp_path)
    hub.configure(NI)
    made.apply(1)
    hub.configure()
    made.apply(2)
    cast("Any", made._agents["ni1"]).done()
    assert not key.exists()
    assert other.exists()


def contained(name: str, container: str) -> dict[str, Any]:
    interface = {"name": name, "network": "ni1"}
    spec = {"attach": {"container": container}, "interfaces": [interface]}
    return HEAD | {"kind": "App", "metadata": {"name": name}, "spec": spec}


def test_why_a_container_is_not_attached(hub: StrawHub, tmp_path: Path) -> None:
    """It is a row for the agent whose applications it is of, changed with the reason and gone with the application."""
    hub.configure(NI, contained("app1", "one"), contained("app2", "two"))
    made = supervisor(hub, tmp_path)
    attachments = cast("Any", made._attachments)
    attachments.reasons = {"one": "there is no container one"}
    made.apply(1)
    assert attachments.wanted == {"one", "two"}
    told = agent_config("ni1")
    revision = hub.rows(told)["config"]["revision"]
    assert hub.rows(told)["containers"] == {"one": "there is no container one"}
    attachments.reasons = {"two": "container two is not running", "other": "what nobody asks for"}
    for name in ("two", "other"):
        attachments.changed(name)
    assert hub.rows(told)["containers"] == {"two": "container two is not running"}
    attachments.reasons = {}
    attachments.changed("two")
    assert hub.rows(told)["containers"] is None
    assert hub.rows(told)["config"]["revision"] == revision
    attachments.reasons = {"two": "container two is not running"}
    hub.configure(NI, contained("app1", "one"))
    made.apply(2)
    assert attachments.wanted == {"one"}
    assert hub.rows(told)["containers"] is None
