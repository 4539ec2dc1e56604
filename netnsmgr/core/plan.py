"""Pure planning: two states in, an ordered set of operations out.

Rules of the order:

1. An item is created or modified after everything it stands on, and after what it follows.
2. An item is deleted after everything that stood on it is gone or has moved elsewhere, so that a
   removed item outlives its last user (no moment without a firewall rule that is only replaced).
3. Replacing an item takes down all that stands on it and brings it back.
4. An item that lacks a foundation is *blocked*: left out, reported, and removed where it exists.
5. An item whose foundation vanished under it and has to be made again is replaced, even if it looks intact:
   a socket bound to a link that was deleted is bound to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from netnsmgr.core.item import Item, Ref, State


class Verb(StrEnum):
    """What an operation does to its item."""

    CREATE = "create"
    MODIFY = "modify"
    DELETE = "delete"


@dataclass(frozen=True)
class Op:
    """One step of a plan; ``old`` is what is there now, ``new`` what shall be."""

    verb: Verb
    ref: Ref
    old: Item | None = None
    new: Item | None = None

    def __str__(self) -> str:
        return f"{self.verb} {self.ref}"


class Cycle(ValueError):
    """Items stand on each other in a circle: a defect of the features that made them."""


@dataclass(frozen=True)
class Plan:
    """Operations, what each has to wait for, and the items that cannot be made yet."""

    after: Mapping[Op, frozenset[Op]]
    blocked: Mapping[Ref, frozenset[Ref]]

    def __bool__(self) -> bool:
        return bool(self.after)

    def order(self) -> list[Op]:
        """Return one valid order, the same for the same plan."""
        sorter = TopologicalSorter(self.after)
        try:
            sorter.prepare()
        except CycleError as error:
            raise Cycle(" -> ".join(map(str, error.args[1]))) from error
        ordered: list[Op] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=str)
            ordered += ready
            sorter.done(*ready)
        return ordered

    def replaced(self) -> list[Ref]:
        """Return what is taken down and brought back: the ones a change disturbs."""
        made = {op.ref for op in self.after if op.verb is Verb.CREATE}
        return sorted(op.ref for op in self.after if op.verb is Verb.DELETE and op.ref in made)

    def __str__(self) -> str:
        return "\n".join(map(str, self.order()))


def plan(current: State, intended: State, external: frozenset[Ref] = frozenset()) -> Plan:
    """Compute how to get from ``current`` to ``intended``, given the facts in ``external``.

    External items in ``intended`` are satisfied only when ``external`` names them.
    Raises ``Cycle`` when intended items stand on each other in a circle.
    """
    wanted, blocked = _satisfiable(intended, external)
    gone = _going(current, wanted, external)

    delete = {ref: Op(Verb.DELETE, ref, old=current[ref]) for ref in gone}
    make: dict[Ref, Op] = {}
    for ref, item in wanted.items():
        if ref in gone or ref not in current:
            make[ref] = Op(Verb.CREATE, ref, new=item)
        elif current[ref] != item:
            make[ref] = Op(Verb.MODIFY, ref, old=current[ref], new=item)

    users: dict[Ref, set[Ref]] = {}
    for ref, item in current.items():
        for dep in item.deps():
            users.setdefault(dep, set()).add(ref)

    after: dict[Op, frozenset[Op]] = {}
    for ref, op in delete.items():
        # A user either dies too, or is modified to stand on something else first.
        after[op] = frozenset(
            delete.get(u) or make[u] for u in users.get(ref, ()) if u in delete or u in make
        )
    for ref, op in make.items():
        waits = {make[dep] for dep in wanted[ref].deps() | wanted[ref].follows() if dep in make}
        if ref in delete:
            waits.add(delete[ref])
        after[op] = frozenset(waits)
    result = Plan(after, blocked)
    result.order()
    return result


def _satisfiable(
    intended: State, external: frozenset[Ref]
) -> tuple[dict[Ref, Item], dict[Ref, frozenset[Ref]]]:
    """Split the intended items into those that can exist and those that lack something."""
    wanted = {ref: item for ref, item in intended.items() if not item.external}
    blocked = {
        ref: frozenset({ref}) for ref, item in intended.items() if item.external and ref not in external
    }
    while lacking := {
        ref: missing
        for ref, item in wanted.items()
        if (missing := frozenset(dep for dep in item.deps() if dep not in wanted and dep not in external))
    }:
        blocked |= lacking
        for ref in lacking:
            del wanted[ref]
    return wanted, blocked


def _going(current: State, wanted: State, external: frozenset[Ref]) -> set[Ref]:
    """Return what has to be deleted: replaced items with all that stands on them, and unwanted ones."""
    going: set[Ref] = set()
    for ref, old in current.items():
        new = wanted.get(ref)
        if new is None:
            continue
        # An equal item is one that stands on all that is wanted of it, even if its observation could not see that.
        stood = new.deps() if new == old else new.deps() & old.deps()
        vanished = any(dep not in current and dep not in external for dep in stood)
        if vanished or (new != old and new.must_replace(old)):
            going.add(ref)
    while standing := {ref for ref, old in current.items() if not going.isdisjoint(old.deps())} - going:
        going |= standing
    return going | (current.keys() - wanted.keys())
