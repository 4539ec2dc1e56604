"""What happens in which order: from a seed alone, so that it happens again.  Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

LONGEST = 0.8
"""Seconds after the begin of a change at which a process is killed at the latest: most are done by then."""


class Stroke(NamedTuple):
    """Kill ``role`` of ``where`` ("" of the device), ``delay`` seconds after ``change`` has begun.

    A change is what one instance shall be from now on: its name and the number of its form (0: absent).
    """

    role: str
    where: str
    change: tuple[str, int] | None
    delay: float

    def __str__(self) -> str:
        target = f"{self.role} of {self.where}" if self.where else self.role
        if self.change is None:
            return f"kill {target}"
        name, form = self.change
        what = f"{name} becomes form {form}" if form else f"{name} goes"
        return f"{what}; {self.delay * 1000:.0f} ms later kill {target}"


def strokes(
    seed: int,
    targets: Mapping[str, Sequence[tuple[str, str]]],
    forms: Mapping[str, int],
    *,
    quiet: float = 0.4,
) -> Iterator[Stroke]:
    """Yield strokes without end: one target of each kind before any kind again.

    ``targets``: role and place, by kind; ``forms``: the instances that change, and how many forms each has; ``quiet``: the
    share of strokes at which nothing is being changed.
    """
    chance = random.Random(seed)
    state = dict.fromkeys(forms, 0)
    while True:
        for kind in chance.sample(sorted(targets), len(targets)):
            role, where = chance.choice(targets[kind])
            change = None
            if where in forms or chance.random() >= quiet:
                name = where if where in forms else chance.choice(sorted(forms))
                form = chance.choice([each for each in range(forms[name] + 1) if each != state[name]])
                state[name], change = form, (name, form)
            yield Stroke(role, where, change, chance.uniform(0.0, LONGEST) if change else 0.0)
