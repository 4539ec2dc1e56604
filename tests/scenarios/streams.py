"""Streams between hosts of the lab while something changes, and what of them arrived."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import Host
from tests.lab.process import Process

STREAMER = Path(__file__).with_name("streamer.py")
GRACE = 0.4
"""Seconds for which a stream that should be cut goes on, to see that it is."""


class Stream:
    """``with Stream(app1, app2, address, 9000) as s: …``: a UDP stream from one to the other, and no packet back.

    ``asked``: the stream's receiver has asked for it, so that it flows as an answer; the address is the sender's then.
    """

    def __init__(
        self,
        source: Host,
        target: Host,
        address: str,
        port: int,
        *,
        kind: str = "udp",
        rate: int = 1000,
        size: int = 100,
        asked: bool = False,
        flows: bool = True,
    ) -> None:
        self._flows, self.kind = flows, kind
        place = f":{port}" if ":" in address else str(port)
        if asked:
            self._server, self._client = (
                (source, f"{kind}-pour", [place, str(rate)]),
                (target, f"{kind}-drink"),
            )
            self._to = [address, str(port)]
        else:
            self._server, self._client = (target, f"{kind}-receive", [place]), (source, f"{kind}-send")
            self._to = [address, str(port), str(rate), *([str(size)] if kind == "udp" else [])]
        self._asked = asked

    def __enter__(self) -> Self:
        host, mode, arguments = self._server
        server = _streamer(host, mode, arguments)
        host, mode = self._client
        client = _streamer(host, mode, self._to)
        self._sender, self._receiver = (server, client) if self._asked else (client, server)
        if self._flows:
            self._receiver.wait_line("first")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._sender, self._receiver):
            if process.popen.poll() is None:
                process.send(signal.SIGINT)
            process.wait(10.0)
        self.sent: int = _said(self._sender)["sent"]
        self.result = _said(self._receiver)

    @property
    def received(self) -> int:
        return int(self.result["received"])

    @property
    def lost(self) -> int:
        """Messages of UDP, or segments of TCP that came after a lost one."""
        if self.kind == "tcp":
            return int(self.result["disordered"])
        return self.sent - self.received

    def ended_before(self, moment: float) -> bool:
        """Whether nothing arrived that was sent after this moment (monotonic clock)."""
        return bool(self.result["last"] < moment) and bool(self.result["until"] < moment + 0.1)


def _streamer(host: Host, mode: str, arguments: list[str]) -> Process:
    process = Process(
        host.holder.enter(host.netns), [sys.executable, "-I", "-S", str(STREAMER), mode, *arguments]
    )
    process.wait_line("ready")
    return process


def _said(process: Process) -> dict[str, Any]:
    lines = [line for line in process.output.splitlines() if line.startswith("{")]
    assert lines, process.output
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def go_on(seconds: float = GRACE) -> None:
    """Let streams that are to be looked at go on."""
    time.sleep(seconds)
