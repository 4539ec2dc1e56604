"""The asyncio client, against a real hub with a daemon of straw behind it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.client import AsyncClient, Change, ConfigError, NetnsmgrError, Published, Unreachable, read
from netnsmgr.client.kinds import INSTANCE
from tests.unit.client.place import AGENT, APP, APP_STATUS, NI, NI_STATUS, app, instance, ready, straw
from tests.unit.pubsub.place import Site


async def take(changes: object, count: int) -> list[Change]:
    """So many changes."""
    return [await asyncio.wait_for(anext(changes), 30) for _ in range(count)]  # type: ignore[call-overload]


class TestPublish:
    async def test_transaction(self, site: Site) -> None:
        """Documents go to the tables of their kinds; the same again is no revision."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            documents = [instance("ni1"), app("app1", "ni1")]
            published = await client.publish(documents)
            assert (published.revision, published.deleted) == (1, ())
            assert (hub.rows(NI), hub.rows(APP)) == ({"ni1": documents[0]}, {"app1": documents[1]})
            assert (await client.publish(documents)).revision == 1

    async def test_replace(self, site: Site) -> None:
        """What this writer published in a former life goes, users first and in the same transaction; others' rows stay."""
        async with straw(site) as hub, AsyncClient("cli", site.run) as other:
            await other.publish([instance("ni9")])
            async with AsyncClient("zedbox", site.run) as client:
                await client.publish([instance("ni1"), instance("ni2"), app("app1", "ni2")])
            async with AsyncClient("zedbox", site.run) as client:
                published = await client.publish([instance("ni1")], replace=True)
                assert [kind.label(name) for kind, name in published.deleted] == [
                    "app/app1",
                    "network-instance/ni2",
                ]
                assert (published.revision, set(hub.rows(NI)), set(hub.rows(APP))) == (
                    3,
                    {"ni1", "ni9"},
                    set(),
                )
                assert (await client.publish([instance("ni1")], replace=True)).revision == 3
                assert (await client.publish([], replace=True)).deleted == ((INSTANCE, "ni1"),)
                assert set(hub.rows(NI)) == {"ni9"}

    async def test_refused_replacement_deletes_nothing(self, site: Site) -> None:
        """One bad document, and what should go stays, too."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            await client.publish([instance("ni1"), instance("ni2")])
            with pytest.raises(ConfigError, match="is bad"):
                await client.publish([instance("ni1") | {"bad": 1}], replace=True)
            assert (hub.revision, set(hub.rows(NI))) == (1, {"ni1", "ni2"})

    async def test_ownership(self, site: Site) -> None:
        """Another writer's object is refused, until it is taken over; then it is replaced with the rest."""
        async with (
            straw(site) as hub,
            AsyncClient("cli", site.run) as other,
            AsyncClient("zedbox", site.run) as client,
        ):
            await other.publish([instance("ni1")])
            with pytest.raises(ConfigError, match="'cli'"):
                await client.publish([instance("ni1")], replace=True)
            await client.publish([instance("ni1")], replace=True, takeover=True)
            with pytest.raises(ConfigError, match="'zedbox'"):
                await other.delete("NetworkInstance", "ni1")
            await client.publish([], replace=True)
            assert not hub.rows(NI)

    async def test_places(self, site: Site, tmp_path: Path) -> None:
        """What was read from files is refused with file, line and column; all of it at once."""
        file = tmp_path / "site.yaml"
        file.write_text(
            "kind: NetworkInstance\nmetadata: {name: ni1}\nbad: 1\n---\nkind: App\nmetadata: {name: a}\nspec:\n  bad: 2\nbad: 3\n"
        )
        async with straw(site), AsyncClient("zedbox", site.run) as client:
            with pytest.raises(ConfigError) as refused:
                await client.publish(read(file))
        assert [(p.file, p.line) for p in refused.value.problems] == [(str(file), 1), (str(file), 8)]

    @pytest.mark.parametrize(
        "document", [{}, {"kind": []}, {"kind": "App"}, {"kind": "App", "metadata": {"name": 1}}, "App", None]
    )
    async def test_nameless(self, site: Site, document: Any) -> None:
        """What cannot even be sent is said in words, and without a daemon."""
        async with AsyncClient("zedbox", site.run) as client:
            with pytest.raises(ConfigError) as refused:
                await client.publish([instance("ni1"), document])
        assert {problem.document for problem in refused.value.problems} == {1}

    async def test_no_daemon(self, site: Site) -> None:
        """After the timeout, and a daemon that comes later does not carry it out."""
        async with AsyncClient("zedbox", site.run) as client:
            with pytest.raises(Unreachable, match="not running"):
                await client.publish([instance("ni1")], timeout=0.1)
            async with straw(site) as hub:
                assert await client.wait_connected(30)
                assert await client.rows(NI) == {}
                assert hub.revision == 0

    async def test_daemon_comes_in_time(self, site: Site) -> None:
        """What waits is done when there is a daemon."""
        async with AsyncClient("zedbox", site.run) as client:
            publishing = asyncio.create_task(client.publish([instance("ni1")], timeout=30))
            await asyncio.sleep(0)
            async with straw(site):
                assert (await publishing).revision == 1

    async def test_put_again(self, site: Site) -> None:
        """What a daemon took to its grave is put to the next one, also by a client that follows nothing."""
        hub = site.hub(validate=lambda changes: asyncio.sleep(3600))
        async with AsyncClient("zedbox", site.run) as client:
            await hub.__aenter__()
            publishing = asyncio.create_task(client.publish([instance("ni1")], timeout=60))
            while not hub._waiting:
                await asyncio.sleep(0.01)
            for task in hub._waiting:
                task.cancel()
            await hub.__aexit__(None, None, None)
            async with straw(site):
                assert (await publishing).revision == 1


class TestApplied:
    async def test_old_readiness_does_not_count(self, site: Site) -> None:
        """Ready is what speaks of the revision that concerns it."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            await client.publish([instance("ni1")])
            ready(hub, "ni1")
            published = await client.publish([instance("ni1", ports=["eth0"])])
            (late,) = await client.applied(published, 0.2)
            assert str(late).startswith("network-instance/ni1: reconciling")
            waiting = asyncio.create_task(client.applied(published, 30))
            await asyncio.sleep(0)
            ready(hub, "ni1")
            assert await waiting == ()

    async def test_what_is_missing(self, site: Site) -> None:
        """Each object that is not there, and why."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            published = await client.publish([instance("ni1"), instance("ni2"), app("app1", "ni2")])
            ready(hub, "ni1")
            hub.put(
                NI_STATUS,
                "ni2",
                {"state": "degraded", "reasons": ["port eth0 has no address"], "revision": 1},
            )
            late = await client.applied(published, 0.2)
            assert list(map(str, late)) == [
                "network-instance/ni2: degraded (port eth0 has no address)",
                "app/app1/eth0: pending (not taken up yet)",
            ]
            hub.put(AGENT, "ni2", {"state": "backing-off", "cause": "it broke"})
            assert "it broke" in str((await client.applied(published, 0.2))[0])

    async def test_deleted(self, site: Site) -> None:
        """What was deleted is waited for until nothing is left of it."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            await client.publish([instance("ni1")])
            ready(hub, "ni1")
            published = await client.publish([], replace=True)
            assert [each.label for each in await client.applied(published, 0.2)] == ["network-instance/ni1"]
            hub.put(NI_STATUS, "ni1", None)
            assert await client.applied(published, 30) == ()

    async def test_lost_interface(self, site: Site) -> None:
        """An application that has lost an interface is waited for until that has gone."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            await client.publish([instance("ni1"), instance("ni2"), app("app1", "ni1", "ni2")])
            published = await client.publish([app("app1", "ni1")])
            for key in ("ni1/app1/eth0", "ni2/app1/eth1"):
                hub.put(APP_STATUS, key, {"state": "ready", "reasons": [], "revision": 2})
            (late,) = await client.applied(published, 0.2)
            assert str(late) == "app/app1: deleting (ni2/app1/eth1 is still there)"
            hub.put(APP_STATUS, "ni2/app1/eth1", None)
            assert await client.applied(published, 30) == ()

    async def test_nothing(self, site: Site) -> None:
        """Nothing published is true at once."""
        async with straw(site), AsyncClient("zedbox", site.run) as client:
            assert await client.applied(await client.publish([], replace=True), 30) == ()

    async def test_daemon_restarts(self, site: Site) -> None:
        """It goes on waiting when the daemon goes, and asks the next one."""
        async with AsyncClient("zedbox", site.run) as client:
            async with straw(site) as hub:
                published = await client.publish([instance("ni1")])
                waiting = asyncio.create_task(client.applied(published, 60))
                await asyncio.sleep(0.05)
            async with straw(site) as hub:
                assert await client.wait_connected(30)
                assert not waiting.done()
                ready(hub, "ni1")
                assert await waiting == ()

    async def test_no_daemon(self, site: Site) -> None:
        async with AsyncClient("zedbox", site.run) as client:
            with pytest.raises(Unreachable):
                await client.applied(Published(1, (instance("ni1"),)), 0.1)


class TestChanges:
    async def test_rows_then_changes(self, site: Site) -> None:
        """First what is there, then each change in its order; several readers are told alike."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            hub.put(NI_STATUS, "ni1", {"n": 0})
            first, second = client.changes(NI_STATUS), client.changes(NI_STATUS)
            assert await take(first, 1) == [Change(NI_STATUS, "ni1", {"n": 0})]
            for n in range(1, 100):
                hub.put(NI_STATUS, "ni1", {"n": n})
            hub.put(NI_STATUS, "ni1", None)
            told = [change.row for change in await take(first, 100)]
            assert told == [{"n": n} for n in range(1, 100)] + [None]
            await first.aclose()
            hub.put(NI_STATUS, "ni2", {})
            while (await take(second, 1))[0].key != "ni2":
                pass

    async def test_restarted_daemon(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only what is different afterwards is told, and nothing twice; what is not told again is gone in the end."""
        monkeypatch.setattr("netnsmgr.client.feed.SETTLE", 0.5)
        async with AsyncClient("zedbox", site.run) as client:
            changes = client.changes(NI_STATUS)
            async with straw(site) as hub:
                for n in range(3):
                    hub.put(NI_STATUS, f"ni{n}", {"n": n})
                assert {change.key for change in await take(changes, 3)} == {"ni0", "ni1", "ni2"}
            async with straw(site) as hub:
                # Its agents tell it later.
                while await client.rows(NI_STATUS) or not client.connected:
                    await asyncio.sleep(0.01)
                second = client.changes(NI_STATUS)
                assert {change.key for change in await take(second, 3)} == {"ni0", "ni1", "ni2"}
                hub.put(NI_STATUS, "ni0", {"n": 0})
                hub.put(NI_STATUS, "ni1", {"n": 7})
                expected = [Change(NI_STATUS, "ni1", {"n": 7}), Change(NI_STATUS, "ni2", None)]
                for each in changes, second:
                    assert await take(each, 2) == expected
                hub.put(NI_STATUS, "ni0", None)
                assert await take(changes, 1) == [Change(NI_STATUS, "ni0", None)]

    async def test_restarted_twice(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """The agents of each daemon have the time that they may need, however soon it followed the last one."""
        monkeypatch.setattr("netnsmgr.client.feed.SETTLE", 1.0)
        async with AsyncClient("zedbox", site.run) as client:
            changes = client.changes(NI_STATUS)
            async with straw(site) as hub:
                hub.put(NI_STATUS, "ni1", {"n": 1})
                await take(changes, 1)
            for seconds in (0.6, 0.8):
                async with straw(site) as hub:
                    while await client.rows(NI_STATUS) or not client.connected:
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(seconds)
                    if seconds == 0.8:
                        hub.put(NI_STATUS, "ni1", {"n": 1})
                        hub.put(NI_STATUS, "ni2", {})
                        assert await take(changes, 1) == [Change(NI_STATUS, "ni2", {})]

    async def test_configuration_of_another_disk(self, site: Site) -> None:
        """What is not in the configuration of a daemon that has come back is gone at once."""
        async with AsyncClient("zedbox", site.run) as client:
            changes = client.changes(NI)
            async with straw(site):
                await client.publish([instance("ni1")])
                await take(changes, 1)
            shutil.rmtree(site.state)
            async with straw(site):
                assert await take(changes, 1) == [Change(NI, "ni1", None)]

    async def test_looking_leaves_nothing_out(self, site: Site) -> None:
        """Who looks at the table meanwhile sees what was published before, and who is told misses no change."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            changes = client.changes(NI)
            await client.publish([instance("ni1")])
            await take(changes, 1)
            looking = [asyncio.create_task(self._look(client)) for _ in range(4)]
            for n in range(30):
                await client.publish([instance("ni1", version=n)])
                assert (await client.rows(NI))["ni1"]["spec"]["version"] == n
            assert hub.revision == 31
            told = [change.row["spec"]["version"] for change in await take(changes, 30) if change.row]
            assert told == list(range(30))
            await asyncio.gather(*looking)

    async def _look(self, client: AsyncClient) -> None:
        for _ in range(30):
            await client.rows(NI)

    async def test_slow_reader(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who is far behind misses values, never the last one of a row; what is kept for him has a bound."""
        monkeypatch.setattr("netnsmgr.client.feed.BACKLOG", 10)
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            changes = client.changes(NI_STATUS)
            hub.put(NI_STATUS, "ni0", {"n": -1})
            await take(changes, 1)
            for n in range(1000):
                hub.put(NI_STATUS, f"ni{n % 3}", {"n": n})
            hub.put(NI_STATUS, "end", {})
            while "end" not in await client.rows(NI_STATUS):
                await asyncio.sleep(0.01)
            told: list[Change] = []
            while not told or told[-1].key != "end":
                told += await take(changes, 1)
            assert len(told) <= 20
            assert {change.key: change.row for change in told} == await client.rows(NI_STATUS)

    async def test_quiet(self, site: Site) -> None:
        """It ends when nothing has changed for so long."""
        async with straw(site) as hub, AsyncClient("zedbox", site.run) as client:
            assert await client.wait_connected(30)
            hub.put(NI_STATUS, "ni1", {})
            assert [change.key async for change in client.changes(timeout=0.3)] == ["ni1"]


async def test_names_that_are_none(site: Site) -> None:
    """A table or kind that does not exist is said at once: nobody would ever tell of it."""
    async with AsyncClient("zedbox", site.run) as client:
        with pytest.raises(
            NetnsmgrError, match=r"there is no table 'AppStatus'; tables are .*AppNetworkStatus"
        ):
            await client.rows("AppStatus")
        with pytest.raises(NetnsmgrError, match="no table"):
            await anext(client.changes("AppStatus"))
        with pytest.raises(NetnsmgrError, match=r"there is no kind 'app'; kinds are .*App"):
            await client.delete("app", "app1")


async def test_connections(site: Site) -> None:
    """Each time that there is a daemon, or none."""
    async with AsyncClient("zedbox", site.run) as client:
        connections = client.connections()
        assert await anext(connections) is False
        async with straw(site):
            assert await asyncio.wait_for(anext(connections), 30) is True
        assert await asyncio.wait_for(anext(connections), 30) is False
        assert not client.connected


async def test_closed(site: Site) -> None:
    """Iterations end, and the rest says what is the matter."""
    async with straw(site):
        client = AsyncClient("zedbox", site.run)
        async with client:
            changes = client.changes(NI_STATUS)
            waiting = asyncio.create_task(anext(changes, None))
            await asyncio.sleep(0)
        assert await asyncio.wait_for(waiting, 30) is None
        for work in (client.publish([instance("ni1")]), client.rows(NI), client.delete("App", "app1")):
            with pytest.raises(Unreachable, match="closed"):
                await work
