"""Rules that limit: how much passes, in which directions, and that nothing but their own change gives more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import instance
from tests.scenarios.listed import address, listed, lists, rule
from tests.scenarios.streams import Stream, go_on
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SERVER = "203.0.113.10"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists(("app1", "app2")) as world:
        yield world


@pytest.fixture(autouse=True)
def without_lists(w: World) -> None:
    w.apply(instance("ni1"), listed("app1"), listed("app2"))


def limited(number: int, rate: str, **more: object) -> dict[str, object]:
    return rule(number, {"limit": {"rate": rate, **more}})


def per_second(stream: Stream) -> float:
    return stream.received / (stream.sent / 1000)


@pytest.mark.parametrize("who", ["app1", "app2"])
def test_packets(w: World, who: str) -> None:
    """By the list of the one who sends, or of the one who receives."""
    w.apply(listed(who, [limited(1, "100/second", burst=20)]))
    with Stream(w.lab.apps["app1"], w.lab.apps["app2"], address(w, "app2"), 9200) as stream:
        go_on(2.0)
    assert 100 <= stream.received - 20 <= 125 * stream.sent / 1000
    assert stream.received >= 85 * stream.sent / 1000


def test_bytes(w: World) -> None:
    w.apply(listed("app1", [limited(1, "20 kbytes/second", burst="30 kbytes")]))
    with Stream(w.lab.apps["app1"], w.lab.internet, SERVER, 9201, size=500, rate=500) as stream:
        go_on(2.0)
    passed, seconds = stream.received * 528, stream.sent / 500
    assert 0.85 * 20_480 * seconds <= passed - 30_720 <= 1.1 * 20_480 * seconds


def test_both_directions_share(w: World) -> None:
    """What is answered counts as well: the stream is nothing but an answer."""
    w.apply(listed("app1", [limited(1, "100/second")]))
    with Stream(w.lab.internet, w.lab.apps["app1"], SERVER, 9202, asked=True) as stream:
        go_on(1.5)
    assert 80 * stream.sent / 1000 <= stream.received <= 125 * stream.sent / 1000 + 10


def test_each_connection_has_its_own(w: World) -> None:
    app1, app2, two = w.lab.apps["app1"], w.lab.apps["app2"], address(w, "app2")
    results = []
    for per in ("rule", "connection"):
        w.apply(listed("app1", [limited(1, "100/second", per=per)]))
        with Stream(app1, app2, two, 9203) as one, Stream(app1, app2, two, 9204) as other:
            go_on(1.5)
        results.append((one, other))
    together, separate = results
    received, sent = sum(each.received for each in together), max(each.sent for each in together)
    assert 70 <= received / sent * 1000 <= 135
    assert all(80 <= each.received / each.sent * 1000 <= 130 for each in separate)


def test_a_limit_holds_while_something_else_changes(w: World) -> None:
    """Neither another's list, nor the flow log, nor an agent's restart gives a new allowance."""
    w.apply(listed("app1", [limited(1, "10/second", burst=50)]))
    with Stream(w.lab.apps["app1"], w.lab.apps["app2"], address(w, "app2"), 9205) as stream:
        for turn in range(4):
            w.apply(listed("app2", [rule(turn + 1)]), instance("ni1", flowLog=turn % 2 == 0))
        w.kill_agent("ni1")
        w.ready("ni1")
    assert stream.received <= 50 + 12 * stream.sent / 1000 + 5
