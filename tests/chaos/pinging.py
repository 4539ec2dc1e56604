"""A ping that knows when what it lost was lost."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.lab import Host
from tests.lab.process import Process

PINGER = Path(__file__).with_name("pinger.py")


class Run(NamedTuple):
    """Packets that were lost one after another: from when to when, by the machine's monotonic clock."""

    begin: float
    end: float
    number: int


class Pinging:
    """``with Pinging(host, address) as ping: …``: so many a second until the block ends; then what was ``sent`` and ``lost``."""

    def __init__(self, host: Host, address: str, rate: int = 1000) -> None:
        self._argv = [sys.executable, "-I", "-S", str(PINGER), address, str(rate)]
        self._host = host
        self.sent = 0
        self.lost: list[Run] = []

    def __enter__(self) -> Self:
        self._process = Process(self._host.enter(), self._argv)
        try:
            self._process.wait_line("answered")
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(signal.SIGINT)
        said = json.loads(self._process.output.splitlines()[-1])
        self.sent, self.lost = said["sent"], [Run(*each) for each in said["lost"]]
