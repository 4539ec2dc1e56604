"""One namespace, and an agent's own steps in it: observe, plan, carry out."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from netnsmgr.agent.reconciler import Reconciler
from netnsmgr.core.execute import execute
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import Plan, plan
from netnsmgr.items.lease import Lease
from netnsmgr.items.system import External, KernelItem
from netnsmgr.kernel.port_key import port_key
from netnsmgr.kernel.system import KernelSystem

DIRECTORY = "/run/agent"
ETC = f"{DIRECTORY}/etc"
STATE = "/run/state"


def sh(script: str) -> str:
    """Run a shell script as somebody else on the machine would; its output."""
    done = subprocess.run(["sh", "-ec", script], text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Stage:
    """See ``stage``."""

    def __init__(self, system: KernelSystem) -> None:
        self.system = system
        self._reconciler = Reconciler(system, lambda outcome: None)

    async def observe(self, *wanted: Item) -> dict[Ref, Item]:
        """What an agent that wants these items finds."""
        self.system.refresh()
        return await self._reconciler._observe(state(wanted))

    async def found(self, *wanted: Item) -> list[str]:
        """The same as text, without the directory that is always there."""
        return sorted(str(ref) for ref in await self.observe(*wanted) if ref.key != ETC)

    async def plan(self, *wanted: Item) -> Plan:
        current = await self.observe(*wanted)
        external = [i.ref for i in wanted if isinstance(i, External) and await i.holds(self.system)]
        return plan(current, state(wanted), frozenset(external))

    async def once(self, *wanted: Item) -> list[str]:
        """One pass; the operations in their order.  Raises what an operation raised."""
        todo = await self.plan(*wanted)
        for error in (await execute(todo, self._reconciler._apply)).values():
            if error is not None:
                raise error
        return [str(op) for op in todo.order() if op.ref.key != ETC]

    async def bring(self, *wanted: Item) -> list[str]:
        """One pass, after which nothing is left to do."""
        done = await self.once(*wanted)
        second = await self.once(*wanted)
        assert second == [], f"the second plan is not empty: {second}"
        return done

    async def verbs(self, item: KernelItem, *others: Item, old: KernelItem | None = None) -> None:
        """Make the item twice and remove it twice, by its verbs alone: each time as if it were the first."""
        for _ in range(2):
            self.system.refresh()
            await item.create(self.system)
        assert await self.once(item, *others) == []
        if old is not None:
            for _ in range(2):
                self.system.refresh()
                await item.modify(old, self.system)
            assert await self.once(item, *others) == []
        for _ in range(2):
            self.system.refresh()
            await item.delete(self.system)


@asynccontextmanager
async def stage(
    *,
    owns_namespace: bool = True,
    fresh: bool = True,
    changed: Callable[[], None] = lambda: None,
    leases: Callable[[], Sequence[Lease]] = tuple,
    home: int | None = None,
) -> AsyncIterator[Stage]:
    """The agent of the namespace in which the test runs; owns nothing but its socket, like the real one."""
    system = KernelSystem(
        DIRECTORY,
        changed,
        owns_namespace=owns_namespace,
        fresh=fresh,
        port_key=port_key(STATE),
        leases=leases,
        home=home,
    )
    async with system:
        yield Stage(system)
