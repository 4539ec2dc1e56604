"""What the scenarios of port maps share: their documents, and who asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.lab import Host, HttpFailed, Process
from tests.scenarios.documents import Document, app
from tests.scenarios.world import World

DATAGRAMS = Path(__file__).with_name("datagrams.py")
URL = "http://192.168.0.2:8080"


def port_map(number: int = 8080, to: int = 80, protocol: str = "tcp", **match: Any) -> dict[str, Any]:
    match = {"protocol": protocol, "lport": number, **match}
    return {"id": number, "match": match, "action": {"portmap": to}}


def app2(*rules: dict[str, Any], **interface: Any) -> Document:
    """The application that port maps lead to; whatever else it does is allowed."""
    return app("app2", "ni2", acl=[*rules, {"id": 1}], **interface)


def leads(w: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = w.interface("ni2", "app2").get("portMaps", [])
    return found


def led(w: World, *, state: str = "ready") -> None:
    """Wait until all port maps of app2 are in this state."""
    w.until(lambda: {lead["state"] for lead in leads(w)} == {state}, f"app2's port maps are {state}")


def serve(host: Host, number: int, address: str = "0.0.0.0") -> Process:
    words = ["serve", host.name, str(number), address]
    server = host.popen([sys.executable, "-I", "-S", str(DATAGRAMS), *words])
    server.wait_line("listening")
    return server


class Talk:
    """UDP from one port that goes on; ``next`` is what is heard from then on: an answer, or silence."""

    def __init__(self, host: Host, address: str, number: int, source: str = "") -> None:
        words = ["ask", address, str(number), source]
        self._process = host.popen([sys.executable, "-I", "-S", str(DATAGRAMS), *words])
        self._number = 0

    def next(self) -> str:
        self._number += 1
        return self._process.wait_line(f"#{self._number} ").partition(" ")[2]

    def first(self) -> str:
        """The same where an answer has to come: the first packets may wait for their neighbour for a second."""
        said = self.next()
        return self.next() if said == "silence" else said

    def stop(self) -> None:
        self._process.stop()


def refused(host: Host, url: str, **options: Any) -> bool:
    """Whether nobody answers, be it by silence."""
    try:
        host.http(url, timeout=1.0, **options)
    except HttpFailed as failed:
        return failed.code in (7, 28)
    return False
