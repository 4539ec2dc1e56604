"""Changes on trial, rollback and history as a supervisor sees them, with a loop and in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from netnsmgr.client import AsyncClient, Client, ConfigError, NetnsmgrError
from netnsmgr.client.history import Kept
from netnsmgr.client.kinds import APP, INSTANCE
from netnsmgr.pubsub.hub import Hub
from netnsmgr.supervisor.revisions import Revisions
from tests.unit.client.place import NI, app, instance, ready, straw
from tests.unit.pubsub.place import Site


def tell(about: str, reason: str, message: str, *, type: str) -> None:  # noqa: A002
    pass


@asynccontextmanager
async def daemon(site: Site) -> AsyncIterator[Hub]:
    async with straw(site) as hub:
        revisions = Revisions(hub.transactions, tell)
        for call in (revisions.confirm, revisions.rollback, revisions.history, revisions.revision):
            hub.serve(call.__name__, call)
        yield hub


async def test_on_trial(site: Site) -> None:
    """What waits is known from what was published and from the history; confirming it is said once and again."""
    async with daemon(site) as hub, AsyncClient("zedagent", site.run) as client:
        published = await client.publish([instance("ni1")], confirm=60)
        assert (published.revision, published.waits) == (1, 1)
        assert 59 < published.left <= 60
        (revision,) = await client.history()
        assert (revision.number, revision.writer, revision.outcome) == (1, "zedagent", "")
        assert revision.left == pytest.approx(60, abs=1)
        with pytest.raises(ConfigError, match="waits for confirmation"):
            await client.publish([instance("ni2")], confirm=60)
        assert [await client.confirm(1), await client.confirm()] == [1, 1]
        (revision,) = await client.history()
        assert (revision.outcome, revision.left) == ("confirmed", None)
        again = await client.publish([instance("ni1")], replace=True, confirm=60)
        assert (again.waits, again.left) == (0, 0.0)
        await client.publish([instance("ni1", mtu=1400)], replace=True, confirm=60)
        done = await client.rollback()
        assert (done.undone, done.changed) == (2, ((INSTANCE, "ni1", "restored"),))
        assert hub.rows(NI) == {"ni1": instance("ni1")}
        with pytest.raises(NetnsmgrError, match="revision 2 was taken back: zedagent asked for it"):
            await client.confirm()


async def test_rollback(site: Site) -> None:
    """It is waited for like what was published; what is another's stays, unless everybody's goes back."""
    async with (
        daemon(site) as hub,
        AsyncClient("zedagent", site.run) as client,
        AsyncClient("cli", site.run) as other,
    ):
        await client.publish([instance("ni1")])
        await client.publish([instance("ni1", mtu=1400), instance("ni2"), app("app1", "ni2")])
        await other.publish([instance("ni3")])
        assert [document["metadata"]["name"] for document in await client.documents(2)] == [
            "ni1",
            "ni2",
            "app1",
        ]
        done = await client.rollback()
        assert (done.target, done.undone, done.published.revision) == (1, None, 4)
        assert done.changed == (
            (APP, "app1", "deleted"),
            (INSTANCE, "ni2", "deleted"),
            (INSTANCE, "ni1", "restored"),
        )
        assert done.kept == (Kept(INSTANCE, "ni3", True, "cli"),)
        (late,) = await client.applied(done.published, timeout=0.05)
        assert late.label == "network-instance/ni1"
        ready(hub, "ni1")
        assert await client.applied(done.published) == ()
        assert (await client.rollback(1, everybody=True)).changed == ((INSTANCE, "ni3", "deleted"),)
        done = await client.rollback(2, confirm=60)
        assert done.published.waits == 6


async def test_in_threads(site: Site) -> None:
    """The same, blocking."""

    def work() -> list[object]:
        with Client("zedagent", site.run) as client:
            client.publish([instance("ni1")])
            published = client.publish([instance("ni1", mtu=1400)], confirm=60)
            said: list[object] = [published.waits, client.confirm(), client.rollback().target]
            return [*said, len(client.history()), client.documents(2)[0]["spec"]["mtu"]]

    async with daemon(site):
        assert await asyncio.to_thread(work) == [2, 2, 1, 3, 1400]
