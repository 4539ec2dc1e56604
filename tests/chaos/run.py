"""Strokes on a stage, one after another: what each broke, and for how long."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.flows import PINGS, Flows, carriers
from tests.chaos.pinging import Run
from tests.chaos.stage import FORMS, LINGERS, STEADY, Stage, Who
from tests.chaos.strokes import Stroke, strokes
from tests.lab.lab import ROOT
from tests.lab.patience import patient
from tests.lab.process import LabError, Process

READY_SECONDS = 60.0
NAMED = re.compile(rf"\b(?:{'|'.join(STEADY)})\b")


@dataclass
class Blow:
    """A stroke that was done."""

    stroke: Stroke
    struck: float
    """When the process was killed (monotonic clock)."""
    hit: bool = True
    """Whether there was such a process."""
    ready: float = 0.0
    """Seconds until everything was as it shall be."""
    first: dict[str, int] = field(default_factory=dict)
    """How many operations the first plan of each agent had that began anew."""
    touched: list[str] = field(default_factory=list)
    """Operations on what nobody changes."""
    lost: list[tuple[str, Run]] = field(default_factory=list)
    """What was lost from then on, by the flows."""

    @property
    def who(self) -> Who:
        return self.stroke.role, self.stroke.where


@dataclass
class Report:
    """What came of all strokes; ``wrong`` is what may not be."""

    seed: int
    blows: list[Blow] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    segments: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def chaos(
    stage: Stage,
    seed: int,
    *,
    seconds: float,
    most: int | None = None,
    kinds: Collection[str] = (),
    rate: int = PINGS,
    say: Callable[[str], object] = print,
) -> Report:
    """Strike for so long, or so often; the same seed does the same in the same order.  ``kinds``: only such processes."""
    report = Report(seed)
    say(f"seed {seed}, {rate} pings a second each")
    carry = carriers(stage)
    targets = {kind: whose for kind, whose in stage.targets().items() if not kinds or kind in kinds}
    deck = strokes(seed, targets, FORMS)
    end = time.monotonic() + seconds
    with Flows(stage, rate) as flows:
        while time.monotonic() < end and (most is None or len(report.blows) < most):
            stroke = next(deck)
            try:
                blow = _strike(stage, stroke)
            except (AssertionError, LabError) as error:
                report.wrong.append(f"{stroke}: {error}")
                break
            report.blows.append(blow)
            said = f"ready after {blow.ready * 1000:.0f} ms" if blow.hit else "it was not there any more"
            say(f"{stroke}: {said}")
    report.sent, report.segments = flows.sent, flows.segments
    report.wrong += _alarms(stage, [blow.who for blow in report.blows if blow.who in carry])
    _judge(report, flows.lost, carry)
    return report


def _judge(report: Report, lost: list[tuple[str, Run]], carry: dict[Who, str]) -> None:
    for flow, each in lost:
        blow = next((b for b in reversed(report.blows) if b.struck <= each.end), None)
        if blow is not None:
            blow.lost.append((flow, each))
        if blow is None or carry.get(blow.who) != flow:
            after = (
                f"{(each.begin - blow.struck) * 1000:.0f} ms after: {blow.stroke}" if blow else "before all"
            )
            report.wrong.append(f"{each.number} packets of {flow} lost, {after}")
    for name, (sent, received, _) in report.segments.items():
        if sent != received:
            report.wrong.append(f"{sent - received} of {sent} messages by TCP of {name} did not arrive")
    for blow in report.blows:
        report.wrong += [f"{operation}, after: {blow.stroke}" for operation in blow.touched]
        report.wrong += [
            f"{number} operations in the first plan of {agent}, after: {blow.stroke}"
            for agent, number in blow.first.items()
            if number and (agent in STEADY or blow.stroke.change is None) and blow.who[1] != agent
        ]


def _alarms(stage: Stage, gone: Collection[Who]) -> list[str]:
    """Say what was taken for a change by hand: nobody has made one.  With a carrier goes its link, and what stands on it."""
    touched = {where for _, where in gone}
    events = json.loads(stage.w.command("events", "-o", "json").stdout)["items"]
    return [
        f"{each['reason']} of {each['object']}: {each['message']}"
        for each in events
        if each["reason"].startswith("Drift") and not touched & set(each["object"].split("/"))
    ]


def _strike(stage: Stage, stroke: Stroke) -> Blow:
    w, who = stage.w, (stroke.role, stroke.where)
    log = Log(w.lab.path("/run/lab/log/daemon"))
    agents = {name: w.agent(name).get("pid") for name in ("uplink", *stage.instances)}
    change = None
    if stroke.change is not None:
        stage.form |= dict([stroke.change])
        change = _apply(stage)
    time.sleep(stroke.delay)
    if stroke.change is not None and stage.form.get(stroke.where):
        w.eventually(lambda: stage.pids(who), f"{stroke.role} of {stroke.where}")
    victims = stage.pids(who)
    for pid in victims:
        w.kill(pid)
    blow = Blow(stroke, time.monotonic(), hit=bool(victims))
    if stroke.role == "supervisor":
        w.daemon.kill9()
        w.restart(READY_SECONDS)
    if change is not None and (code := change.wait(READY_SECONDS)) != 0:
        again = _apply(stage)
        if again.wait(READY_SECONDS) != 0:
            raise AssertionError(f"apply ended with {code}: {change.output}\nand again: {again.output}")
    # With the supervisor and with the fork server all agents end.
    gone = {*victims, *(agents.values() if stroke.role in {"supervisor", "fork server"} else ())}
    Settled(stage, log, agents, gone).wait()
    blow.ready = time.monotonic() - blow.struck
    entries = log.entries()
    blow.first = dict(_first_plans(entries, stage, agents))
    blow.touched = [
        f"{e['agent']}: {e['op']}"
        for e in entries
        if e["event"] == "operation" and _steady(e) and not _own(who, e)
    ]
    log.close()
    return blow


def _steady(entry: dict[str, Any]) -> bool:
    """Whether an operation is on what nobody changes, as far as one sees it."""
    return entry["agent"] in STEADY or (entry["agent"] == "uplink" and bool(NAMED.search(entry["op"])))


def _own(who: Who, entry: dict[str, Any]) -> bool:
    """Whether an operation brings a killed helper back, and what stands on it."""
    role, where = who
    return role != "agent" and where in (entry["agent"], *NAMED.findall(entry["op"]))


def _apply(stage: Stage) -> Process:
    """Begin to apply the whole configuration."""
    file = stage.w.lab.path("/run/lab/chaos.yaml")
    file.write_text(stage.text())
    timeout = f"{patient(READY_SECONDS):.0f}s"
    argv = ["-m", "netnsmgr", "apply", "-f", "/run/lab/chaos.yaml", "--prune", "--timeout", timeout]
    return stage.w.lab.device.popen([sys.executable, *argv], env={"PYTHONPATH": str(ROOT)})


class Log:
    """What the daemon has logged since this was made."""

    def __init__(self, place: Path) -> None:
        self._file = place.open("rb")
        self._file.seek(0, 2)
        self._entries: list[dict[str, Any]] = []
        self._rest = b""

    def entries(self) -> list[dict[str, Any]]:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        self._entries += [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]
        return self._entries

    def close(self) -> None:
        self._file.close()


class Settled:
    """Everything is as it shall be: rows, passes that find nothing to do, processes."""

    def __init__(self, stage: Stage, log: Log, before: dict[str, Any], gone: Collection[int]) -> None:
        self._stage, self._log, self._before, self._gone = stage, log, before, gone

    def wait(self) -> None:
        w = self._stage.w
        w.until(self._rows, "every instance is ready", READY_SECONDS)
        w.eventually(self._passes, "passes with nothing to do", READY_SECONDS)
        if not w.lab.device.eventually(self._processes, timeout=READY_SECONDS, pause=0.2):
            found, wanted = self._stage.steady_helpers(), self._stage.helpers
            raise AssertionError(
                f"processes missing: {wanted - found}, too many: {found - wanted}, in all: {self._stage.running()}"
            )
        w.until(self._rows, "every instance is ready", READY_SECONDS)

    def _rows(self) -> bool:
        w, names = self._stage.w, self._stage.instances
        agents = [w.agent(name) for name in ("uplink", *names)]
        return (
            all(w.instance(name).get("state") == "ready" for name in names)
            and not any(w.instance(name) for name in FORMS if name not in names)
            and all(row.get("state") == "running" and row["pid"] not in self._gone for row in agents)
        )

    def _passes(self) -> bool:
        entries = self._log.entries()
        for name in ("uplink", *self._stage.instances):
            anew = self._before.get(name) != self._stage.w.agent(name).get("pid")
            found = _passes(entries, name)
            if found[-1] if found else anew:
                return False
        return True

    def _processes(self) -> bool:
        running = self._stage.steady_helpers()
        others = [who for _, who in self._stage.running() if who[1] in FORMS and who[0] != LINGERS]
        return (
            running == self._stage.helpers
            and len(others) == len(set(others))
            and all(where in self._stage.instances for _, where in others)
        )


def _first_plans(
    entries: list[dict[str, Any]], stage: Stage, before: dict[str, Any]
) -> Iterator[tuple[str, int]]:
    """Of each agent that was there before and began anew: how much its first plan had to do."""
    for name, pid in before.items():
        if pid is not None and stage.w.agent(name).get("pid") not in (None, pid):
            yield name, _passes(entries, name)[0]


def _passes(entries: list[dict[str, Any]], name: str) -> list[int]:
    """How many operations each pass of an agent had, since it last began."""
    begun = 0
    for number, entry in enumerate(entries):
        if entry["event"] == "ready" or (entry["event"] == "agent ended" and entry["name"] == name):
            begun = number
    return [e["operations"] for e in entries[begun:] if e["event"] == "pass" and e["agent"] == name]
