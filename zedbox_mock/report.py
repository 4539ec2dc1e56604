"""What came of a timeline."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Result:
    """What came of one event; times in seconds: since the beginning when it happened, since then until …"""

    what: str
    happened: float
    revision: int | None = None
    true_after: float | None = None
    overtaken: bool = False
    """The next event came before it was true."""
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        revision = "" if self.revision is None else f" (revision {self.revision})"
        if self.wrong:
            end = "; ".join(self.wrong)
        elif self.overtaken:
            end = "overtaken by the next"
        else:
            end = f"true after {self.true_after:.3f} s"
        return f"t+{self.happened:.2f} {self.what}{revision}: {end}"


@dataclass
class Report:
    """What came of all; ``lost`` is what should be there and is not, or the reverse, or was never told."""

    seed: int
    results: list[Result] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    disconnections: int = 0

    @property
    def good(self) -> bool:
        """Whether everything became true, but for what was overtaken, and nothing was lost."""
        return not self.lost and not any(result.wrong for result in self.results)

    def summary(self) -> str:
        """Return it in words."""
        times = sorted(r.true_after for r in self.results if r.true_after is not None)
        overtaken = sum(result.overtaken for result in self.results)
        wrong = sum(bool(result.wrong) for result in self.results)
        words = f"{len(self.results)} events (seed {self.seed}): {len(times)} true"
        if times:
            words += f" after {times[0]:.3f} to {times[-1]:.3f} s (median {times[len(times) // 2]:.3f})"
        words += f", {overtaken} overtaken, {wrong} not; {len(self.lost)} lost"
        return words + (f"; the daemon was away {self.disconnections} times" if self.disconnections else "")
