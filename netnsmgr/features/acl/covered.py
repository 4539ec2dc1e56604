"""Rules that never decide, because earlier ones of the list take everything that they speak of."""

from __future__ import annotations

from collections.abc import Sequence

from netnsmgr.config.acl import AclRule
from netnsmgr.features.acl.elements import Element, Static, elements
from netnsmgr.features.acl.levels import holds, levels
from netnsmgr.features.acl.verdict import Direction

PATIENCE = 2000
"""How many elements are looked at to find the one that covers another."""

DIRECTIONS: tuple[Direction, Direction] = ("out", "in")


def covered(rules: Sequence[AclRule], static: Static) -> dict[int, tuple[int, ...]]:
    """Return the positions of rules that are never reached, each with those of the rules that cover it.

    No rule at all covers one that matches nothing to begin with.  These are the rules that the compiler leaves out; one that
    several earlier ones cover only together is not among them.
    """
    asked: dict[int, list[tuple[Element, list[Element]]]] = {n: [] for n in range(1, len(rules) + 1)}
    alive: set[int] = set()
    for direction in DIRECTIONS:
        found = elements(rules, direction, static)
        alive |= {element.position for level in levels(found) for element in level.elements}
        for element in found:
            asked[element.position].append((element, found))
    return {
        position: tuple(sorted({_holder(element, earlier) for element, earlier in pairs} - {0}))
        for position, pairs in asked.items()
        if position not in alive
    }


def _holder(element: Element, earlier: Sequence[Element]) -> int:
    """Return the position of the first rule that holds an element; 0 if there is none, or not among the first."""
    for other in earlier[:PATIENCE]:
        if other.position >= element.position:
            break
        if not other.shape.known and holds(other.shape, element.shape) and _within(element, other):
            return other.position
    return 0


def _within(inner: Element, outer: Element) -> bool:
    ports = ((inner.fport, outer.fport), (inner.lport, outer.lport))
    if not all(far[0] <= near[0] and near[1] <= far[1] for near, far in ports):
        return False
    if not outer.shape.net:
        return True
    (address, length), (base, wide) = inner.net, outer.net
    below = (32 if outer.shape.family == 4 else 128) - wide
    return wide <= length and address >> below == base >> below
