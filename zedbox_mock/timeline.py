"""Timelines of changes: read from YAML, or drawn by lot; pure.

A timeline says which documents there are at first, and what happens when (seconds from the beginning of a round)::

    documents: [site.yaml]          # paths are relative to this file
    timeout: 20                     # seconds that each change may need until it is true
    repeat: 2                       # rounds
    actions:                        # commands: this program has no power over links
      down: ip link set {port} down
      up: ip link set {port} up
    events:
      - {at: 2, down: eth1}
      - {at: 4, up: eth1}
      - {at: 5, remove: [app/app3, network-instance/ni3]}
      - {at: 7, add: [network-instance/ni3, app/app3]}
      - {at: 8, change: network-instance/ni1, spec: {dns: {hosts: {printer: [10.10.1.7]}}}}
      - {at: 9, documents: [other.yaml]}   # another version of the configuration
    random: {events: 20, every: 0.5, of: [eth1, app/app5, network-instance/ni5], seed: 7}

``random`` comes after the events of each round: each time one of ``of`` goes away, or comes back.
"""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zedbox_mock import TimelineError

DOWN, UP, REMOVE, ADD, CHANGE, DOCUMENTS = VERBS = ("down", "up", "remove", "add", "change", "documents")
MOST_EVENTS = 10_000
"""Of a whole timeline: a soak test has an end."""


@dataclass(frozen=True)
class Event:
    """Something that happens ``at`` seconds from the beginning of the round to ``targets``: ports, labels, paths."""

    at: float
    verb: str
    targets: tuple[str, ...]
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verb} {', '.join(self.targets)}"


@dataclass(frozen=True)
class Timeline:
    """A timeline as it was read; ``seed`` is what its random events are drawn by."""

    documents: tuple[str, ...]
    events: tuple[Event, ...] = ()
    repeat: int = 1
    timeout: float = 20.0
    actions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    count: int = 0
    every: float = 1.0
    of: tuple[str, ...] = ()
    seed: int = 0

    def rounds(self) -> Iterator[list[Event]]:
        """Yield the events of each round, in their order."""
        dice = random.Random(self.seed)
        for _ in range(self.repeat):
            yield sorted([*self.events, *self._drawn(dice)], key=lambda event: event.at)

    def objects(self) -> Iterator[str]:
        """Yield the labels of all objects that it speaks of."""
        for event in self.events:
            if event.verb in (REMOVE, ADD, CHANGE):
                yield from event.targets
        yield from (each for each in self.of if "/" in each)

    def _drawn(self, dice: random.Random) -> Iterator[Event]:
        after = max((event.at for event in self.events), default=0.0)
        away: set[str] = set()
        for number in range(self.count):
            target = dice.choice(self.of)
            away ^= {target}
            gone, back = (REMOVE, ADD) if "/" in target else (DOWN, UP)
            verb = gone if target in away else back
            yield Event(after + (number + 1) * self.every, verb, (target,))


def read_timeline(path: str, seed: int | None = None) -> Timeline:
    """Read a file; raises TimelineError with everything that is wrong with it.  ``seed`` overrides the file's."""
    try:
        given = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TimelineError(f"{path}: {error}") from None
    faults: list[str] = []
    reader = _Reader(given if isinstance(given, dict) else {}, Path(path).parent, faults)
    timeline = reader.timeline(seed)
    if faults:
        raise TimelineError("\n".join(f"{path}: {fault}" for fault in faults))
    return timeline


class _Reader:
    def __init__(self, given: dict[str, Any], directory: Path, faults: list[str]) -> None:
        self._given = given
        self._directory = directory
        self._faults = faults

    def timeline(self, seed: int | None) -> Timeline:
        given = dict(self._given)
        documents = self._paths(given.pop("documents", []), "documents")
        if not documents:
            self._faults.append("documents: name the files that there are at first")
        actions = {
            str(verb): self._command(command, f"actions.{verb}")
            for verb, command in self._mapping(given.pop("actions", {}), "actions").items()
        }
        events = [
            event
            for number, each in enumerate(self._list(given.pop("events", []), "events"))
            if (event := self._event(each, f"events[{number}]", actions))
        ]
        drawn = self._mapping(given.pop("random", {}), "random")
        timeline = Timeline(
            documents,
            tuple(events),
            int(self._number(given.pop("repeat", 1), "repeat")),
            self._number(given.pop("timeout", 20), "timeout"),
            actions,
            int(self._number(drawn.pop("events", 0), "random.events")),
            self._number(drawn.pop("every", 1), "random.every"),
            tuple(map(str, self._list(drawn.pop("of", []), "random.of"))),
            int(self._number(drawn.pop("seed", random.randrange(1 << 31)), "random.seed"))
            if seed is None
            else seed,
        )
        drawn.pop("seed", None)
        self._faults += [f"unknown field {name!r}" for name in given]
        self._faults += [f"random: unknown field {name!r}" for name in drawn]
        if timeline.count and not timeline.of:
            self._faults.append("random.of: name ports, or objects like app/app1, to draw from")
        if any("/" not in each for each in timeline.of) and not {DOWN, UP} <= actions.keys():
            self._faults.append("actions: say by which commands ports go `down` and `up`")
        if timeline.repeat * (timeline.count + len(events)) > MOST_EVENTS:
            self._faults.append(f"more than {MOST_EVENTS} events in all rounds")
        return timeline

    def _event(self, given: Any, where: str, actions: Mapping[str, object]) -> Event | None:
        verbs = [verb for verb in VERBS if isinstance(given, dict) and verb in given]
        if len(verbs) != 1 or not given.keys() <= {"at", "spec", verbs[0]}:
            self._faults.append(f"{where}: write {{at: SECONDS, VERB: …}} with one of {', '.join(VERBS)}")
            return None
        verb = verbs[0]
        if verb in (DOWN, UP) and verb not in actions:
            self._faults.append(f"{where}: actions.{verb} says by which command")
        value = given[verb]
        targets = (
            self._paths(value, where)
            if verb == DOCUMENTS
            else tuple(map(str, value if isinstance(value, list) else [value]))
        )
        if verb in (REMOVE, ADD, CHANGE):
            self._faults += [
                f"{where}: {each!r} is no object; write it like app/app1 or network-instance/ni1"
                for each in targets
                if each.partition("/")[0] not in ("device", "network-instance", "app")
            ]
        spec = self._mapping(given.get("spec", {}), f"{where}.spec")
        return Event(self._number(given.get("at"), f"{where}.at"), verb, targets, spec)

    def _command(self, value: Any, where: str) -> tuple[str, ...]:
        try:
            words = shlex.split(value) if isinstance(value, str) else self._list(value, where)
        except ValueError as error:
            self._faults.append(f"{where}: {error}")
            return ()
        if not words:
            self._faults.append(f"{where}: the command is empty")
        return tuple(map(str, words))

    def _list(self, value: Any, where: str) -> list[Any]:
        if isinstance(value, list):
            return value
        self._faults.append(f"{where}: has to be a list")
        return []

    def _paths(self, value: Any, where: str) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in values):
            self._faults.append(f"{where}: paths are texts")
            return ()
        return tuple(str(self._directory / each) for each in values)

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return dict(value)
        self._faults.append(f"{where}: has to be a mapping")
        return {}

    def _number(self, value: Any, where: str) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
            return value
        self._faults.append(f"{where}: has to be a number, 0 or more")
        return 0.0
