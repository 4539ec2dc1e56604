"""Subscribing and publishing, over real sockets, with hubs that restart and messages that get lost."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from netnsmgr.errors import NetnsmgrError, Problem, Unreachable
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import WireError
from netnsmgr.pubsub.wire import Request, Snapshot
from tests.unit.pubsub.place import Site, Until

NI, STATUS = "NetworkInstanceConfig", "NetworkInstanceStatus"


async def test_snapshot_then_updates(site: Site, until: Until) -> None:
    """A late joiner gets what there is, then what changes, each once."""
    async with site.both() as (hub, client):
        hub.put(STATUS, "a", {"x": 1})
        told: list[object] = []
        view = client.subscribe(STATUS, lambda *change: told.append(change))
        view.on_synchronized = lambda: told.append("synchronized")
        # The subscription comes by another connection than the question for the snapshot, and maybe later; what is
        # put before it comes is in another snapshot, whose rows have no order.  Its greeting has the client look again.
        await until(client, lambda: view.synchronized and STATUS in hub._door._topics)
        hub.put(STATUS, "b", {"x": 2})
        hub.put(STATUS, "b", {"x": 2})
        hub.put(STATUS, "a", None)
        await until(client, lambda: "a" not in view.rows)
        assert told == [("a", {"x": 1}), "synchronized", ("b", {"x": 2}), ("a", None)]


async def test_update_between_snapshot_and_subscription(site: Site, until: Until) -> None:
    """An update that passes after the snapshot and before the subscription arrives is noticed at once."""
    async with site.both() as (hub, client):
        view = client._client.subscribe(STATUS, follow=False)  # the snapshot, without the subscription
        client._pump_soon()
        await until(client, lambda: view.synchronized)
        hub.put(STATUS, "a", {})
        client.subscribe(STATUS)
        await until(client, lambda: "a" in view.rows)


async def test_lost_update_is_noticed_by_the_heartbeat(
    site: Site, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it was the last one."""
    async with site.both() as (hub, client):
        view = client.subscribe(STATUS)
        await until(client, lambda: view.synchronized)
        await client.put([(STATUS, "seen", {})])  # so that the subscription's greeting is behind us
        await until(client, lambda: "seen" in view.rows)
        with monkeypatch.context() as m:
            m.setattr(hub._door, "publish", lambda frames: None)
            hub.put(STATUS, "a", {})
        hub._beat()
        await until(client, lambda: "a" in view.rows)


async def test_heartbeat_beats(site: Site, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own timer does it."""
    async with site.both(heartbeat=0.05) as (hub, client):
        view = client.subscribe(STATUS)
        await until(client, lambda: view.synchronized)
        with monkeypatch.context() as m:
            m.setattr(hub._door, "publish", lambda frames: None)
            hub.put(STATUS, "a", {})
        await until(client, lambda: "a" in view.rows)


async def test_unanswered_snapshot_is_asked_for_again(
    site: Site, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost answer costs a second, not the subscription."""
    monkeypatch.setattr("netnsmgr.pubsub.peer.ASK_AGAIN", 0.05)
    async with site.both() as (hub, client):
        with monkeypatch.context() as m:
            lost = asyncio.Event()
            m.setattr(hub._door, "reply", lambda peer, frames: lost.set())
            view = client.subscribe(STATUS)
            await lost.wait()
        await until(client, lambda: view.synchronized)


async def test_an_answer_that_waits_to_be_read_is_not_asked_for_again(site: Site, until: Until) -> None:
    """Who is late only because the machine is busy does not make it busier."""
    async with site.both() as (hub, client):
        asked: list[object] = []
        at_once = hub._door._request
        view = client.subscribe(STATUS)

        def request(peer: bytes, user: int, asks: Request) -> None:
            asked.append(asks)
            at_once(peer, user, asks)
            assert client._client._dealer.poll(5000)
            view.ask_at = 0.0 if isinstance(asks, Snapshot) else None
            client._pump_soon()  # looking has consumed what the descriptor would have shown

        hub._door._request = request
        await until(client, lambda: view.synchronized)
        await client.put([(STATUS, "a", {})])  # the hub has read all that was sent before
        assert [each for each in asked if isinstance(each, Snapshot)] == [Snapshot(STATUS)]


async def test_hub_restarts(site: Site, until: Until) -> None:
    """Views follow the new hub; own status rows are told again, as they are now; foreign ones are gone."""
    async with site.client("agent") as agent, site.client("cli") as cli:
        view = cli.subscribe(STATUS)
        async with site.hub() as hub:
            agent.publish(STATUS, "own", {"x": 1})
            agent.publish(STATUS, "gone", {})
            agent.restarted(STATUS)
            hub.put(STATUS, "supervisor's", {})
            await until(cli, lambda: len(view.rows) == 3 and view.restarted)
        agent.publish(STATUS, "own", {"x": 2})
        agent.publish(STATUS, "own", {"x": 3})
        agent.publish(STATUS, "gone", None)
        async with site.hub() as hub:
            seen: list[object] = []
            hub.on_change(lambda *change: seen.append(change))
            await until(cli, lambda: view.rows == {"own": {"x": 3}} and view.restarted)
            assert (STATUS, "own", {"x": 2}) not in seen


async def test_put_survives_a_hub_restart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub dies with a transaction unanswered: the next one gets it from the client, and answers."""
    taken = asyncio.Event()

    async def lose(hub: Hub, peer: bytes, put: object) -> None:
        taken.set()

    async with site.client() as client:
        view = client.subscribe(NI)
        with monkeypatch.context() as m:
            m.setattr(Hub, "_transaction", lose)
            async with site.hub():
                assert await client.wait(lambda: view.synchronized, 30)
                put = asyncio.create_task(client.put([(NI, "ni1", {})]))
                await taken.wait()
        async with site.hub():
            assert await put == 1


async def test_equal_value_is_not_sent(site: Site, until: Until) -> None:
    """A level-triggered publisher may publish all it has, as often as it likes."""
    async with site.both() as (_hub, client):
        for _ in range(3):
            client.publish(STATUS, "a", {"x": [1]})
        assert len(client._client._unsent) == 1
        await until(client, lambda: not client._client._unsent)
        client.publish(STATUS, "a", {"x": [1]})
        assert not client._client._unsent


async def test_rows_survive_their_writers_disconnect(site: Site) -> None:
    """And a restarted writer's stale ones go when it has said everything it knows."""
    async with site.hub() as hub:
        changed = asyncio.Queue[tuple[str, object]]()
        hub.on_change(lambda table, key, value: changed.put_nowait((key, value)))
        async with site.client("agent") as agent:
            agent.publish(STATUS, "kept", {})
            agent.publish(STATUS, "stale", {})
        assert [(await changed.get())[0] for _ in range(2)] == ["kept", "stale"]
        async with site.client("agent") as agent:
            agent.publish(STATUS, "kept", {})
            agent.restarted(STATUS)
            assert await changed.get() == ("stale", None)
        assert set(hub.rows(STATUS)) == {"kept"}


async def test_refused_status(site: Site) -> None:
    """A row of somebody else's that was published is told to a callback, and to no other row's harm."""
    async with site.both() as (hub, client):
        hub.put(STATUS, "theirs", {"x": 1})
        changed = asyncio.Queue[tuple[str, object]]()
        hub.on_change(lambda table, key, value: changed.put_nowait((key, value)))
        refused = asyncio.Queue[tuple[Problem, ...]]()
        client.on_refused(refused.put_nowait)
        client.publish(STATUS, "theirs", {"x": 2})
        client.publish(STATUS, "ours", {})
        (problem,) = await refused.get()
        assert "'supervisor'" in str(problem)
        assert await changed.get() == ("ours", {})  # the refusal may arrive before the hub has it
        assert hub.rows(STATUS) == {"theirs": {"x": 1}, "ours": {}}


async def test_nobody_there(site: Site) -> None:
    """A put without a hub fails in time, and is not carried out by a hub that comes later."""
    async with site.client() as client:
        with pytest.raises(Unreachable, match="netnsmgr daemon"):
            await client.put([(NI, "ni1", {})], timeout=0.05)
        assert not client.connected
        with pytest.raises(Unreachable):
            await client.snapshot(NI, timeout=0.05)
        async with site.hub() as hub:
            assert await client.put([(NI, "ni2", {})]) == 1
            assert client.connected
            assert set(hub.rows(NI)) == {"ni2"}


async def test_cancelled_put_is_not_sent(site: Site) -> None:
    """Who stops waiting before there is a hub has not asked for anything."""
    async with site.client() as client:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.put([(NI, "ni1", {})]), 0.02)
        async with site.hub() as hub:
            await client.put([(NI, "ni2", {})])
            assert set(hub.rows(NI)) == {"ni2"}


async def test_closing_fails_what_is_unanswered(site: Site) -> None:
    """Nobody waits forever for a client that was closed."""
    async with site.client() as client:
        put = asyncio.create_task(client.put([(NI, "ni1", {})]))
        await asyncio.sleep(0)
    with pytest.raises(Unreachable, match="closed"):
        await put


async def test_impossible_rows_fail_at_once(site: Site) -> None:
    """What cannot be sent is an error of the caller, there and then."""
    async with site.client() as client:
        with pytest.raises(WireError):
            await client.put([(NI, "", {})])
        with pytest.raises(WireError):
            client.publish(STATUS, "a", {"x": {1, 2}})
    with pytest.raises(NetnsmgrError):
        site.client("")


async def test_callback_that_fails(site: Site, until: Until) -> None:
    """A fault in a callback does not stop what comes after it."""

    def broken(*_args: object) -> None:
        raise KeyError("x")

    async with site.both() as (hub, client):
        view = client.subscribe(STATUS, broken)
        view.on_synchronized = broken
        for n in range(3):
            hub.put(STATUS, str(n), {})
        await until(client, lambda: len(view.rows) == 3)


async def test_publish_from_a_callback(site: Site, until: Until) -> None:
    """What an agent does all day: hear of one row and publish another."""
    async with site.both() as (hub, client):
        hub.put("AgentConfig/ni1", "config", {"x": 1})
        client.subscribe("AgentConfig/ni1", lambda key, value: client.publish(STATUS, "ni1", value))
        status = client.subscribe(STATUS)
        await until(client, lambda: status.rows == {"ni1": {"x": 1}})
        hub.put("AgentConfig/ni1", "config", {"x": 2})
        await until(client, lambda: status.rows == {"ni1": {"x": 2}})


async def test_unsubscribe(site: Site, until: Until) -> None:
    """A table that was forgotten is told of no more, and can be had again."""
    async with site.both() as (hub, client):
        first = client.subscribe(STATUS)
        await until(client, lambda: first.synchronized)
        client.unsubscribe(STATUS)
        hub.put(STATUS, "a", {})
        second = client.subscribe(STATUS)
        await until(client, lambda: second.rows == {"a": {}})
        assert not first.rows


async def test_dropped_table(site: Site, until: Until) -> None:
    """An instance goes and one of the same name comes: its agent hears of both."""
    async with site.both() as (hub, client):
        view = client.subscribe("AgentConfig/ni1")
        hub.put("AgentConfig/ni1", "config", {"x": 1})
        await until(client, lambda: bool(view.rows))
        hub.drop_table("AgentConfig/ni1")
        await until(client, lambda: not view.rows)
        hub.put("AgentConfig/ni1", "config", {"x": 1})
        await until(client, lambda: bool(view.rows))
