"""Which boxes of one shape meet a box, or hold it whole, without looking at all of them.

Two prefixes have an address in common only if one holds the other.  So what meets a prefix is found by asking for each
of its shorter forms, and for those that begin within it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from netnsmgr.features.acl.elements import Element, Shape, Span

PATIENCE = 256
"""How many boxes are looked at before they count as met: that costs one lookup more, and is never wrong."""


Pair = tuple[Span, Span]
"""Ports of both sides, as rows and what goes with them."""


class Spans:
    """Ranges of ports, none within another; so in order of their ends as well as of their beginnings."""

    __slots__ = ("firsts", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def add(self, span: Span) -> None:
        """Take a range in; those within it go."""
        first, last = span
        begin = bisect_left(self.firsts, first)
        if begin and self.lasts[begin - 1] >= last:
            return
        end = bisect_right(self.lasts, last)
        if begin < len(self.firsts) and self.firsts[begin] == first and self.lasts[begin] >= last:
            return
        self.firsts[begin:end] = [first]
        self.lasts[begin:end] = [last]

    def meet(self, span: Span) -> bool:
        """Tell whether a range has a port in common with any of them."""
        at = bisect_right(self.firsts, span[1])
        return at > 0 and self.lasts[at - 1] >= span[0]

    def hold(self, span: Span) -> bool:
        """Tell whether a range is within one of them."""
        at = bisect_right(self.firsts, span[0])
        return at > 0 and self.lasts[at - 1] >= span[1]


class Ports:
    """Pairs of ranges: rows of the one, each with what goes with it of the other."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[Span, Spans] = {}

    def add(self, row: Span, span: Span) -> None:
        """Take a pair in."""
        found = self.rows.get(row)
        if found is None:
            found = self.rows[row] = Spans()
        found.add(span)

    def meet(self, row: Span, span: Span) -> bool:
        """Tell whether a pair has ports in common with any of them, or there are too many to look at."""
        if len(self.rows) > PATIENCE:
            return True
        first, last = row
        return any(r[0] <= last and first <= r[1] and s.meet(span) for r, s in self.rows.items())

    def hold(self, row: Span, span: Span) -> bool:
        """Tell whether a pair is within one of them; of too many only the like are looked at."""
        if len(self.rows) > PATIENCE:
            return row in self.rows and self.rows[row].hold(span)
        first, last = row
        return any(r[0] <= first and last <= r[1] and s.hold(span) for r, s in self.rows.items())


class Boxes:
    """Elements of one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._bits = 32 if shape.family == 4 else 128
        self._all = Ports()
        self._nets: dict[int, dict[int, Ports | Pair]] = {}
        """Prefix length → address → ports; most have a single pair, and objects are what 20,000 cost."""
        self._order: list[tuple[int, int]] = []

    def add(self, element: Element) -> None:
        """Take an element in."""
        pair = self._pair(element)
        self._all.add(*pair)
        if not self.shape.net:
            return
        address, length = element.net
        at_length = self._nets.setdefault(length, {})
        ports = at_length.get(address)
        if ports is None:
            at_length[address] = pair
            insort(self._order, element.net)
            return
        if isinstance(ports, tuple):
            single, ports = ports, Ports()
            ports.add(*single)
            at_length[address] = ports
        ports.add(*pair)

    def meet(self, element: Element) -> bool:
        """Tell whether an element of any shape meets any of these, their families and protocols being the same."""
        pair = self._pair(element)
        if not self._all.meet(*pair):
            return False
        if not (self.shape.net and element.shape.net):
            return True
        address, length = element.net
        shorter = (self._at(address, known) for known in self._nets if known <= length)
        if any(ports is not None and _meet(ports, pair) for ports in shorter):
            return True
        if max(self._nets) <= length:
            return False
        last = address | (1 << self._bits - length) - 1
        begin, end = bisect_left(self._order, element.net), bisect_right(self._order, (last, self._bits))
        inside = self._order[begin : min(end, begin + PATIENCE)]
        return end - begin > PATIENCE or any(_meet(self._nets[n][a], pair) for a, n in inside)

    def hold(self, element: Element) -> bool:
        """Tell whether an element, whose shape says at least as much as this, is within one of these."""
        pair = self._pair(element)
        if not self.shape.net:
            return self._all.hold(*pair)
        address, length = element.net
        shorter = (self._at(address, known) for known in self._nets if known <= length)
        return any(ports is not None and _hold(ports, pair) for ports in shorter)

    def _at(self, address: int, length: int) -> Ports | Pair | None:
        below = self._bits - length
        return self._nets[length].get(address >> below << below)

    def _pair(self, element: Element) -> Pair:
        # The side of which the shape says nothing makes the rows: there is one then.
        return (element.fport, element.lport) if self.shape.lport else (element.lport, element.fport)


def _meet(ports: Ports | Pair, pair: Pair) -> bool:
    if isinstance(ports, Ports):
        return ports.meet(*pair)
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(ports, pair, strict=True))


def _hold(ports: Ports | Pair, pair: Pair) -> bool:
    if isinstance(ports, Ports):
        return ports.hold(*pair)
    return all(a[0] <= b[0] and b[1] <= a[1] for a, b in zip(ports, pair, strict=True))
