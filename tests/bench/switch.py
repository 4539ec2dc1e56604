"""What a switch costs beside a bridge made by hand: packets and streams, each way with a port and applications of its own.

A packet's cost is its sender's processor time (``sender.py``); a stream is told in bits for each second of the clock and
for each second of processor time of both ends, which hardly depends on what else the machine does.  All ways take turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Figure, samples
from tests.bench.program import Program
from tests.bench.subject import Netnsmgr, document
from tests.lab import Host, Lab
from tests.lab.lab import ROOT

HAND = str(ROOT / "tests" / "bench" / "hand_switch.sh")
PORT, SERVICE, IPERF = 9000, 443, 5201
"""UDP ports of the small packets: what most are, and what a guard has to look at longer; and of the streams (TCP)."""
LENGTH = 26
"""Of the sender's datagrams with UDP's header; the first of an established flow has another, and is answered."""
PACKETS, WARM, TURNS = 500, 500, 12
"""So many at once, after as many that bring the way back into the processor's caches: the others used them meanwhile."""
GOOD = 0.95
SINK = f"""table ip sink {{
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept
        udp dport {{ {PORT}, {SERVICE} }} udp length {LENGTH} drop
    }}
}}"""
"""The receiving end: without it each packet would be answered by ICMP."""

Spec = dict[str, Any]
OUT, IN, EAST, SLOW, NEW = "out", "in", "east", "slow", "new"
"""Application to the site, site to application, application to application; out to a service; out, each a new flow."""
PACKETS_OF = (OUT, IN, EAST, SLOW, NEW)
STREAMS = tuple(f"stream {kind}" for kind in (OUT, IN, EAST))


def rules(number: int, count: int) -> list[dict[str, Any]]:
    """A list of so many rules; the last ones are about what the benchmark sends."""
    site = f"192.168.{number}.0/24"
    others = [
        {"id": n, "match": {"ip": f"10.{100 + n // 250}.{n % 250}.0/24", "protocol": "udp", "fport": 53}}
        for n in range(1, count)
    ]
    streams = {"id": 10_000, "match": {"ip": site, "protocol": "tcp", "fport": IPERF}}
    ping = {"id": 10_001, "match": {"protocol": "icmp"}}
    return [streams, ping, *others, {"id": 10_002, "match": {"ip": site, "protocol": "udp"}}]


@dataclass
class Way:
    """How packets go, with a port eth<number> of its own."""

    number: int
    hand: str = ""
    """What ``hand_switch.sh`` makes; empty: netnsmgr."""
    network: Spec = field(default_factory=dict)
    interface: Spec = field(default_factory=dict)
    port: Spec = field(default_factory=dict)
    count: int = -1
    """Rules in the applications' lists; -1: no list."""

    @property
    def apps(self) -> list[str]:
        return [f"w{self.number}.{i}" for i in ((1,) if self.hand == "macvlan" else (1, 2))]

    @property
    def name(self) -> str:
        if self.hand:
            return f"{self.hand} by hand"
        words = [f"{self.count} rules"] if self.count >= 0 else []
        for spec in (self.network, self.interface, {k: v for k, v in self.port.items() if k == "shared"}):
            words += [f"{key}: {json.dumps(value)}" for key, value in spec.items()]
        return ", ".join(words) or "everything allowed"

    @property
    def gateway(self) -> str:
        return f"192.168.{self.number}.1"

    def address(self, i: int) -> str:
        return f"192.168.{self.number}.{9 + i}"

    def documents(self) -> list[dict[str, Any]]:
        name = f"s{self.number}"
        spec = {"type": "switch", "ports": [f"eth{self.number}"], **self.network}
        found = [document("NetworkInstance", name, spec)]
        interface = {"name": "eth0", "network": name, **self.interface}
        if self.count >= 0:
            interface["acl"] = rules(self.number, self.count)
        for app in self.apps:
            place = {"attach": {"netns": app}, "interfaces": [interface]}
            found.append(document("App", app.replace(".", "-"), place))
        return found


@dataclass
class Pair:
    """One way beside another, each measured right before or after the other."""

    way: Way
    floor: Way
    kinds: Sequence[str]
    at_least: float | None = None
    found: dict[str, list[float]] = field(default_factory=dict)
    beside: dict[str, list[float]] = field(default_factory=dict)


def pairs() -> list[Pair]:
    bridge, filtered = Way(8, "bridge"), Way(9, "filtered")
    allowed, shared = Way(1), Way(5, port={"shared": True, "addresses": ["192.168.5.2/24"]})
    log = Way(6, network={"flowLog": True})
    found = [
        # A floor of its own: who takes part more often than the other is faster, by 2 %.
        Pair(allowed, Way(12, "bridge"), (*PACKETS_OF, *STREAMS), GOOD),
        Pair(Way(2, interface={"antiSpoofing": False}), bridge, PACKETS_OF),
        Pair(log, bridge, (OUT, IN, NEW, *STREAMS[:2])),
    ]
    for number, count in ((3, 1), (4, 100)):
        way = Way(number, count=count)
        found += [Pair(way, bridge, (OUT, IN, NEW, *STREAMS[:2])), Pair(way, filtered, (OUT, IN, NEW))]
    for number, hand in ((7, "shared"), (10, "macvlan")):
        found.append(Pair(shared, Way(number, hand), (OUT, IN, *STREAMS[:2])))
    noise = Pair(Way(11, "bridge"), bridge, (OUT, IN, *STREAMS[:2]))
    return [*found, Pair(shared, bridge, (OUT, IN)), noise]


class Field:
    """A lab with all ways in it."""

    def __init__(self, lab: Lab, found: Sequence[Pair]) -> None:
        self.lab, self.pairs = lab, found
        self.ways = {way.number: way for pair in found for way in (pair.way, pair.floor)}.values()
        names = [app for way in self.ways for app in way.apps]
        lab.device.run(["ip", "-batch", "-"], text="".join(f"netns add {name}\n" for name in names))
        self._build()
        self._address()
        lab.gw.run(["nft", SINK])
        Program(lab.gw, "far.py", str(PORT))
        self.site = Program(lab.gw, "sender.py")
        self.flusher = Program(lab.device, "sender.py")
        self.senders = {way.number: Program(self.app(way.apps[0]), "sender.py") for way in self.ways}
        servers = [lab.gw, *(self.app(way.apps[1]) for way in self.ways if way.apps[1:])]
        for host in servers:
            host.popen(["iperf3", "--server", "--forceflush"]).wait_line("Server listening")

    def app(self, name: str) -> Host:
        return Host(self.lab.holder, name, f"/run/netns/{name}")

    def _build(self) -> None:
        by_hand = [way for way in self.ways if way.hand]
        for way in by_hand:
            number = [] if way.hand == "macvlan" else [str(way.number)]
            self.lab.device.run([HAND, way.hand, *number, f"eth{way.number}", *way.apps])
        ours = [way for way in self.ways if not way.hand]
        manager = Netnsmgr(self.lab)
        ports = [{"name": "eth0"}, *({"name": f"eth{way.number}", **way.port} for way in ours)]
        documents = [document("Device", "edge", {"ports": ports})]
        for way in ours:
            documents += way.documents()
        manager.apply(documents, 60.0)

    def _address(self) -> None:
        for way in self.ways:
            for i, name in enumerate(way.apps, 1):
                script = f"link set lo up\naddress add {way.address(i)}/24 dev eth0\nlink set eth0 up\n"
                self.app(name).run(["ip", "-batch", "-"], text=script)
                self.app(name).run(["nft", SINK])
                assert self.app(name).ping(way.gateway, timeout=5), f"{way.name}: no way to the site"

    def packets(self, way: Way, kind: str) -> float:
        """Packets for each second of one core, in thousands."""
        target, sender = way.gateway, self.senders[way.number]
        if kind == IN:
            target, sender = way.address(1), self.site
        elif kind == EAST:
            target = way.address(2)
        port = SERVICE if kind == SLOW else PORT
        line = f"{target} {port} {'new' if kind == NEW else 'same'}"
        sender.ask(f"{line} {WARM}")
        return PACKETS / float(sender.ask(f"{line} {PACKETS}")) / 1000

    def stream(self, way: Way, kind: str) -> tuple[float, float]:
        """Gbit for each second, and for each second of processor time."""
        target = way.address(2) if kind.endswith(EAST) else way.gateway
        argv = ["iperf3", "--client", target, "--bytes", "200M", "--json"]
        argv += ["--reverse"] if kind.endswith(IN) else []
        said = json.loads(self.app(way.apps[0]).run(argv, timeout=60.0).stdout)["end"]
        bits, used = said["sum_received"]["bits_per_second"] / 1e9, said["cpu_utilization_percent"]
        return bits, 100 * bits / (used["host_total"] + used["remote_total"])

    def round(self) -> None:
        """Each kind of packets of each pair TURNS times; each stream once."""
        for way in self.ways:
            self.senders[way.number].ask(f"establish {way.gateway} {PORT}")
        for turn in range(TURNS):
            for pair in self.pairs:
                for kind in pair.kinds:
                    if kind not in STREAMS:
                        self._packets(pair, kind, turn)
        for pair in self.pairs:
            for kind in pair.kinds:
                if kind in STREAMS:
                    self._streams(pair, kind)
        for way in self.ways:
            if way.hand != "macvlan":
                self.flusher.ask(f"flush /run/netns/{'h' if way.hand else 's'}{way.number}")

    def _packets(self, pair: Pair, kind: str, turn: int) -> None:
        ways = (pair.way, pair.floor) if turn % 2 else (pair.floor, pair.way)
        rates = {way.number: self.packets(way, kind) for way in ways}
        pair.found.setdefault(kind, []).append(rates[pair.way.number])
        pair.beside.setdefault(kind, []).append(rates[pair.floor.number])

    def _streams(self, pair: Pair, kind: str) -> None:
        first = len(pair.found.get(kind, ())) % 2
        ways = (pair.way, pair.floor) if first else (pair.floor, pair.way)
        rates = {way.number: self.stream(way, kind) for way in ways}
        for name, i in ((kind, 0), (WORK + kind, 1)):
            pair.found.setdefault(name, []).append(rates[pair.way.number][i])
            pair.beside.setdefault(name, []).append(rates[pair.floor.number][i])


def figures(repeat: int) -> Iterator[Figure]:
    """All ways, beside what is made by hand."""
    found = pairs()
    ports = max(way.number for pair in found for way in (pair.way, pair.floor)) + 1
    with Lab(ports=[f"eth{n}" for n in range(ports)]) as lab:
        place = Field(lab, found)
        for n in range(2 * repeat + 1):
            place.round()
            if n == 0:  # for caches, and for the neighbours' addresses
                for pair in found:
                    pair.found.clear()
                    pair.beside.clear()
    for pair in found:
        for kind, measured in pair.found.items():
            unit = "Gbit/s" if STREAM in kind else "1000/s"
            name = f"{WHAT[kind]}: {pair.way.name}, beside {pair.floor.name}"
            floor = samples(pair.beside[kind])
            yield Figure(name, unit, samples(measured), floor, at_least=pair.at_least, paired=True)


STREAM, WORK = "stream", "work of "
WHAT = {
    OUT: "packets out",
    IN: "packets in",
    EAST: "packets between applications",
    SLOW: "packets out to a service's port",
    NEW: "new flows out",
    **{kind: f"one TCP {kind}" for kind in STREAMS},
    **{WORK + kind: f"  by processor time, {kind}" for kind in STREAMS},
}
