"""Run a plan: every ready operation at once; a failure stops only what stands on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from netnsmgr.core.plan import Op, Plan


async def execute(plan: Plan, apply: Callable[[Op], Awaitable[None]]) -> dict[Op, Exception | None]:
    """Apply all operations of the plan and return how each that was tried ended.

    An operation missing from the result was skipped, because one it had to wait for failed; the next
    plan contains it again.  Cancelling cancels the running operations: their verbs are idempotent.
    """
    result: dict[Op, Exception | None] = {}
    tasks: dict[Op, asyncio.Task[None]] = {}

    async def run(op: Op) -> None:
        before = plan.after[op]
        if waiting := [tasks[other] for other in before if not tasks[other].done()]:
            await asyncio.wait(waiting)
        if any(result.get(other, op) is not None for other in before):
            return
        try:
            await apply(op)
        except Exception as error:  # whatever a verb raises is that item's failure, not the pass's
            result[op] = error
        else:
            result[op] = None

    async with asyncio.TaskGroup() as group:
        for op in plan.order():
            tasks[op] = group.create_task(run(op), name=str(op))
    return result
