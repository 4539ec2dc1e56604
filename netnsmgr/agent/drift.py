"""What an agent does about drift: repairs it at once, later, or not at all, and tells of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netnsmgr.agent.drift_case import WINDOW, Case
from netnsmgr.agent.drift_memory import DriftMemory
from netnsmgr.agent.drift_words import TOGETHER, Told, again, along, facts, mended, name_of, sentence, several
from netnsmgr.core.drift import Drift, Look, Seen, drifts, shared
from netnsmgr.core.item import Ref, State

STORM = 40
"""So many things may drift within the window, each told; from then on they are counted."""
STORM_PAUSE, FIGHT_PAUSE = 1.0, 0.25
"""Seconds between two looks in a storm, and in a fight."""
GRACE = 2.0
"""Seconds until drift is told of what two agents have: the other one may have heard of a new configuration before."""
LOOKS = 3
"""So often what is there is listed anew until two looks agree on what has drifted."""
MANY = 100
"""How many items are named for programs."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a plan: ``again``: look once more before anything is done; ``held`` is left as it is, and why."""

    again: bool = False
    held: Mapping[Ref, str] = field(default_factory=dict)
    repairs: Sequence[Drift] = ()


class DriftWatch:
    """Judges each pass's differences; ``details`` says what differs in an item of nftables."""

    def __init__(
        self,
        memory: DriftMemory | None = None,
        details: Callable[[Ref], Sequence[str]] = lambda ref: (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seen = Seen()
        self.tell: Callable[[Told], None] = lambda told: None
        self.report = False
        """Leave drift as it is."""
        self._memory, self._details, self._clock = memory, details, clock
        self._config = ""
        self._suspects: frozenset[Ref] = frozenset()
        self._looks = 0
        self._since = 0.0
        self._held: dict[Ref, Drift] = {}
        """What is left as it is by wish."""
        self._wanted: State = {}
        self._later: list[tuple[float, Drift, Told]] = []
        """What is told at a moment, if it is wanted as it was by then."""
        self._cases: dict[Ref, Case] = {}
        self._recent: deque[float] = deque()
        self._uncounted = 0
        self._storm = False

    def configured(self, config: str, *, report: bool) -> None:
        """Hear of the configuration: one that is new mends whatever was left as it was."""
        if self._config and (config != self._config or not report):
            self._release()
        self._config, self.report = config, report

    def _release(self) -> None:
        held = {ref for each in self._held.values() for ref in each.refs}
        if held:
            kept = {ref: item for ref, item in self.seen.items.items() if ref not in held}
            self.seen = replace(self.seen, items=kept, known={*(self.seen.known or ()), *held})
        self._held = {}

    @property
    def pause(self) -> float:
        """Seconds that are to be between two looks, while somebody changes more than can be told."""
        if self._storm:
            return STORM_PAUSE
        return FIGHT_PAUSE if any(case.pause for case in self._cases.values()) else 0.0

    def blind(self) -> None:
        """Part of what is there was not looked at: of that nothing can be said to have been added."""
        self.seen = replace(self.seen, known=None)

    def recall(self, look: Look, wanted: State) -> None:
        """Take over what the agent before this one had seen; what is wanted otherwise by now does not count."""
        if self._memory is None or (found := self._memory.read()) is None:
            return
        mended = found.held if found.config != self._config or not self.report else frozenset()
        stood = {
            ref: item for ref, item in self._memory.standing(found, wanted).items() if str(ref) not in mended
        }
        names = found.known | found.stood.keys() | mended
        known = {ref for ref in look.items if str(ref) in names}
        identities = {
            ref: was for ref in look.identities if (was := found.identities.get(str(ref))) is not None
        }
        gone = {Ref(*name.split("/", 1)): was for name, was in found.identities.items()}
        self.seen = Seen(stood, gone | identities, known)

    def judge(
        self, look: Look, wanted: State, blocked: Collection[Ref], ops: Iterable[Ref], of: Mapping[Ref, str]
    ) -> Verdict:
        """Decide about what a plan would do; ``of`` names the object that an item belongs to."""
        found = drifts(self.seen, look, wanted, blocked, ops)
        self._wanted = wanted
        now = self._clock()
        waiting = {ref for ref, case in self._cases.items() if case.until > now}
        refs = frozenset(drift.ref for drift in found) - waiting
        if refs - self._held.keys() and refs != self._suspects and self._looks < LOOKS:
            # A listing is not taken in one moment: what goes while we list is told apart by listing again.
            self._since = now if not self._looks else self._since
            self._suspects, self._looks = refs, self._looks + 1
            return Verdict(again=True)
        self._suspects, self._looks = frozenset(), 0
        if not self.report:
            return self._repair(found, of)
        self._tell_news(
            [drift for drift in found if drift.ref not in self._held], of, "left as it is (drift: report)"
        )
        for ref in self._held.keys() - {drift.ref for drift in found}:
            self._tell_one(of.get(ref, ""), "Repaired", f"{name_of(ref)} is as intended again", warning=False)
        self._held = {drift.ref: drift for drift in found}
        return Verdict(
            held={ref: sentence(each, self._details(each.ref)) for each in found for ref in each.refs}
        )

    def _repair(self, found: Sequence[Drift], of: Mapping[Ref, str]) -> Verdict:
        now = self._clock()
        held: dict[Ref, str] = {}
        repairs, news, fights = [], [], []
        for drift in found:
            case = self._cases.setdefault(drift.ref, Case(of.get(drift.ref, "")))
            if case.until > now:
                held |= dict.fromkeys(drift.refs, f"{sentence(drift)}, {again(drift)}")
                continue
            repairs.append(drift)
            fought = bool(case.pause)
            if not case.happens(now):
                news.append(drift)
            elif not fought:
                fights.append(drift)
        self._tell_news(news, of, "repaired")
        self._tell_news(fights, of)
        return Verdict(held=held, repairs=repairs)

    def _tell_news(self, news: Sequence[Drift], of: Mapping[Ref, str], what: str = "") -> None:
        """Tell what is done about it, or that somebody fights."""
        if not news:
            return
        now = self._clock()
        while self._recent and self._recent[0] < now - WINDOW:
            self._recent.popleft()
        groups: dict[tuple[str, str, bool, bool], list[Drift]] = {}
        for drift in news:
            how = drift.ref.kind, drift.expected is None, drift.found is None
            groups.setdefault((of.get(drift.ref, ""), *how), []).append(drift)
        for (name, kind, _, gone), each in groups.items():
            if len(self._recent) >= STORM:
                self._storming(name)
                self._uncounted += len(each)
            ends = kind == "process" and gone
            why = ("HelperEnded" if ends else "Drift") if what else ("HelperFails" if ends else "DriftFight")
            for telling in [[drift] for drift in each] if len(each) <= TOGETHER else [each]:
                self._recent.append(now)
                if self._storm:
                    continue
                first = telling[0]
                if len(telling) > 1:
                    message, found = several(telling), {"items": [str(drift.ref) for drift in telling[:MANY]]}
                else:
                    details = self._details(first.ref)
                    message, found = sentence(first, details) + along(first), facts(first, details)
                self._tell_one(name, why, f"{message}; {what or again(first)}", found, of=first)

    def _storming(self, name: str) -> None:
        if not self._storm:
            self._storm = True
            message = f"somebody else changes more than {STORM} things within {WINDOW:.0f} s: they are repaired once a second, and counted instead of told"
            self._tell_one(name, "DriftStorm", message)

    def _tell_one(
        self,
        name: str,
        reason: str,
        message: str,
        found: dict[str, Any] | None = None,
        *,
        warning: bool = True,
        of: Drift | None = None,
    ) -> None:
        told = Told(name, reason, message, warning, found)
        if of is not None and shared(of.ref):
            self._later.append((self._clock() + GRACE, of, told))
        else:
            self.tell(told)

    def begin(self) -> None:
        """Operations begin."""
        if self._memory is not None:
            self._memory.remove()

    def done(
        self, look: Look, stood: State, ops: Collection[Ref], verdict: Verdict, ended: Collection[Ref]
    ) -> None:
        """Hear how a pass ended: ``stood`` is what was as intended or is now, ``ended`` which operations ended well."""
        held = verdict.held
        repaired = {ref for drift in verdict.repairs for ref in drift.refs if ref in ended}
        items = {ref: item for ref, item in stood.items() if ref not in ops or ref in repaired}
        items |= {ref: item for ref in held if (item := self.seen.items.get(ref)) is not None}
        strays = {drift.ref for drift in verdict.repairs if drift.expected is None and drift.ref in ended}
        known = look.items.keys() - held.keys() - strays
        self.seen = Seen(items, look.identities, known, frozenset(ops) - held.keys(), repaired)

    def repaired(self, verdict: Verdict, ended: Collection[Ref], of: Mapping[Ref, str]) -> None:
        """Tell that what had drifted is as intended again; not of fights and storms."""
        by: dict[str, list[Drift]] = {}
        for drift in verdict.repairs:
            fought = drift.ref in self._cases and self._cases[drift.ref].pause
            if drift.ref in ended and not fought and not self._storm:
                by.setdefault(of.get(drift.ref, ""), []).append(drift)
        took = (self._clock() - self._since) * 1000
        for name, each in by.items():
            found = {"items": [str(drift.ref) for drift in each[:MANY]], "milliseconds": round(took, 1)}
            self._tell_one(name, "Repaired", mended(each), found, warning=False, of=each[0])

    def rest(self) -> None:
        """Nothing is under way: tell what had to wait, end what is over."""
        now = self._clock()
        for moment, drift, told in self._later:
            if moment <= now and self._wanted.get(drift.ref) == drift.expected:
                self.tell(told)
        self._later = [each for each in self._later if each[0] > now]
        for ref, case in list(self._cases.items()):
            if case.calm_at < now:
                del self._cases[ref]
                if case.pause:
                    message = f"nobody changes {name_of(ref)} any more; it was repaired {case.count} times"
                    self._tell_one(case.object, "DriftFightEnded", message, warning=False)
        if self._storm and self._recent[-1] + WINDOW < now:
            self._storm = False
            message = f"the storm of changes is over; {self._uncounted} were counted and not told one by one"
            self._uncounted = 0
            self._tell_one("", "DriftStormEnded", message, warning=False)

    def remember(self) -> None:
        """Keep for a successor what stands."""
        if self._memory is not None:
            held = {ref for each in self._held.values() for ref in each.refs}
            self._memory.write(self.seen, held, self._config)

    def next_look(self) -> float | None:
        """Return in how many seconds something is to be repaired, or over."""
        now = self._clock()
        moments = [moment for moment, _, _ in self._later]
        moments += [case.until for case in self._cases.values() if case.until > now]
        moments += [case.calm_at for case in self._cases.values() if case.pause]
        moments += [self._recent[-1] + WINDOW] if self._storm else []
        return max(0.0, min(moments) - now) + 0.01 if moments else None
