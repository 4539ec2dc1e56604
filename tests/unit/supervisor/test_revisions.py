"""What a rollback changes and what it leaves, and the calls as clients make them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub.client import AsyncClient
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Revision, State, Stored
from netnsmgr.pubsub.what import Put, of, outcomes
from netnsmgr.supervisor.revisions import Kept, Revisions, back, before_last
from tests.unit.pubsub.place import Site, Until

DEVICE, NI, APP = "DevicePortConfig", "NetworkInstanceConfig", "AppNetworkConfig"
OLD, NEW = {"x": "old"}, {"x": "new"}


def state(**rows: dict[str, tuple[str, dict[str, Any]]]) -> State:
    return State(1, {table: {key: Stored(*row) for key, row in each.items()} for table, each in rows.items()})


def revision(number: int, writer: str = "cli", what: str = "apply: NetworkInstance/ni1 changed") -> Revision:
    return Revision(number, 0.0, writer, what, True, "0", 100)


class Told:
    """Events, as they are told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def __call__(self, about: str, reason: str, message: str, *, type: str) -> None:  # noqa: A002
        assert about == "Daemon"
        self.events.append((reason, type, message))


@asynccontextmanager
async def daemon(site: Site, told: Told, **options: Any) -> AsyncIterator[tuple[Hub, AsyncClient]]:
    async with site.both(**options) as (hub, client):
        revisions = Revisions(hub.transactions, told)
        for call in (revisions.confirm, revisions.rollback, revisions.history, revisions.revision):
            hub.serve(call.__name__, call)
        yield hub, client


def test_what_goes_back() -> None:
    """The writer's own: changed, deleted and made since then, users gone before and come after what they use."""
    then = state(
        **{
            NI: {"changed": ("cli", OLD), "gone": ("cli", OLD), "same": ("cli", OLD)},
            APP: {"gone": ("cli", OLD)},
        }
    )
    now = state(
        **{
            NI: {"changed": ("cli", NEW), "made": ("cli", NEW), "same": ("cli", OLD)},
            APP: {"made": ("cli", NEW)},
        }
    )
    old = Stored("cli", OLD)
    assert back(now, then, "cli") == (
        [
            Put(APP, "made", None),
            Put(NI, "made", None),
            Put(NI, "changed", old),
            Put(NI, "gone", old),
            Put(APP, "gone", old),
        ],
        [],
    )


def test_what_others_have_stays() -> None:
    """What another has now, or had and has deleted; with everybody's, it goes back to whom it belonged."""
    then = state(
        **{
            NI: {
                "theirs": ("zed", OLD),
                "taken": ("cli", OLD),
                "away": ("zed", OLD),
                "ours": ("zed", OLD),
                "only the owner": ("cli", OLD),
            }
        }
    )
    now = state(
        **{
            NI: {
                "theirs": ("zed", NEW),
                "taken": ("zed", NEW),
                "made": ("zed", NEW),
                "ours": ("cli", NEW),
                "only the owner": ("zed", OLD),
            }
        }
    )
    rows, kept = back(now, then, "cli")
    assert rows == [Put(NI, "ours", Stored("zed", OLD))]
    assert kept == [
        Kept(NI, "theirs", True, "zed"),
        Kept(NI, "taken", True, "zed"),
        Kept(NI, "made", True, "zed"),
        Kept(NI, "away", False, "zed"),
    ]
    rows, kept = back(now, then, None)
    assert (len(rows), kept) == (6, [])


@pytest.mark.parametrize(
    ("listed", "writer", "number"),
    [
        ([revision(3), revision(2), revision(1)], "cli", 2),
        ([revision(5, "zed"), revision(3), revision(2, "zed"), revision(1)], "cli", 2),
        ([revision(5, "zed"), revision(3), revision(2, "zed"), revision(1)], "zed", 3),
        ([revision(5, "zed"), revision(3), revision(1)], None, 3),
        ([revision(5, "supervisor", "4 taken back: of a test"), revision(4), revision(3)], "cli", 3),
    ],
)
def test_the_last_change(listed: Sequence[Revision], writer: str | None, number: int) -> None:
    """It is the last one of this writer; what is kept may have gaps."""
    assert before_last(listed, writer) == number


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ([revision(1)], "nothing is kept from before revision 1"),
        ([revision(3, "zed"), revision(2, "zed")], "none of the revisions that are kept is of 'cli'"),
        (
            [revision(4, what="rollback to 2: NetworkInstance/ni1 changed"), revision(3)],
            "revision 4, was itself a rollback to 2; say which revision you want: 3 is what was there before it",
        ),
        ([], "none of the revisions"),
    ],
)
def test_no_last_change(listed: Sequence[Revision], why: str) -> None:
    """What "the last" would be is not guessed."""
    with pytest.raises(NetnsmgrError, match=why):
        before_last(listed, "cli")


def test_words() -> None:
    """A revision's line is bounded, and what became of those on trial is read from the lines."""
    rows = [Put(NI, f"ni{n}", Stored("cli", NEW)) for n in range(5)]
    before = [Put(NI, "ni0", Stored("cli", OLD)), *(Put(NI, f"ni{n}", None) for n in range(1, 5))]
    assert of("apply", before, rows, 60.0) == (
        "apply --confirm 60s: NetworkInstance/ni0 changed, NetworkInstance/ni1 created, NetworkInstance/ni2 created and 2 more"
    )
    assert len(of("apply", [Put(NI, "n" * 250, None)], [Put(NI, "n" * 250, Stored("cli", NEW))], 0)) < 200
    listed = [
        revision(8, what="apply --confirm 1s: x"),
        revision(7, what="rollback to 2 --confirm 1s: x; confirmed"),
        revision(6, "supervisor", "5 taken back: of a test"),
        revision(5, what="publish --confirm 1s: x"),
        revision(4, what="apply: App/3 taken back: created; 2 confirmed; confirmed"),
        revision(2, what="apply --confirm 1s: x"),
        revision(1),
    ]
    assert outcomes(listed) == {
        8: "",
        7: "confirmed",
        5: "taken back: of a test",
        4: "confirmed",
        2: "confirmed",
    }


async def test_forth_and_back(site: Site) -> None:
    """A rollback and its own; an event for each; nothing to do is none and makes no revision."""
    told = Told()
    async with daemon(site, told) as (hub, cli):
        await cli.put([(NI, "ni1", OLD)])
        await cli.put([(NI, "ni1", NEW), (NI, "ni2", NEW)])
        asked = {"revision": None, "writer": cli._client.name}
        answer = await cli.call("rollback", asked)
        assert (answer["target"], answer["revision"], answer["kept"], answer["undone"]) == (1, 3, [], None)
        assert answer["rows"] == [[NI, "ni2", None, None], [NI, "ni1", OLD, "zedbox"]]
        assert hub.rows(NI) == {"ni1": OLD}
        with pytest.raises(NetnsmgrError, match="was itself a rollback"):
            await cli.call("rollback", asked)
        assert (await cli.call("rollback", asked | {"revision": 2}))["revision"] == 4
        assert hub.rows(NI) == {"ni1": NEW, "ni2": NEW}
        assert (await cli.call("rollback", asked | {"revision": 2}))["rows"] == []
        assert (hub.revision, [reason for reason, _, _ in told.events]) == (4, ["RolledBack"] * 2)


async def test_on_trial(site: Site, until: Until) -> None:
    """A rollback that is not confirmed is taken back; while it waits no number can be said."""
    told = Told()
    async with daemon(site, told, heartbeat=0.1) as (hub, cli):
        await cli.put([(NI, "ni1", OLD)])
        await cli.put([(NI, "ni1", NEW)])
        asked = {"revision": 1, "writer": "zedbox"}
        answer = await cli.call("rollback", asked | {"confirm": 1})
        assert answer["waits"]["revision"] == 3
        for wrong in asked, asked | {"revision": None, "confirm": 5}:
            with pytest.raises(
                NetnsmgrError, match="revision 3 waits for confirmation: confirm it, or take it back"
            ):
                await cli.call("rollback", wrong)
        view = cli.subscribe(NI)
        await until(cli, lambda: view.rows == {"ni1": NEW} and len(told.events) == 2)
        assert [each[:2] for each in told.events] == [("RolledBack", "Normal"), ("RolledBack", "Warning")]
        with pytest.raises(NetnsmgrError, match="revision 3 was taken back: nobody confirmed it within 1 s"):
            await cli.call("confirm", {"revision": None})
        await cli.transact([(NI, "ni1", OLD)], confirm=60)
        assert (await cli.call("rollback", asked | {"revision": None}))["undone"] == 5
        assert told.events[2][:2] == ("RolledBack", "Normal")
        assert hub.rows(NI) == {"ni1": NEW}


async def test_confirmed_twice(site: Site) -> None:
    """The second time it is said that it was before; nothing that waits is an error."""
    told = Told()
    async with daemon(site, told) as (_hub, cli):
        with pytest.raises(NetnsmgrError, match=r"^nothing waits for confirmation$"):
            await cli.call("confirm", {"revision": None})
        await cli.transact([(NI, "ni1", OLD)], confirm=60)
        assert await cli.call("confirm", {}) == {"revision": 1, "already": False}
        for number in 1, None:
            assert await cli.call("confirm", {"revision": number}) == {"revision": 1, "already": True}
        with pytest.raises(NetnsmgrError, match=r"^nothing waits for confirmation$"):
            await cli.call("confirm", {"revision": 7})
        assert told.events == [("Confirmed", "Normal", "revision 1 was confirmed")]


async def test_refused(site: Site) -> None:
    """What is wrong with a revision now is said in words that need no file, and nothing is changed."""
    wrong = False

    async def validate(changes: Sequence[Change]) -> list[Problem]:
        found = [Problem("key is gone", ("spec", "file"), n) for n, each in enumerate(changes) if each.value]
        found += [Problem("is needed", (), n) for n, each in enumerate(changes) if each.value is None]
        return found if wrong else []

    async with daemon(site, Told(), validate=validate) as (hub, cli):
        await cli.put([(NI, "ni1", OLD)])
        await cli.put([(NI, "ni1", NEW), (APP, "app1", NEW)])
        wrong = True
        with pytest.raises(ConfigError) as refused:
            await cli.call("rollback", {"revision": 1, "writer": "zedbox"})
        assert [str(problem) for problem in refused.value.problems] == [
            "NetworkInstance/ni1, as in revision 1: spec.file: key is gone",
            "App/app1, deleted, as in revision 1: is needed",
        ]
        assert hub.revision == 2
        for asked in {"revision": 9, "writer": "x"}, {"revision": "1", "writer": "x"}:
            with pytest.raises(NetnsmgrError):
                await cli.call("rollback", asked)
        with pytest.raises(NetnsmgrError, match="which revision"):
            await cli.call("revision", None)
