"""Something that drifts, maybe again and again: how often, and when it is put back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 60.0
"""Seconds after which what has drifted before counts as calm."""
OFTEN = 4
"""So often within the window something may drift and be put back at once; from then on somebody fights with us."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds between two repairs of what somebody fights about."""


@dataclass
class Case:
    """Something of ``object`` that has drifted, and maybe drifts again and again."""

    object: str
    times: deque[float] = field(default_factory=deque)
    count: int = 0
    pause: float = 0.0
    until: float = 0.0
    """Before then it is not repaired."""

    @property
    def calm_at(self) -> float:
        """When it is over, unless it happens again."""
        return self.times[-1] + max(WINDOW, 2 * self.pause)

    def happens(self, now: float) -> bool:
        """Count it; true where it has become a fight, or is one: then the next repair waits."""
        self.count += 1
        self.times.append(now)
        while self.times[0] < now - WINDOW:
            self.times.popleft()
        if not self.pause and len(self.times) <= OFTEN:
            return False
        self.pause = min(max(FIRST_PAUSE, self.pause * 2), LAST_PAUSE)
        self.until = now + self.pause
        return True
