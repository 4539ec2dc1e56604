"""Events and the ring that keeps them: bounded, counted, never out of order."""

from __future__ import annotations

import pytest

from netnsmgr.core.event import MAX_FOUND, MAX_OF_AGENT, MAX_TEXT, Event, Ring, of_row


def event(reason: str = "Drift", message: str = "a route was gone", at: float = 1.0, **more: object) -> Event:
    return Event(at, "NetworkInstance/ni1", "Warning", reason, message, **more)  # type: ignore[arg-type]


def test_equal_ones_are_one_counted() -> None:
    ring = Ring()
    ring.add(event(at=1.0))
    ring.add(event("Repaired", at=2.0))
    kept = ring.add(event(at=3.0, found={"is": 2}))
    assert (kept.number, kept.gone) == (3, (1,))
    assert (kept.event.count, kept.event.first, kept.event.time, kept.event.found) == (2, 1.0, 3.0, {"is": 2})
    assert [(n, each.reason) for n, each in ring] == [(2, "Repaired"), (3, "Drift")]


def test_the_oldest_goes() -> None:
    ring = Ring(2)
    gone = [ring.add(event(message=str(n))).gone for n in range(4)]
    assert gone == [(), (), (1,), (2,)]
    assert [n for n, _ in ring] == [3, 4]
    ring.add(event(message="0"))  # forgotten, so that it is not counted
    assert [each.count for _, each in ring] == [1, 1]


def test_an_agent_pushes_out_its_own() -> None:
    """Whatever it tells, what the supervisor and other agents have told stays."""
    ring = Ring()
    for n in range(50):
        ring.add(event(message=f"other {n}", source="ni2"))
        ring.add(event(message=f"supervisor {n}"))
    for n in range(1000):
        ring.add(event(message=f"new {n}", source="ni1"))
    sources = [each.source for _, each in ring]
    assert (sources.count("ni1"), sources.count("ni2"), sources.count("supervisor")) == (MAX_OF_AGENT, 50, 50)
    assert [n for n, _ in ring] == sorted(n for n, _ in ring)


def test_a_former_life_is_taken_as_it_was() -> None:
    """Lines of a file: the later of two equal ones is the whole truth, and numbers go on behind the last."""
    ring = Ring()
    ring.add(event(count=1), 7)
    ring.add(event(at=5.0, count=4, first=1.0), 9)
    assert [(n, each.count, each.first) for n, each in ring] == [(9, 4, 1.0)]
    assert ring.add(event("Ready")).number == 10


def test_everything_is_bounded() -> None:
    """Whatever is told, a row stays small and can be printed on a terminal."""
    found = {"text": "x" * MAX_FOUND}
    made = event(message="\x1b[31mred\n" + "x" * 2 * MAX_TEXT, found=found)
    assert made.message.startswith(" [31mred xxx")
    assert len(made.message) == MAX_TEXT
    assert made.row()["found"] == {"cut": "more than 4000 bytes"}


@pytest.mark.parametrize(
    "thing",
    [
        "",
        "ni1",
        "Pod/a",
        "App/",
        "App/a/b/c",
        "Daemon/x",
        "App/a b",
        "App/" + "a" * 99,
        "App/\x1b[2J",
        "App/\ud800",
    ],
)
def test_an_event_is_of_something(thing: str) -> None:
    with pytest.raises(ValueError, match="an event is of"):
        Event(1.0, thing, "Normal", "Ready", "")


@pytest.mark.parametrize("reason", ["", "not ready", "ready", "Drift!", "R" * 65])
def test_a_reason_is_a_word(reason: str) -> None:
    with pytest.raises(ValueError, match="CamelCase"):
        event(reason)


def test_rows() -> None:
    """What is written is read again, and what is no event is refused."""
    for made in (event(), event(found={"expected": "a", "found": None}, count=3, first=0.5, source="ni1")):
        assert of_row(made.row()) == made
    strange: list[object] = [{}, None, [], {**event().row(), "count": "1"}, {**event().row(), "found": []}]
    for broken in strange:
        with pytest.raises(ValueError, match="not an event"):
            of_row(broken)
