"""Planning and executing over thousands of random graphs: what holds for all of them."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from netnsmgr.core.execute import execute
from netnsmgr.core.item import Item, Ref
from netnsmgr.core.plan import Op, Plan, Verb, plan
from tests.unit.core.graph import OUTSIDE, State, World, closed, random_state, refs

CASES = 1000
SEEDS = [range(start, start + CASES) for start in range(0, 4 * CASES, CASES)]
batches = pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"{seeds.start}-{seeds.stop}")


class Case:
    """Two random states and the facts that hold; ``vanished`` is what somebody removed by hand from the first."""

    def __init__(self, seed: int) -> None:
        self.rnd = Random(seed)
        before = refs(name for name in OUTSIDE if self.rnd.random() < 0.7)
        self.external = refs(name for name in OUTSIDE if self.rnd.random() < 0.7)
        self.current: State = closed(random_state(self.rnd), before)
        if self.current and self.rnd.random() < 0.5:
            del self.current[self.rnd.choice(sorted(self.current))]
        # Often the second is like the first but for a little: that is what an agent meets.
        fresh = random_state(self.rnd)
        self.intended: State = dict(fresh)
        if self.rnd.random() < 0.6:
            kept = {ref: item for ref, item in self.current.items() if self.rnd.random() < 0.8}
            self.intended = fresh | kept
        self.plan = plan(self.current, self.intended, self.external)
        self.world = World(self.current, self.external, self.rnd)

    @property
    def possible(self) -> dict[Ref, Item]:
        return closed(self.intended, self.external)


@batches
def test_plans_arrive(seeds: range) -> None:
    """In any interleaving no foundation is missing at a create and no dependant alive at a delete; everything
    that is possible is there afterwards and nothing else, and the second plan is empty."""

    async def run() -> None:
        for seed in seeds:
            case = Case(seed)
            result = await execute(case.plan, case.world.apply)
            assert [str(error) for error in result.values() if error] == [], f"seed {seed}"
            assert len(result) == len(case.plan.after), f"seed {seed}: something was not done"
            assert case.world.there == case.possible, f"seed {seed}"
            assert case.plan.blocked.keys() == case.intended.keys() - case.possible.keys(), f"seed {seed}"
            assert str(plan(case.world.there, case.intended, case.external)) == "", f"seed {seed}"

    asyncio.run(run())


@batches
def test_nobody_is_disturbed_without_a_reason(seeds: range) -> None:
    """Each replaced item itself had to be replaced, or lost a foundation, or stands on one that goes;
    and each that lost a foundation that it still needs *is* replaced, with all that stands on it."""
    for seed in seeds:
        case = Case(seed)
        there = case.current.keys() | case.external
        disturbed = {
            ref
            for ref, old in case.current.items()
            if (new := case.possible.get(ref)) is not None
            and (new.must_replace(old) or (old.deps() & new.deps()) - there)
        }
        while more := {ref for ref, old in case.current.items() if old.deps() & disturbed} - disturbed:
            disturbed |= more
        deleted = {op.ref for op in case.plan.after if op.verb is Verb.DELETE}
        assert deleted == disturbed | (case.current.keys() - case.possible.keys()), f"seed {seed}"


@batches
def test_a_failure_skips_only_what_stands_on_it(seeds: range) -> None:
    """Whatever fails, the operations that do not wait for it are done, and those that do are not tried;
    the next plan, from where that ended, arrives."""

    async def run() -> None:
        for seed in seeds:
            case = Case(seed)
            case.world.failing = {op for op in case.plan.after if case.rnd.random() < 0.15}
            result = await execute(case.plan, case.world.apply)
            skipped = _downstream(case.plan, case.world.failing)
            assert result.keys() == case.plan.after.keys() - skipped, f"seed {seed}"
            errors = {op for op, error in result.items() if error is not None}
            assert errors == case.world.failing - skipped, f"seed {seed}: {result}"
            case.world.failing = set()
            again = plan(case.world.there, case.intended, case.external)
            result = await execute(again, case.world.apply)
            assert not any(result.values()), f"seed {seed}: {result}"
            assert case.world.there == case.possible, f"seed {seed}"

    asyncio.run(run())


def _downstream(todo: Plan, failing: set[Op]) -> set[Op]:
    skipped: set[Op] = set()
    while more := {
        op for op, before in todo.after.items() if op not in skipped and before & (failing | skipped)
    }:
        skipped |= more
    return skipped
