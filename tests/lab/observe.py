"""How checks look at leases, at captures, at pings under way."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from ipaddress import IPv4Address

from tests.lab.host import Host
from tests.lab.process import LabError, Process


def in_range(prefix: str, seen: str) -> bool:
    """Whether "10.10.1.77/24 via 10.10.1.1" lies in the range that the file gives."""
    interface, _, router = seen.partition(" via ")
    address, _, length = interface.partition("/")
    low, high = IPv4Address(f"{prefix}.50"), IPv4Address(f"{prefix}.150")
    return low <= IPv4Address(address) <= high and length == "24" and router == f"{prefix}.1"


def overheard(places: dict[str, tuple[Host, str]], talk: Callable[[], None]) -> dict[str, str]:
    """Who is heard where while ``talk`` runs: "app1 only", "app1, app3", or "nobody"."""
    captures = {place: host.capture(interface) for place, (host, interface) in places.items()}
    try:
        talk()
    finally:
        for capture in captures.values():
            capture.stop()
    result = {}
    for place, capture in captures.items():
        data = capture.file.read_bytes()
        heard = [app for app in ("app1", "app3") if f"spoken-by-{app}-".encode() in data]
        result[place] = ", ".join(heard) + (" only" if len(heard) == 1 else "") if heard else "nobody"
    return result


def lost(ping: Process) -> str:
    """Let it go on for one more second; then "3 lost of 120"."""
    time.sleep(1.0)
    ping.stop(signal.SIGINT)
    line = next((line for line in ping.output.splitlines() if " received" in line), "")
    if not line:
        raise LabError(f"ping said no result: {ping.output}")
    sent, received = (int(part.split()[0]) for part in line.split(",")[:2])
    # One of them may be under way when ping is told to end.
    return f"{max(0, sent - received - 1) and sent - received} lost of {sent}"


def none_lost(seen: str) -> bool:
    number, _, sent = seen.partition(" lost of ")
    return number == "0" and int(sent) > 40
