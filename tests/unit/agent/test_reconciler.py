"""Passes of an agent, over a world of straw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pytest

from netnsmgr.agent import reconciler
from netnsmgr.agent.reconciler import Outcome, Reconciler
from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.system import External, KernelItem, System

World = dict[str, "Straw"]


@dataclass(frozen=True)
class Straw(KernelItem):
    """An item of a world that is a dictionary; an observation does not see what it stands on."""

    kind: ClassVar[str] = "straw"
    name: str
    value: int = 0
    on: frozenset[Ref] = field(default=frozenset(), compare=False)

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return self.on

    def must_replace(self, old: Item) -> bool:
        return True

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [Straw(straw.name, straw.value) for straw in cast("Fields", system).world.values()]

    async def create(self, system: System) -> None:
        cast("Fields", system).do(f"create {self.name}")
        cast("Fields", system).world[self.name] = self

    async def delete(self, system: System) -> None:
        cast("Fields", system).do(f"delete {self.name}")
        cast("Fields", system).world.pop(self.name, None)


@dataclass(frozen=True)
class Weather(External):
    kind: ClassVar[str] = "weather"
    name: str

    def key(self) -> str:
        return self.name

    async def holds(self, system: System) -> bool:
        return self.name in cast("Fields", system).weather


class Fields:
    """The system of straw."""

    owns_namespace = True

    def __init__(self) -> None:
        self.world: World = {}
        self.weather: set[str] = set()
        self.failing: set[str] = set()
        self.done: list[str] = []
        self.refreshed = 0
        self.rtnl = self

    async def links(self) -> dict[str, Any]:
        return {}

    def refresh(self) -> None:
        self.refreshed += 1

    def do(self, what: str) -> None:
        self.done.append(what)
        if what in self.failing:
            raise KernelError(f"cannot {what}")


@pytest.fixture
def fields() -> Fields:
    return Fields()


def agent_of(fields: Fields, told: Callable[[Outcome], None] = lambda outcome: None) -> Reconciler:
    agent = Reconciler(cast("Any", fields), told)
    agent._kinds = (Straw,)
    return agent


def run(
    fields: Fields, *passes: list[Item], told: Callable[[Outcome], None] = lambda outcome: None
) -> Outcome:
    """One agent's runs, one after the other; the last outcome."""

    async def work() -> Outcome:
        agent = agent_of(fields, told)
        for items in passes:

            async def intend(items: list[Item] = items) -> dict[str, list[Item]]:
                return {"": items}

            outcome = await agent.run(intend, lambda: None)
        return outcome

    return asyncio.run(work())


def states(outcome: Outcome) -> dict[str, str]:
    return {str(ref): item.state for ref, item in outcome.states.items()}


def straw(name: str, value: int = 0, *on: Item) -> Straw:
    return Straw(name, value, frozenset(item.ref for item in on))


def test_until_nothing_is_left_to_do(fields: Fields) -> None:
    """A run looks anew before each pass and ends with one that found nothing to do."""
    base = straw("base")
    outcome = run(fields, [base, straw("top", 0, base)])
    assert fields.done == ["create base", "create top"]
    assert (outcome.operations, outcome.settled, outcome.failed) == (2, True, False)
    assert states(outcome) == {"straw/base": "created", "straw/top": "created"}
    assert fields.refreshed == 2


def test_a_failure_ends_the_run_and_is_told(fields: Fields) -> None:
    """What failed says why, what stands on it is pending, and the rest is done."""
    fields.failing = {"create base"}
    base = straw("base")
    outcome = run(fields, [base, straw("top", 0, base), straw("other")])
    assert states(outcome) == {"straw/base": "failed", "straw/top": "pending", "straw/other": "created"}
    assert outcome.states[base.ref].error == "cannot create base"
    assert outcome.failed


def test_a_replacement_that_fails_half_way_has_failed(fields: Fields) -> None:
    """When the old item cannot be removed, the new one is not tried, and the failure is what is told."""
    fields.failing = {"delete base"}
    outcome = run(fields, [straw("base", 0)], [straw("base", 1)])
    assert outcome.states[Ref("straw", "base")].error == "cannot delete base"
    assert outcome.failed


def test_what_is_missing_is_pending(fields: Fields) -> None:
    """An item whose fact does not hold is pending and says what it lacks; the fact itself lacks nothing."""
    sun = Weather("sun")
    items: list[Item] = [sun, straw("hay", 0, sun)]
    outcome = run(fields, items)
    assert states(outcome) == {"weather/sun": "pending", "straw/hay": "pending"}
    assert outcome.states[Ref("straw", "hay")].lacks == ["weather/sun"]
    fields.weather = {"sun"}
    assert states(run(fields, items)) == {"weather/sun": "external", "straw/hay": "created"}


def test_what_observations_do_not_show_is_remembered(fields: Fields) -> None:
    """Items that are no longer wanted go in the order in which they stood on each other, although the kernel
    does not tell what stands on what."""
    base = straw("a-base")
    run(fields, [base, straw("top", 0, base)], [])
    assert fields.done[2:] == ["delete top", "delete a-base"]


def test_a_world_that_never_settles_is_left_for_later(fields: Fields) -> None:
    """When each pass finds something to do, the run ends after a few, and says that it is not settled."""
    moods = iter(range(1000))

    async def work() -> Outcome:
        async def intend() -> dict[str, list[Item]]:
            return {"": [straw("mood", next(moods))]}

        return await agent_of(fields).run(intend, lambda: None)

    outcome = asyncio.run(work())
    assert not outcome.settled
    assert outcome.operations > reconciler.PASSES


def test_progress_is_told_before_the_work(fields: Fields) -> None:
    """Each pass that has something to do is announced with the items' verbs, and no other pass."""
    told: list[dict[str, str]] = []
    run(fields, [straw("hay")], [straw("hay")], [], told=lambda outcome: told.append(states(outcome)))
    assert told == [{"straw/hay": "creating"}, {"straw/hay": "deleting"}]
