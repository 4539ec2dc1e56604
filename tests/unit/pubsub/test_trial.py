"""A change that waits for confirmation: it goes by itself, and only it; whatever happens to the daemon meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub.client import AsyncClient
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Meta, State, Store
from netnsmgr.pubsub.trial import Moment, Trial, restored
from netnsmgr.pubsub.what import outcomes
from tests.unit.pubsub.place import Site, Until

NI, APP, STATUS = "NetworkInstanceConfig", "AppNetworkConfig", "NetworkInstanceStatus"
OLD, NEW = {"x": "old"}, {"x": "new"}


class Clock:
    """The device's clock, which tests set."""

    def __init__(self) -> None:
        self.moment = Moment("boot1", 1000.0)

    def __call__(self) -> Moment:
        return self.moment

    def passes(self, seconds: float) -> None:
        self.moment = self.moment._replace(since=self.moment.since + seconds)

    def reboots(self) -> None:
        self.moment = Moment("boot2", 3.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def trying(
    client: AsyncClient, *changes: tuple[str, str, Any], seconds: float = 60.0, **how: Any
) -> Any:
    return await client.transact(changes, confirm=seconds, **how)


def what(site: Site) -> list[str]:
    return [each.what for each in Store(site.state).revisions()][::-1]


async def test_goes_by_itself(site: Site, until: Until) -> None:
    """Without a confirmation all is as before: what was changed, made and deleted; and everybody is told."""
    async with site.both() as (hub, client):
        await client.put([(NI, "ni1", OLD), (NI, "ni2", OLD)])
        view = client.subscribe(NI)
        told: list[int] = []
        hub.on_config(told.append)
        said: list[str] = []

        def undone(text: str, unasked: bool) -> None:
            assert unasked
            said.append(text)
            client.look_again()

        hub.transactions.undone = undone
        done = await trying(client, (NI, "ni1", NEW), (NI, "ni2", None), (NI, "ni3", NEW), seconds=1)
        assert (done.revision, done.waits) == (2, 2)
        assert 0 < done.left <= 1
        assert set(hub.rows(NI)) == {"ni1", "ni3"}
        await until(client, lambda: view.rows == {"ni1": OLD, "ni2": OLD} and bool(said))
        assert (hub.revision, told, hub.transactions.waits) == (3, [2, 3], None)
        assert said == [
            "revision 2 was taken back, because nobody confirmed it within 1 s; this is revision 3"
        ]
    assert what(site) == [
        "apply: NetworkInstance/ni1 created, NetworkInstance/ni2 created",
        "apply --confirm 1s: NetworkInstance/ni1 changed, NetworkInstance/ni2 deleted, NetworkInstance/ni3 created",
        "2 taken back: nobody confirmed it within 1 s",
    ]
    async with site.hub() as hub:
        assert (hub.rows(NI), hub.revision) == ({"ni1": OLD, "ni2": OLD}, 3)


async def test_confirmed(site: Site, clock: Clock) -> None:
    """What is confirmed stays, also over restarts of daemon and device; it is on disk when it is acknowledged."""
    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
        confirmed = await hub.transactions.confirm()
        assert confirmed is not None
        assert confirmed.number == 1
        assert Store(site.state).load().trial is None
        assert await hub.transactions.confirm() is None
        clock.passes(61)
    clock.reboots()
    async with site.hub(clock=clock) as hub:
        assert (hub.rows(NI), hub.revision) == ({"ni1": NEW}, 1)
    assert outcomes(Store(site.state).revisions()) == {1: "confirmed"}


async def test_confirmed_after_others_changed_something(site: Site, clock: Clock) -> None:
    """Which revision was confirmed is known although the newest is another."""
    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
        await client.put([(NI, "ni2", NEW)])
        assert (await hub.transactions.confirm(1)) is not None
        assert outcomes(Store(site.state).revisions()) == {1: "confirmed"}
        assert hub.revision == 2


async def test_only_the_one_that_was_named(site: Site, clock: Clock) -> None:
    """Who names a revision confirms no other, which somebody else has made meanwhile."""
    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
        with pytest.raises(NetnsmgrError, match="revision 1 waits for confirmation, and not 7"):
            await hub.transactions.confirm(7)
        assert hub.transactions.waits == {"revision": 1, "left": 60.0}


async def test_too_late(site: Site, clock: Clock) -> None:
    """A confirmation that comes too late confirms nothing, though the timer has not run yet."""
    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
        clock.passes(60)
        assert await hub.transactions.confirm() is None
        assert hub.transactions.trial is not None


@pytest.mark.parametrize("away", [10.0, 59.9])
async def test_restart_of_the_daemon_in_time(site: Site, clock: Clock, away: float) -> None:
    """It still waits, for what is left of its time, and can be confirmed."""
    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
    clock.passes(away)
    async with site.hub(clock=clock) as hub:
        assert hub.rows(NI) == {"ni1": NEW}
        assert hub.transactions.waits == {"revision": 1, "left": pytest.approx(60 - away)}
        assert await hub.transactions.confirm() is not None


@pytest.mark.parametrize("restart", ["late", "reboot", "reboot with the same uptime"])
async def test_restart_too_late(site: Site, clock: Clock, restart: str) -> None:
    """It is taken back before anybody can hear of it, and somebody is told why."""
    async with site.both(clock=clock) as (hub, client):
        await client.put([(NI, "ni1", OLD)])
        await trying(client, (NI, "ni1", NEW))
    if restart == "late":
        clock.passes(60)
    else:
        clock.moment = Moment("boot2", 3.0 if restart == "reboot" else clock.moment.since + 1)
    async with site.hub(clock=clock) as hub:
        assert (hub.rows(NI), hub.revision, hub.transactions.waits) == ({"ni1": OLD}, 3, None)
        why = (
            "the time was over before the daemon was back"
            if restart == "late"
            else "the device has been restarted"
        )
        assert hub.transactions.at_start == f"revision 2 was taken back, because {why}; this is revision 3"
    async with site.hub(clock=clock) as hub:
        assert (hub.revision, hub.transactions.at_start) == (3, "")
    assert outcomes(Store(site.state).revisions()) == {2: f"taken back: {why}"}


async def test_others_change_meanwhile(site: Site, clock: Clock) -> None:
    """What others put meanwhile is accepted and stays, and the rows taken over are their owner's again."""
    async with site.both(clock=clock) as (hub, zedbox), site.client("cli") as cli:
        await zedbox.put([(NI, "ni1", OLD), (NI, "ni2", OLD)])
        await trying(cli, (NI, "ni1", NEW), (NI, "ni9", NEW), takeover=True)
        assert await zedbox.put([(NI, "ni2", NEW), (NI, "ni3", NEW)]) == 3
        assert await cli.put([(NI, "ni4", NEW)]) == 4
        trial = hub.transactions.trial
        assert trial is not None
        assert await hub.transactions.undo(trial, "of a test", "cli")
        assert hub.rows(NI) == {"ni1": OLD, "ni2": NEW, "ni3": NEW, "ni4": NEW}
        assert await zedbox.put([(NI, "ni1", {"x": "mine"})]) == 6
        assert not await hub.transactions.undo(trial, "again", "cli")


async def test_others_do_not_touch_it(site: Site, clock: Clock) -> None:
    """Rows that wait are changed by nobody meanwhile, not even taken over; the same value is no change."""
    async with site.both(clock=clock) as (_hub, client), site.client("other") as other:
        await client.put([(NI, "ni1", OLD), (NI, "ni2", OLD)])
        await trying(client, (NI, "ni1", NEW), (NI, "ni2", None))
        for who, change, takeover in (
            (client, (NI, "ni1", {"x": "newer"}), False),
            (client, (NI, "ni1", OLD), False),
            (client, (NI, "ni2", OLD), False),
            (client, (NI, "ni1", None), False),
            (other, (NI, "ni1", NEW), True),
        ):
            with pytest.raises(ConfigError) as refused:
                await who.put([(APP, "app", {}), change], takeover=takeover)
            (problem,) = refused.value.problems
            assert problem.document == 1
            assert problem.what.startswith(
                f"NetworkInstance/{change[1]} was changed by what waits: revision 2 waits"
            )
        assert await client.put([(NI, "ni1", NEW), (APP, "app", {})]) == 3


async def test_one_at_a_time(site: Site, clock: Clock) -> None:
    """A second change to be confirmed is refused; the same once more, as after a lost answer, is not."""
    async with site.both(clock=clock) as (_hub, client):
        await trying(client, (NI, "ni1", NEW))
        with pytest.raises(ConfigError, match="only one change at a time"):
            await trying(client, (NI, "ni2", NEW))
        clock.passes(20)
        assert await trying(client, (NI, "ni1", NEW)) == (1, (), 1, 40.0)


async def test_nothing_rests_on_it(site: Site, clock: Clock) -> None:
    """What would be wrong without the change that waits is refused, also by what that change has deleted."""

    async def validate(changes: Sequence[Change]) -> list[Problem]:
        """Every app needs its network; every network that is called needs-… the one after it."""
        rows = {NI: dict(hub.rows(NI)), APP: dict(hub.rows(APP))}
        for table, key, value in changes:
            rows[table].pop(key, None)
            if value is not None:
                rows[table][key] = value
        return [
            Problem(f"there is no network {value['network']!r}", ("spec",), n)
            for n, (table, _, value) in enumerate(changes)
            if table == APP and value and value["network"] not in rows[NI]
        ] + [
            Problem(f"App {key!r}, applied before, has no network", (), -1)
            for key, value in rows[APP].items()
            if value["network"] not in rows[NI] and key not in {change.key for change in changes}
        ]

    hub: Hub
    async with site.both(clock=clock, validate=validate) as (hub, client):
        await client.put([(NI, "ni1", {}), (NI, "ni2", {}), (APP, "app1", {"network": "ni1"})])
        await trying(client, (NI, "ni3", {}), (APP, "app1", {"network": "ni2"}))
        with pytest.raises(ConfigError) as refused:
            await client.put([(APP, "app3", {"network": "ni3"})])
        (problem,) = refused.value.problems
        assert problem.document == 0
        assert problem.where == ("spec",)
        assert problem.what.startswith(
            "it has to be right without what waits, too: there is no network 'ni3' (revision 2"
        )
        with pytest.raises(ConfigError, match="App/app1: there is no network 'ni1'"):
            await client.put([(NI, "ni1", None)])
        assert await client.put([(APP, "app2", {"network": "ni2"})]) == 3
        trial = hub.transactions.trial
        assert trial is not None
        # What uses goes back before what it uses goes.
        assert [key for _, key, _ in trial.undo] == ["app1", "ni3"]
        await hub.transactions.undo(trial, "of a test", "cli")
        assert await validate([]) == []
        assert set(hub.rows(APP)) == {"app1", "app2"}


async def test_taken_back_without_a_disk(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not keep the device unreachable, and after a restart it is taken back again."""

    def full(_self: Store, _state: State, _meta: Meta) -> None:
        raise OSError(28, "No space left on device")

    async with site.both(clock=clock) as (hub, client):
        await trying(client, (NI, "ni1", NEW))
        trial = hub.transactions.trial
        assert trial is not None
        with monkeypatch.context() as patch:
            patch.setattr(Store, "save", full)
            with pytest.raises(NetnsmgrError, match=r"No space left .* goes on waiting"):
                await hub.transactions.confirm()
            assert hub.transactions.waits
            assert await hub.transactions.undo(trial, "of a test", "cli")
        assert (hub.rows(NI), hub.revision) == ({}, 2)
    clock.passes(100)
    async with site.both(clock=clock) as (hub, client):
        assert (hub.rows(NI), hub.revision) == ({}, 2)
        assert await client.put([(NI, "ni2", NEW)]) == 3
    assert Store(site.state).load().trial is None


async def test_refused(site: Site, clock: Clock) -> None:
    """Times without sense, status, and a configuration of which something may be missing."""
    async with site.both(clock=clock) as (hub, client):
        for seconds in (0.5, 86_401.0):
            with pytest.raises(ConfigError, match="can wait 1 s to 86400 s"):
                await trying(client, (NI, "ni1", NEW), seconds=seconds)
        with pytest.raises(ConfigError, match="only configuration"):
            await trying(client, (STATUS, "ni1", NEW))
        hub.complete = False
        with pytest.raises(ConfigError, match="was damaged"):
            await trying(client, (NI, "ni1", NEW))
        assert (hub.rows(NI), hub.revision, hub.transactions.waits) == ({}, 0, None)


async def test_nothing_to_confirm(site: Site, clock: Clock) -> None:
    """What changes nothing does not wait."""
    async with site.both(clock=clock) as (_hub, client):
        await client.put([(NI, "ni1", NEW)])
        assert await trying(client, (NI, "ni1", NEW)) == (1, (), 0, 0.0)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"revision": 1, "seconds": 1, "boot": "b", "began": 1},
        {"revision": 1, "seconds": 1, "boot": "b", "began": 1, "undo": [["t", "k"]]},
        {"revision": 1, "seconds": 1, "boot": "b", "began": 1, "undo": [["t", "k", "w", 7]]},
    ],
)
def test_malformed_on_disk(row: dict[str, Any]) -> None:
    """What is no trial is none."""
    assert restored(row) is None


def test_there_and_back() -> None:
    """What is stored is what was there; a clock that went back is another start of the device."""
    trial = Trial(7, 60.0, Moment("b", 10.0), ())
    assert restored(trial.stored()) == trial
    assert [trial.left(Moment("b", at)) for at in (9.0, 10.0, 40.0, 70.0)] == [0.0, 60.0, 30.0, 0.0]
    assert trial.left(Moment("c", 20.0)) == 0.0
