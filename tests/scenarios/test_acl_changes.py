"""A changed list counts at once for flows that are there already, and for flows that stay allowed nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.scenarios.documents import instance
from tests.scenarios.listed import EVERYTHING, NOTHING, address, listed, lists, rule
from tests.scenarios.streams import Stream, go_on
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SERVER = "203.0.113.10"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists() as world:
        yield world


@pytest.fixture(autouse=True)
def open_lists(w: World) -> None:
    w.apply(instance("ni1"), *(listed(name, EVERYTHING) for name in ("app1", "app2", "app3")))


def some(world: World, *, flows: bool = True) -> dict[str, Stream]:
    """Streams of all kinds that app1 has to do with."""
    app1, app2, internet = world.lab.apps["app1"], world.lab.apps["app2"], world.lab.internet
    one, two = address(world, "app1"), address(world, "app2")
    return {
        "to app2": Stream(app1, app2, two, 9001, flows=flows),
        "from app2": Stream(app2, app1, one, 9002, flows=flows),
        "from app2, asked for": Stream(app2, app1, two, 9003, asked=True, flows=flows),
        "to app2, asked for": Stream(app1, app2, one, 9004, asked=True, flows=flows),
        "to the outside": Stream(app1, internet, SERVER, 9005, flows=flows),
        "from the outside, asked for": Stream(internet, app1, SERVER, 9006, asked=True, flows=flows),
        "to app2 by TCP": Stream(app1, app2, two, 9007, kind="tcp", flows=flows),
        "from app2 by TCP": Stream(app2, app1, two, 9008, kind="tcp", asked=True, flows=flows),
        "from the outside by TCP": Stream(internet, app1, SERVER, 9009, kind="tcp", asked=True, flows=flows),
    }


def test_flows_that_stay_allowed_lose_nothing(w: World) -> None:
    """While their own list changes, and another's, and the flow log, and applications come and go."""
    w.lab.app("app4")
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w).items()}
        for turn in range(20):
            mine = [rule(1, "drop", ip=f"198.51.100.{turn}"), rule(2), rule(3, "drop", ip="198.51.100.99")]
            other = [rule(1, ip=f"10.{turn}.0.0/16", protocol="tcp", fport=[turn + 1, 9000])]
            documents = [listed("app1", mine), listed("app3", other)]
            if turn % 5 == 1:
                documents.append(instance("ni1", flowLog=turn % 2 == 1))
            if turn % 5 == 2:
                documents.append(listed("app4", other))
            w.apply(*documents)
            if turn % 5 == 4:
                w.command("delete", "app", "app4")
        w.apply(listed("app2", None))
        w.apply(listed("app1", None), listed("app2", EVERYTHING))
    assert {name: stream.lost for name, stream in streams.items() if stream.lost} == {}
    assert min(stream.received for stream in streams.values()) > 5000


@pytest.mark.parametrize("denied", ["app1", "app2"])
def test_flows_that_are_denied_end_at_once(w: World, denied: str) -> None:
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w).items()}
        w.apply(listed(denied, NOTHING))
        changed = time.monotonic()
        go_on()
    cut = {name for name, stream in streams.items() if stream.ended_before(changed)}
    assert cut == {name for name in streams if denied == "app1" or "app2" in name}


def test_what_is_allowed_once_more_flows_at_once(w: World) -> None:
    w.apply(listed("app1", NOTHING))
    with ExitStack() as stack:
        all_of_them = some(w, flows=False)
        streams = [
            stack.enter_context(stream)
            for name, stream in all_of_them.items()
            if "asked" not in name and "TCP" not in name
        ]
        go_on()
        w.apply(listed("app1", EVERYTHING))
        go_on()
    assert all(stream.received > 100 for stream in streams)
    assert all(stream.lost > 100 for stream in streams)
