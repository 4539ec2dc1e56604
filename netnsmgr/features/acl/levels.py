"""An ordered list of rules as few lookups: whole lists at the price of one rule each.

A *level* is one lookup of the kernel.  Its elements have one shape and nothing in common with each other, so that what is
found is the only one.  Levels are asked in order, and whatever meets an element of an earlier rule lies in a later level:
so the first hit is the first rule that matches, as the list is meant.  Elements that an earlier one holds whole are left
out, because nothing ever gets to them.

n rules of one shape that do not meet are one level; a list whose every rule meets the one before it is as many levels as
rules, as it would be without this.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from netnsmgr.features.acl.boxes import Boxes
from netnsmgr.features.acl.elements import Element, Shape


@dataclass
class Level:
    """One lookup: what its elements have in common, and the elements in the rules' order."""

    shape: Shape
    elements: list[Element] = field(default_factory=list)


def levels(elements: Iterable[Element]) -> list[Level]:
    """Return the lookups that find the first element that matches, in the order in which to ask."""
    plan = _Plan()
    for element in elements:
        plan.place(element)
    return plan.levels


class _Plan:
    def __init__(self) -> None:
        self.levels: list[Level] = []
        self._boxes: list[Boxes] = []
        """Of each level."""
        self._of_shape: dict[Shape, list[int]] = {}
        """Indices of the levels with a shape."""
        self._seen: dict[Shape, Boxes] = {}
        """Elements of all levels with a shape, without those that have conditions."""
        self._wider: dict[Shape, tuple[int, list[Boxes]]] = {}

    def place(self, element: Element) -> None:
        """Put an element into the earliest level that is right."""
        shape = element.shape
        if any(boxes.hold(element) for boxes in self._holders(shape)):
            return
        after = self._last_met(element)
        of_shape = self._of_shape.setdefault(shape, [])
        at = bisect_right(of_shape, after)
        if at == len(of_shape):
            of_shape.append(len(self.levels))
            self.levels.append(Level(shape))
            self._boxes.append(Boxes(shape))
        index = of_shape[at]
        self.levels[index].elements.append(element)
        self._boxes[index].add(element)
        if not shape.known:
            if shape not in self._seen:
                self._seen[shape] = Boxes(shape)
            self._seen[shape].add(element)

    def _last_met(self, element: Element) -> int:
        family, protocol = element.shape[:2]
        for index in range(len(self._boxes) - 1, -1, -1):
            boxes = self._boxes[index]
            other = boxes.shape
            if family != other.family and family is not None and other.family is not None:
                continue
            if protocol != other.protocol and protocol is not None and other.protocol is not None:
                continue
            if boxes.meet(element):
                return index
        return -1

    def _holders(self, shape: Shape) -> list[Boxes]:
        count, found = self._wider.get(shape, (0, []))
        if count != len(self._seen):
            found = [boxes for other, boxes in self._seen.items() if holds(other, shape)]
            self._wider[shape] = (len(self._seen), found)
        return found


def holds(wide: Shape, narrow: Shape) -> bool:
    """Tell whether whatever has the one shape may lie within something of the other."""
    return (
        wide.family in {None, narrow.family}
        and wide.protocol in {None, narrow.protocol}
        and wide.net <= narrow.net
        and wide.fport <= narrow.fport
        and wide.lport <= narrow.lport
    )
