"""Rows 14 to 18: two tunnels with the same selectors at once, what is behind them, and nothing in clear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from poc.checks import Check
from poc.rows.seen import answered
from poc.scene import Scene
from tests.lab.host import Capture
from tests.lab.process import LabError

SELECTORS = "10.10.10.0/24 === 192.168.0.0/24"
BEHIND = "192.168.0.1"
#: Of app4's and app5's list; nothing listens at most of them, so that a packet that gets there is answered by a refusal.
FORBIDDEN = (22, 81, 443, 8080)
#: Inner packets as they would look outside: before the translation of addresses, and after it.
CLEAR = f"net 10.10.10.0/24 or host {BEHIND}"
CARRIER = "udp port 500 or udp port 4500"


@dataclass(frozen=True)
class Way:
    """From an application through its instance to a cloud; ``port``: of the device, and the site's side of it."""

    app: str
    instance: str
    cloud: str
    port: str


ONE = Way("app4", "ni4", "cloud1", "eth1")
OTHER = Way("app5", "ni5", "cloud2", "eth2")


def row14(scene: Scene) -> Iterator[Check]:
    """NI4: IKEv2 to cloud1 is established"""
    yield from established(scene, "14", ONE)


def row16(scene: Scene) -> Iterator[Check]:
    """NI5: IKEv2 to cloud2 is established, at the same time as NI4's"""
    yield from established(scene, "16", OTHER)
    both = "ni4 with cloud1, ni5 with cloud2"
    yield Check("16", "both at once, by both clouds' swanctl --list-sas", both, lambda: at_once(scene))


def established(scene: Scene, row: str, way: Way) -> Iterator[Check]:
    expected = f"up, {SELECTORS}"
    yield Check(row, f"netnsmgr: {way.instance}'s tunnel to {way.cloud}", expected, lambda: told(scene, way))
    expected = f"IKEv2 ESTABLISHED, {SELECTORS} INSTALLED"
    yield Check(row, f"{way.cloud}: swanctl --list-sas", expected, lambda: listed(scene, way))


def told(scene: Scene, way: Way) -> str:
    """What netnsmgr's status says of the connection."""
    for row in scene.status(way.instance)["vpn"]["ipsec"]:
        if row["name"] == way.cloud:
            children = [
                f"{', '.join(child['local'])} === {', '.join(child['remote'])}"
                + ("" if child["state"] == "up" else f" {child['state']}")
                for child in row["children"]
            ]
            return f"{row['state']}, {', '.join(children)}"
    return f"no connection named {way.cloud}"


def listed(scene: Scene, way: Way) -> str:
    """What the cloud's own strongSwan says, with the selectors as seen from the device."""
    said = scene.sas(way.cloud)
    ike = re.search(r"^\S+: #\d+, (\w+), (\w+),", said, re.MULTILINE)
    children = re.findall(
        r"^  \S+: #\d+.*?, (\w+),.*\n(?:    .*\n)*?    local +(.+)\n    remote +(.+)", said, re.MULTILINE
    )
    if ike is None:
        return f"no connection: {said.strip() or 'nothing'}"
    nets = [f"{theirs} === {ours} {state}" for state, ours, theirs in children]
    return ", ".join([f"{ike[2]} {ike[1]}", *nets])


def at_once(scene: Scene) -> str:
    seen = [
        f"{way.instance} with {way.cloud}"
        for way in (ONE, OTHER)
        if "ESTABLISHED" in listed(scene, way) and told(scene, way).startswith("up")
    ]
    return ", ".join(seen) or "none"


def row15(scene: Scene) -> Iterator[Check]:
    """app4: http://192.168.0.1 is answered by cloud1"""
    yield from behind(scene, "15", ONE)


def row17(scene: Scene) -> Iterator[Check]:
    """app5: http://192.168.0.1 is answered by cloud2"""
    yield from behind(scene, "17", OTHER)


def behind(scene: Scene, row: str, way: Way) -> Iterator[Check]:
    capture: list[Capture] = []

    def ask() -> str:
        scene.leased(way.app)
        capture.append(scene.gw.capture(way.port, f"{CLEAR} or {CARRIER}"))
        try:
            return answered(scene.apps[way.app], f"http://{BEHIND}")
        finally:
            capture[0].stop()

    def wire() -> str:
        if not capture:
            raise LabError("nothing was captured")
        return on_the_wire(capture[0].stop())

    expected = f"I am {way.cloud}, you are 10.10.10.50-150"
    yield Check(row, f"{way.app}: http://{BEHIND}", expected, ask, lambda seen: is_answer(way, scene, seen))
    yield Check(row, f"gw sees of it on {way.port}", "ESP in UDP, nothing in clear", wire)


def is_answer(way: Way, scene: Scene, seen: str) -> bool:
    return seen == f"I am {way.cloud}, you are {scene.leased(way.app).address.ip}"


def on_the_wire(packets: list[str]) -> str:
    """What packets are, by the words of tcpdump."""
    esp = [line for line in packets if "UDP-encap: ESP" in line]
    ike = [line for line in packets if "isakmp" in line]
    keepalives = [line for line in packets if "isakmp-nat-keep-alive" in line]
    clear = [line for line in packets if line not in {*esp, *ike, *keepalives}]
    if clear:
        return f"{len(clear)} in clear: {clear[0]}"
    return "ESP in UDP, nothing in clear" if esp else f"no ESP: {len(ike)} packets of IKE"


def row18(scene: Scene) -> Iterator[Check]:
    """app4, app5: any port but 80 gets no connection"""
    for way in (ONE, OTHER):
        yield from other_ports(scene, way)


def other_ports(scene: Scene, way: Way) -> Iterator[Check]:
    """That it is the list that forbids, and not the cloud, is seen there: what comes out of the tunnel is for port 80."""
    app, capture = scene.apps[way.app], list[Capture]()

    def ask() -> str:
        scene.leased(way.app)
        capture.append(scene.clouds[way.cloud].capture("any", "net 10.10.10.0/24"))
        try:
            return tried(app.run(["sh", "-c", TRIES], timeout=30).stdout)
        finally:
            answered(app, f"http://{BEHIND}")
            capture[0].stop()

    def arrived() -> str:
        if not capture:
            raise LabError("nothing was captured")
        packet = r" 10\.10\.10\.\d+(?:\.\d+)? > (?:\d+\.){3}\d+(?:\.(\d+))?: (\w+)"
        found = re.findall(packet, "\n".join(capture[0].stop()))
        return ", ".join(sorted({f"port {port}" if port else kind for port, kind in found})) or "nothing"

    ports = ", ".join(f"tcp {port}" for port in FORBIDDEN)
    yield Check("18", f"{way.app} asks {BEHIND}: {ports}, udp 53, ping", "silence from all", ask)
    yield Check("18", f"of that, and of a request to port 80, comes to {way.cloud}", "port 80", arrived)


#: All at once, as each takes the time in which there might be an answer; with exit codes of curl, dig and ping.
TRIES = f"""
for port in {" ".join(map(str, FORBIDDEN))}; do
    (curl -s -m 2 -o /dev/null http://{BEHIND}:$port; echo "tcp $port:$?") &
done
(dig @{BEHIND} +time=2 +tries=1 github.com >/dev/null; echo "udp 53:$?") &
(ping -n -q -c 2 -i 0.2 -W 2 {BEHIND} >/dev/null; echo "ping:$?") &
wait
"""
SILENT = {"tcp": "28", "udp": "9", "pin": "1"}


def tried(said: str) -> str:
    """ "silence from all", or which of them had what else."""
    results = [line.rpartition(":") for line in said.splitlines()]
    if len(results) != len(FORBIDDEN) + 2:
        raise LabError(f"not all were tried: {said}")
    heard = [f"{what} answered (exit code {code})" for what, _, code in results if code != SILENT[what[:3]]]
    return ", ".join(heard) or "silence from all"
