"""What an agent tells: at once while it is little, counted and late when it is a storm."""

from __future__ import annotations

import asyncio
from typing import Any

from netnsmgr.agent.events import BURST, PAUSE, WAITING, Events


class FakeClient:
    def __init__(self) -> None:
        self.rows: list[tuple[str, str, dict[str, Any]]] = []

    def publish(self, table: str, key: str, value: dict[str, Any]) -> None:
        self.rows.append((table, key, value))

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(row["message"], row["count"]) for _, _, row in self.rows]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[FakeClient, Clock, Events]:
    client, clock = FakeClient(), Clock()
    return client, clock, Events("ni1", client, clock)  # type: ignore[arg-type]


def test_one_is_told_at_once() -> None:
    client, _, events = made()
    events.tell("NetworkInstance/ni1", "Drift", "a route was gone", found={"item": "route"})
    ((table, key, row),) = client.rows
    assert (table, key) == ("AgentEvent/ni1", "1")
    assert row["found"] == {"item": "route"}
    assert not {"time", "first", "source"} & row.keys()


def test_the_same_twice_is_two_rows() -> None:
    """Equal rows are no news to the hub, so each has its number."""
    client, _, events = made()
    for _ in range(2):
        events.tell("NetworkInstance/ni1", "Drift", "a route was gone")
    assert [row["number"] for _, _, row in client.rows] == [1, 2]


def test_a_storm_is_counted() -> None:
    """Of ten thousand, few rows come, in a bounded number of places, and none is lost that is like another."""

    async def storm() -> None:
        client, clock, events = made()
        for n in range(10_000):
            events.tell("NetworkInstance/ni1", "Drift", f"route {n % 40} was gone")
        assert len(client.rows) == BURST
        clock.now += 40 * PAUSE
        events.tell("NetworkInstance/ni1", "Drift", "route 0 was gone")
        assert len(client.rows) == 2 * BURST
        clock.now += 40 * PAUSE
        events.tell("NetworkInstance/ni1", "Drift", "route 0 was gone")
        counts: dict[str, int] = {}
        for message, count in client.told:
            counts[message] = counts.get(message, 0) + count
        assert counts == {f"route {n} was gone": 250 + 2 * (n == 0) for n in range(40)}
        assert len({key for _, key, _ in client.rows}) == BURST

    asyncio.run(storm())


def test_too_many_different_ones_are_a_number() -> None:
    async def storm() -> None:
        client, clock, events = made()
        for n in range(1000):
            events.tell("NetworkInstance/ni1", "Drift", str(n))
        for _ in range(4):
            clock.now += BURST * PAUSE
            events.tell("NetworkInstance/ni1", "Drift", "last")
        (lost,) = [row for _, _, row in client.rows if row["reason"] == "EventsLost"]
        assert lost["found"] == {"events": 1000 - BURST - WAITING + 1}
        assert lost["object"] == "Agent/ni1"

    asyncio.run(storm())


def test_what_waits_is_told_by_itself(monkeypatch: Any) -> None:
    """Nobody has to tell another event for the rest of a storm to come."""
    monkeypatch.setattr("netnsmgr.agent.events.PAUSE", 0.001)

    async def storm() -> None:
        client = FakeClient()
        events = Events("ni1", client)  # type: ignore[arg-type]
        for n in range(BURST + 20):
            events.tell("NetworkInstance/ni1", "Drift", str(n))
        async with asyncio.timeout(5):
            while len(client.rows) < BURST + 20:
                await asyncio.sleep(0.001)

    asyncio.run(storm())
