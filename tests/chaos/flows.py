"""What the applications of the five instances do all the while: pings, and transfers over connections that stay."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from tests.chaos.stage import BEHIND, INTERNET, Stage, Who
from tests.lab.process import Process
from tests.scenarios.streams import Stream

PINGER = Path(__file__).with_name("pinger.py")
PINGS, SEGMENTS, PORT = 1000, 200, 9001
INTERNET6 = "2001:db8:ffff::81"
TARGETS = {
    "ni1": INTERNET,
    "ni1 by IPv6": INTERNET6,
    "ni2": INTERNET,
    "ni3": INTERNET,
    "ni4": BEHIND,
    "ni5": BEHIND,
}
"""Whom the application of an instance pings, by the name of the flow."""


class Lost(NamedTuple):
    """Packets of a flow that were lost one after another: from when to when, by the machine's monotonic clock."""

    flow: str
    begin: float
    end: float
    number: int


class Flows:
    """``with Flows(stage) as flows: …``; then what was ``sent`` and ``lost`` of each, and the ``segments`` of TCP."""

    def __init__(self, stage: Stage, rate: int = PINGS) -> None:
        self._stage, self._rate = stage, rate
        self._ends = ExitStack()
        self.sent: dict[str, int] = {}
        self.lost: list[Lost] = []
        self.segments: dict[str, tuple[int, int, int]] = {}
        """Messages sent and received, and segments that came after a lost one."""

    def __enter__(self) -> Self:
        lab = self._stage.w.lab
        sources = {"ni4": "cloud1", "ni5": "cloud2"}
        try:
            self._streams = {
                name: self._ends.enter_context(self._stream(name, sources.get(name), number))
                for number, name in enumerate(TARGETS, PORT)
            }
            self._pingers = {
                name: Process(
                    lab.apps[f"app{name[2]}"].enter(),
                    [sys.executable, "-I", "-S", str(PINGER), address, str(self._rate)],
                )
                for name, address in TARGETS.items()
            }
            for pinger in self._pingers.values():
                pinger.wait_line("answered")
        except BaseException:
            self._ends.close()
            raise
        return self

    def _stream(self, name: str, cloud: str | None, port: int) -> Stream:
        lab, target = self._stage.w.lab, self._stage.w.lab.apps[f"app{name[2]}"]
        source = lab.internet if cloud is None else self._stage.clouds[cloud]
        return Stream(source, target, TARGETS[name], port, kind="tcp", rate=SEGMENTS, asked=True)

    def __exit__(self, *raised: object) -> None:
        for pinger in self._pingers.values():
            pinger.send(signal.SIGINT)
        for name, pinger in self._pingers.items():
            pinger.wait()
            said = json.loads(pinger.output.splitlines()[-1])
            self.sent[name] = said["sent"]
            self.lost += [Lost(name, *each) for each in said["lost"]]
        self._ends.close()
        for name, stream in self._streams.items():
            self.segments[name] = stream.sent, stream.received, stream.lost


def carriers(stage: Stage) -> dict[Who, str]:
    """Who carries packets itself, and whose: what is lost while such a process is not there is lost."""
    found: dict[Who, str] = {}
    wireguard, ipsec = (stage.w.instance(name)["vpn"] for name in ("ni4", "ni5"))
    if wireguard["wireguard"][0]["backend"] != "kernel":
        found["wireguard-go", "ni4"] = "ni4"
    if ipsec["ipsec"][0]["backend"] == "libipsec":
        found["charon", "ni5"] = "ni5"
    return found
