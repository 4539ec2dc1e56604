"""What rows look at beside answers: the flow log, and what comes out of the device's ports."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from poc.scene import Scene
from tests.lab.host import Host
from tests.lab.process import LabError

#: As poc/site/internet and poc/site/gw know them.  An address of its own: else one name of the two would open the other's way.
SERVERS = {"github.com": "203.0.113.10", "www.github.com": "203.0.113.11", "google.com": "203.0.113.20"}
#: The device's own addresses, by port.
PORT_ADDRESSES = {"eth0": "192.168.0.2", "eth1": "192.168.1.2"}
#: As whom servers of the internet see everybody: the site translates, too.  As whom the device sends, gw's side of a port tells.
SEEN_OUTSIDE = "203.0.113.1"
PORT_MAP = "192.168.0.2:8080"
NOTHING = "nothing"

Record = dict[str, Any]


def link(scene: Scene, network: str) -> tuple[str, str]:
    """The addresses of the link between the device and an instance: the device's end, the instance's."""
    ends = scene.status(network)["link"]
    return ends["outer"], ends["inner"]


class Log:
    """The flow log of an application, of what begins from now on."""

    def __init__(self, scene: Scene, app: str) -> None:
        self.scene, self.app = scene, app
        self._since = round(time.time(), 3)

    def _new(self, network: str) -> list[Record]:
        # A flow that ends is recorded anew: its start tells whether it is one of before.
        return [
            r for r in self.scene.flows(self.app) if r["network"] == network and r["start"] >= self._since
        ]

    def find(self, network: str, **wanted: object) -> str:
        """The newest record of a network that has these fields, as ``told``; or, after a while, what there is instead."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [
                told(r) for r in self._new(network) if all(r.get(key) == wanted[key] for key in wanted)
            ]
            return bool(found)

        if self.scene.device.eventually(there, timeout=10.0, pause=0.2):
            return found[-1]
        return f"no such record, but {'; '.join(map(told, self._new(network))) or NOTHING}"


def told(record: Record) -> str:
    """Whom, as whom, asks whom, led where: "10.10.1.77 > 169.254.100.1 > 203.0.113.10:80: allow, rule 1"."""
    ends = [record["src"], f"{record['dst']}:{record.get('dport', record['protocol'])}"]
    if changed := record.get("translated"):
        if changed["src"] != record["src"]:
            ends.insert(1, changed["src"])
        if changed["dst"] != record["dst"]:
            ends.append(f"{changed['dst']}:{changed['dport']}")
    rule = {None: record.get("service") or "no list", 0: "default rule"}.get(
        record["rule"], f"rule {record['rule']}"
    )
    return f"{' > '.join(ends)}: {record['verdict']}, {rule}"


@contextmanager
def begun(place: Host, interface: str, expression: str) -> Iterator[list[str]]:
    """TCP connections that are begun at a place, as "192.168.0.2 > 203.0.113.10:80"; complete when the block has ended."""
    syn = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"
    seen: list[str] = []
    with place.capture(interface, f"{syn} and {expression}") as capture:
        yield seen
        for line in capture.stop():
            if (ends := re.search(r" ([0-9.]+)\.\d+ > ([0-9.]+)\.(\d+): ", line)) is None:
                raise LabError(f"unreadable: {line}")
            flow = "{} > {}:{}".format(*ends.groups())
            if flow not in seen:
                seen.append(flow)


def by_port(scene: Scene, port: str, target: str, ask: Callable[[], str]) -> str:
    """What ``ask`` is told, and who is seen on the site's side of a port meanwhile, asking the target (ADDRESS:PORT)."""
    address, _, number = target.rpartition(":")
    with begun(scene.gw, port, f"dst host {address} and dst port {number}") as seen:
        answer = ask().strip()
    return f"{answer}; {port}: {', '.join(seen) or NOTHING}"


def kept_in(scene: Scene, expression: str, ask: Callable[[], str], *links: tuple[Host, str]) -> str:
    """What ``ask`` is told, and what leaves the device meanwhile (by any port), or passes one of these links."""
    with ExitStack() as stack:
        places = ((scene.gw, "any"), *links)
        seen = [(host.name, stack.enter_context(begun(host, link, expression))) for host, link in places]
        answer = ask().strip()
    flows = [f"{flow} at {name}" for name, flows in seen for flow in flows]
    return f"{answer}; beyond: {', '.join(flows) or NOTHING}"
