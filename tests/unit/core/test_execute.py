"""Executing: concurrency, failures and cancelling."""

from __future__ import annotations

import asyncio

import pytest

from netnsmgr.core.execute import execute
from netnsmgr.core.plan import Op, plan
from tests.unit.core.graph import World, state, thing


def test_a_failure_is_told_and_the_rest_is_done() -> None:
    """A failed operation is in the result with its error, what waits for it is not in it, the others succeed."""
    todo = plan({}, state(thing("a"), thing("b", on="a"), thing("c", on="b"), thing("d")))
    world = World({})
    world.failing = {op for op in todo.after if op.ref.key == "a"}
    result = asyncio.run(execute(todo, world.apply))
    assert {op.ref.key: str(error) for op, error in result.items()} == {"a": "create t/a fails", "d": "None"}


def test_independent_operations_run_at_the_same_time() -> None:
    """An operation that waits for its neighbour's progress gets it: both are under way."""

    async def run() -> list[str]:
        gate, started = asyncio.Event(), []

        async def apply(op: Op) -> None:
            started.append(op.ref.key)
            if op.ref.key == "slow":
                await gate.wait()
            gate.set()

        await asyncio.wait_for(execute(plan({}, state(thing("slow"), thing("z"))), apply), 5)
        return started

    assert sorted(asyncio.run(run())) == ["slow", "z"]


def test_an_operation_waits_for_all_that_it_stands_on() -> None:
    """Nothing starts before the last of its foundations is finished, in whatever order they finish."""

    async def run() -> None:
        gates = {name: asyncio.Event() for name in "bcd"}
        finished: list[str] = []

        async def apply(op: Op) -> None:
            if op.ref.key in gates:
                await gates[op.ref.key].wait()
            finished.append(op.ref.key)

        todo = plan({}, state(thing("a", on="bcd"), thing("b"), thing("c"), thing("d")))
        running = asyncio.create_task(execute(todo, apply))
        for name in "dbc":
            await asyncio.sleep(0)
            assert "a" not in finished
            gates[name].set()
        await asyncio.wait_for(running, 5)
        assert finished == ["d", "b", "c", "a"]

    asyncio.run(run())


def test_cancelling_cancels_what_runs() -> None:
    """Cancelling the execution cancels the operation under way, and starts none that waited for it."""

    async def run() -> list[str]:
        told: list[str] = []
        started = asyncio.Event()

        async def apply(op: Op) -> None:
            told.append(f"start {op.ref.key}")
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(f"cancelled {op.ref.key}")
                raise

        running = asyncio.create_task(execute(plan({}, state(thing("a"), thing("b", on="a"))), apply))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return told

    assert asyncio.run(run()) == ["start a", "cancelled a"]


def test_an_empty_plan_is_done_at_once() -> None:
    """There is nothing to do in an empty plan, and that succeeds."""
    assert asyncio.run(execute(plan({}, {}), World({}).apply)) == {}
