"""Transactions, ownership, persistence and calls, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub.store import Meta, State, Store
from tests.unit.pubsub.place import Site, Until

NI, APP, STATUS = "NetworkInstanceConfig", "AppNetworkConfig", "NetworkInstanceStatus"


async def test_accepted_transaction(site: Site, until: Until) -> None:
    """It is a new revision, told to listeners row by row and then as a whole, and to subscribers."""
    async with site.both() as (hub, client):
        told: list[object] = []
        hub.on_change(lambda *change: told.append(change))
        hub.on_config(told.append)
        view = client.subscribe(NI)
        assert await client.put([(NI, "ni1", {"x": 1}), (APP, "app", {"y": 1})]) == 1
        assert told == [(NI, "ni1", {"x": 1}), (APP, "app", {"y": 1}), 1]
        assert hub.rows(NI) == {"ni1": {"x": 1}}
        await until(client, lambda: view.rows == {"ni1": {"x": 1}})


async def test_same_again_is_no_revision(site: Site) -> None:
    """Applying a file twice does nothing the second time."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", {"x": 1})])
        hub.on_config(lambda revision: pytest.fail("told about nothing"))
        assert await client.put([(NI, "ni1", {"x": 1})]) == 1


async def test_refused_transaction_changes_nothing(site: Site) -> None:
    """One bad row among good ones: all problems come back, and neither memory nor disk has changed."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", {"x": 1})])
        disk = Store(site.state).load()
        with pytest.raises(ConfigError) as e:
            await client.put([(NI, "ni1", {"bad": 1}), (NI, "ni2", {}), (APP, "app", {"bad": 1})])
        assert e.value.problems == tuple(Problem("is bad", ("spec", "bad"), n) for n in (0, 2))
        assert (hub.revision, hub.rows(NI), hub.rows(APP)) == (1, {"ni1": {"x": 1}}, {})
        assert Store(site.state).load() == disk


async def test_configuration_and_status_do_not_mix(site: Site) -> None:
    """A transaction is one or the other."""
    async with site.both() as (hub, client):
        with pytest.raises(ConfigError, match="together"):
            await client.put([(NI, "ni1", {}), (STATUS, "ni1", {})])
        assert not hub.rows(NI)


async def test_one_writer_per_row(site: Site) -> None:
    """Another writer is refused for configuration and status alike, until it takes over; and keeps it then."""
    async with site.both() as (hub, zedbox), site.client("operator") as operator:
        for table in NI, STATUS:
            await zedbox.put([(table, "ni1", {"x": 1})])
            with pytest.raises(ConfigError, match="'zedbox'"):
                await operator.put([(table, "ni1", None)])
            await operator.put([(table, "ni1", {"x": 1})], takeover=True)
            with pytest.raises(ConfigError, match="'operator'"):
                await zedbox.put([(table, "ni1", None)])
        assert hub.revision == 1
    async with site.both() as (hub, zedbox):
        with pytest.raises(ConfigError, match="'operator'"):
            await zedbox.put([(NI, "ni1", None)])


async def test_agents_configuration_is_the_daemons(site: Site) -> None:
    """What agents obey cannot be put past the validation."""
    async with site.both() as (hub, client):
        hub.put("AgentConfig/ni1", "config", {"x": 1})
        with pytest.raises(ConfigError, match="only the daemon"):
            await client.put([("AgentConfig/ni2", "config", {})], takeover=True)
        with pytest.raises(ValueError, match="transactions"):
            hub.put(NI, "ni1", {})


async def test_persistence(site: Site) -> None:
    """Configuration and revision outlive the hub; status does not."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", {"x": 1})])
        await client.put([(NI, "ni2", {"x": 2})])
        await client.put([(NI, "ni1", None)])
        await client.put([(STATUS, "ni2", {})])
    async with site.hub() as hub:
        assert (hub.revision, hub.rows(NI), hub.rows(STATUS), hub.complete) == (
            3,
            {"ni2": {"x": 2}},
            {},
            True,
        )


async def test_damaged_file(site: Site) -> None:
    """The hub starts from the revision before and says that absence proves nothing."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", {})])
        await client.put([(NI, "ni2", {})])
    (site.state / "revisions/0000000002.jsonl").write_bytes(b"\0\0")
    async with site.both() as (hub, client):
        assert (set(hub.rows(NI)), hub.complete, hub.revision) == ({"ni1"}, False, 3)
        hub.complete = True
        assert await client.put([(NI, "ni2", {})]) == 4
    assert Store(site.state).load().complete


async def test_mended_without_another_change(site: Site) -> None:
    """That nothing is missing any more is on disk by itself, in the same revision."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", {})])
    (site.state / "revisions/0000000001.jsonl").write_bytes(b"")
    async with site.hub() as hub:
        hub.complete = True
    async with site.hub() as hub:
        assert (hub.complete, hub.revision) == (True, 2)


async def test_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stored is refused, and is not in memory either."""

    def full(_self: Store, _state: State, _meta: Meta) -> None:
        raise OSError(28, "No space left on device")

    async with site.both() as (hub, client):
        monkeypatch.setattr(Store, "save", full)
        with pytest.raises(ConfigError, match="No space left"):
            await client.put([(NI, "ni1", {})])
        assert (hub.revision, hub.rows(NI)) == (0, {})


async def test_disk_does_not_hold_up_status(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a transaction is being synced, status and snapshots go on; the next transaction waits its turn."""
    synced, began, order = threading.Event(), threading.Event(), list[str]()
    save = Store.save

    def slow(self: Store, state: State, meta: Meta) -> None:
        began.set()
        order.append("begin")
        synced.wait(5)
        save(self, state, meta)
        order.append("end")

    monkeypatch.setattr(Store, "save", slow)
    async with site.both() as (_hub, client):
        puts = [asyncio.create_task(client.put([(NI, f"ni{n}", {})])) for n in range(2)]
        await asyncio.to_thread(began.wait, 5)
        await client.put([(STATUS, "ni1", {})])
        assert await client.snapshot(NI) == {}
        synced.set()
        assert await asyncio.gather(*puts) == [1, 2]
        assert order == ["begin", "end"] * 2


async def test_transaction_under_way_is_finished_at_shutdown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that is told to stop while it writes acknowledges what is on disk then."""
    began, synced = threading.Event(), threading.Event()
    save = Store.save

    def slow(self: Store, state: State, meta: Meta) -> None:
        began.set()
        synced.wait(5)
        save(self, state, meta)

    monkeypatch.setattr(Store, "save", slow)
    async with site.client() as client:
        async with site.hub():
            put = asyncio.create_task(client.put([(NI, "ni1", {})]))
            await asyncio.to_thread(began.wait, 5)
            asyncio.get_running_loop().call_soon(synced.set)
        assert await put == 1


async def test_validation_that_fails_itself(site: Site) -> None:
    """A fault in the validation refuses the transaction and does not stop the hub."""

    async def broken(_changes: object) -> list[Problem]:
        raise KeyError("x")

    async with site.both(validate=broken) as (_hub, client):
        for _ in range(2):
            with pytest.raises(ConfigError, match="its own fault"):
                await client.put([(NI, "ni1", {})])


async def test_listener_that_fails(site: Site) -> None:
    """A fault in a listener keeps the row from nobody."""

    def broken(*_args: object) -> None:
        raise KeyError("x")

    async with site.both() as (hub, client):
        hub.on_change(broken)
        hub.on_config(broken)
        assert await client.put([(NI, "ni1", {})]) == 1


async def test_calls(site: Site) -> None:
    """A call gets the handler's value, its problems, its error, or a word that there is no such thing."""

    async def handler(value: Any) -> Any:
        match value:
            case "problems":
                raise ConfigError([Problem("no good", ("spec",))])
            case "error":
                raise NetnsmgrError("cannot be done")
            case "fault":
                raise KeyError("x")
            case "object":
                return object()
        return {"got": value}

    async with site.both() as (hub, client):
        hub.serve("check", handler)
        assert await client.call("check", [1, None]) == {"got": [1, None]}
        with pytest.raises(ConfigError, match="spec: no good"):
            await client.call("check", "problems")
        for value, text in ("error", "cannot be done"), ("fault", "its own fault"), ("object", "JSON"):
            with pytest.raises(NetnsmgrError, match=text):
                await client.call("check", value)
        with pytest.raises(NetnsmgrError, match="another version"):
            await client.call("nonsense")


async def test_too_many_waiting(site: Site) -> None:
    """More calls than can wait are refused at once; the others are answered."""
    go = asyncio.Event()

    async def handler(value: Any) -> Any:
        await go.wait()
        return value

    async with site.both() as (hub, client):
        hub.serve("wait", handler)
        calls = [asyncio.create_task(client.call("wait", n)) for n in range(260)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        go.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[:256] == list(range(256))
        assert all("busy" in str(r) for r in results[256:])


async def test_two_hubs_on_one_directory(site: Site) -> None:
    """The second daemon is told so, and does not disturb the first."""
    async with site.both() as (_hub, client):
        with pytest.raises(NetnsmgrError, match="another netnsmgr daemon uses"):
            await site.hub().__aenter__()
        assert await client.put([(NI, "ni1", {})]) == 1


async def test_stale_sockets_are_replaced(site: Site) -> None:
    """What a killed hub left behind is in nobody's way."""
    site.run.mkdir()
    for name in "hub.sock", "updates.sock":
        (site.run / name).touch()
    async with site.both() as (_hub, client):
        assert await client.put([(NI, "ni1", {})]) == 1
    assert {p.name for p in site.run.iterdir()} == {"hub.lock"}


async def test_permissions(site: Site) -> None:
    """Owner and group may use the sockets, others may not."""
    async with site.hub():
        modes = {p.name: p.stat().st_mode & 0o777 for p in (site.run, *site.run.iterdir())}
        assert modes == {"run": 0o750, "hub.sock": 0o660, "updates.sock": 0o660, "hub.lock": 0o600}


async def test_path_too_long(site: Site) -> None:
    """A run directory that no socket can be in is named in words."""
    site.run = site.run / ("x" * 100)
    with pytest.raises(NetnsmgrError, match="shorter"):
        await site.hub().__aenter__()


async def test_replacement(site: Site) -> None:
    """All that a writer has is what is put; what goes for that is told, users before what they use."""
    async with site.both() as (hub, client), site.client("operator") as operator:
        await operator.put([(NI, "ni9", {})])
        await client.put([(NI, "ni1", {}), (NI, "ni2", {}), (APP, "app", {})])
        assert await client.transact([(NI, "ni2", {"x": 1})], replace=True) == (
            3,
            ((APP, "app"), (NI, "ni1")),
            0,
            0,
        )
        assert await client.transact([(NI, "ni2", {"x": 1})], replace=True) == (3, (), 0, 0)
        assert await client.transact([], replace=True) == (4, ((NI, "ni2"),), 0, 0)
        assert await client.transact([], replace=True) == (4, (), 0, 0)
        assert (hub.rows(NI), hub.rows(APP)) == ({"ni9": {}}, {})
        with pytest.raises(ConfigError, match="only configuration"):
            await client.transact([(STATUS, "ni1", {})], replace=True)
    assert set(Store(site.state).load().rows[NI]) == {"ni9"}
