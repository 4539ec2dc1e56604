"""Ranges and boxes: what meets them and what is within, against looking at each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.features.acl.boxes import PATIENCE, Boxes, Spans
from netnsmgr.features.acl.elements import Element, Shape

SPANS = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))
NETS = st.integers(28, 32).flatmap(
    lambda length: st.integers(0, 15).map(lambda a: (a >> 32 - length << 32 - length, length))
)
SHAPE = Shape(4, 6, net=True, fport=True, lport=True)
ELEMENTS = st.builds(Element, st.just(1), st.just(SHAPE), NETS, SPANS, SPANS)


@given(st.lists(SPANS), SPANS)
def test_spans(taken: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    """A range meets one of them, or is within one of them."""
    spans = Spans()
    for span in taken:
        spans.add(span)
    assert spans.meet(asked) == any(a <= asked[1] and asked[0] <= b for a, b in taken)
    assert spans.hold(asked) == any(a <= asked[0] and asked[1] <= b for a, b in taken)


def meets(one: Element, other: Element) -> bool:
    nets = sorted([one.net, other.net], key=lambda net: net[1])
    below = 32 - nets[0][1]
    sides = ((one.fport, other.fport), (one.lport, other.lport))
    return nets[0][0] >> below == nets[1][0] >> below and all(a[0] <= b[1] and b[0] <= a[1] for a, b in sides)


@given(st.lists(ELEMENTS, max_size=12), ELEMENTS)
def test_boxes(taken: list[Element], asked: Element) -> None:
    """A box meets one of them, or is within one of them."""
    boxes = Boxes(SHAPE)
    for element in taken:
        boxes.add(element)
    if taken:
        assert boxes.meet(asked) == any(meets(asked, element) for element in taken)
        within = any(
            element.net[1] <= asked.net[1]
            and meets(asked, element)
            and all(a[0] <= b[0] and b[1] <= a[1] for a, b in zip(element[3:], asked[3:], strict=True))
            for element in taken
        )
        assert boxes.hold(asked) == within


def test_patience_ends() -> None:
    """Where too many boxes would have to be looked at, it is as if one was met: never the other way."""
    boxes = Boxes(SHAPE)
    for n in range(PATIENCE + 1):
        boxes.add(Element(n, SHAPE, (n, 32), (n, n), (n, n)))
    assert boxes.meet(Element(0, SHAPE, (0, 8), (1, 1), (2, 2)))
    assert not boxes.hold(Element(0, SHAPE, (0, 32), (1, 1), (2, 2)))
    assert boxes.hold(Element(0, SHAPE, (2, 32), (2, 2), (2, 2)))
