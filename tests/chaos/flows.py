"""What the applications of the five instances do all the while: pings, and transfers over connections that stay."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.chaos.pinging import Pinging, Run
from tests.chaos.stage import BEHIND, INTERNET, Stage, Who
from tests.scenarios.streams import Stream

PINGS, SEGMENTS, PORT = 1000, 200, 9001
USERS = 100
"""Pings and segments a second by a tunnel that a program carries: when it is not let run for long, its queues of some 250
packets overflow, whoever is killed.
"""
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


class Flows:
    """``with Flows(stage) as flows``; then what was ``sent`` and ``lost`` of each, and the ``segments`` of TCP."""

    def __init__(self, stage: Stage, rate: int = PINGS) -> None:
        self._stage, self._rate = stage, rate
        self._ends = ExitStack()
        self.sent: dict[str, int] = {}
        self.lost: list[tuple[str, Run]] = []
        self.segments: dict[str, tuple[int, int, int]] = {}
        """Messages sent and received, and segments that came after a lost one."""

    def __enter__(self) -> Self:
        apps, stage = self._stage.w.lab.apps, self._stage
        slow = set(carriers(stage).values())
        sources = {"ni4": stage.clouds["cloud1"], "ni5": stage.clouds["cloud2"]}
        self._streams: dict[str, Stream] = {}
        self._pings: dict[str, Pinging] = {}
        try:
            for port, (name, address) in enumerate(TARGETS.items(), PORT):
                source, app = sources.get(name, stage.w.lab.internet), apps[f"app{name[2]}"]
                pings, segments = (USERS, USERS) if name in slow else (self._rate, SEGMENTS)
                self._streams[name] = Stream(
                    source, app, address, port, kind="tcp", rate=segments, asked=True
                )
                self._pings[name] = Pinging(app, address, pings)
                self._ends.enter_context(self._streams[name])
                self._ends.enter_context(self._pings[name])
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()
        for name, stream in self._streams.items():
            ping = self._pings[name]
            self.sent[name] = ping.sent
            self.lost += [(name, each) for each in ping.lost]
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
