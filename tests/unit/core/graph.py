"""Items that are nothing but names and edges, random states of them, and a world in which plans are carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.core.item import state as state_of
from netnsmgr.core.plan import Op, Verb

State = dict[Ref, Item]
NAMES = "abcdefgh"
OUTSIDE = "xyz"
"""Names of facts that are somebody else's."""


@dataclass(frozen=True)
class Thing(Item):
    """An item; another ``hard`` needs a new one, another ``soft`` or ``on`` can be changed in place."""

    kind: ClassVar[str] = "t"
    name: str
    soft: int = 0
    hard: int = 0
    on: frozenset[str] = frozenset()
    behind: frozenset[str] = field(default=frozenset(), compare=False)

    def key(self) -> str:
        return self.name

    def follows(self) -> frozenset[Ref]:
        return refs(self.behind)

    def deps(self) -> frozenset[Ref]:
        return refs(self.on)

    def must_replace(self, old: Item) -> bool:
        return not isinstance(old, Thing) or self.hard != old.hard


@dataclass(frozen=True)
class Fact(Item):
    """A thing of somebody else."""

    kind: ClassVar[str] = "t"
    external: ClassVar[bool] = True
    name: str

    def key(self) -> str:
        return self.name


def refs(names: Iterable[str]) -> frozenset[Ref]:
    return frozenset(Ref("t", name) for name in names)


def thing(name: str, on: str = "", soft: int = 0, hard: int = 0, behind: str = "") -> Thing:
    return Thing(name, soft, hard, frozenset(on), frozenset(behind))


def state(*items: Item) -> State:
    return state_of(items)


def random_state(rnd: Random) -> State:
    """Up to eight things, each standing on things before it in the alphabet, now and then on a fact outside."""
    found = []
    for name in rnd.sample(NAMES, rnd.randint(0, len(NAMES))):
        below = [other for other in NAMES if other < name and rnd.random() < 0.3]
        below += [other for other in OUTSIDE if rnd.random() < 0.08]
        found.append(thing(name, "".join(below), rnd.randint(0, 1), int(rnd.random() < 0.25)))
    return state(*found)


def closed(items: State, external: Collection[Ref]) -> State:
    """Without what stands on nothing."""
    left = dict(items)
    while loose := [ref for ref, item in left.items() if item.deps() - left.keys() - set(external)]:
        for ref in loose:
            del left[ref]
    return left


class World:
    """What exists.  Carries out operations as a kernel would, and refuses those that come at the wrong moment."""

    def __init__(self, there: State, external: Collection[Ref] = (), rnd: Random | None = None) -> None:
        self.there = dict(there)
        self.external = set(external)
        self.failing: set[Op] = set()
        self.done: list[Op] = []
        self._rnd = rnd

    async def apply(self, op: Op) -> None:
        """Carry one operation out, after a while that differs."""
        for _ in range(self._rnd.randrange(4) if self._rnd else 0):
            await asyncio.sleep(0)
        if op in self.failing:
            raise OSError(f"{op} fails")
        if op.verb is Verb.DELETE:
            users = [ref for ref, item in self.there.items() if op.ref in item.deps()]
            assert not users, f"{op}: {users} still stand on it"
            del self.there[op.ref]
        else:
            assert op.new is not None
            lacks = op.new.deps() - self.there.keys() - self.external
            assert not lacks, f"{op}: {lacks} are missing"
            assert (op.ref in self.there) == (op.verb is Verb.MODIFY), f"{op}: exists or not, contrary to it"
            self.there[op.ref] = op.new
        self.done.append(op)
