"""What access lists cost: what passes, beside the same lists as a chain of rules that a person would write.

A packet's cost is measured in its sender's processor time (see ``sender.py``), which hardly depends on what else the
machine does; the variants take turns all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Figure, Samples, samples
from tests.bench.lists import ALLOWED, DENIED, GATEWAY, IPERF, SHAPES, chain, rules
from tests.bench.program import Program
from tests.bench.subject import Netnsmgr, Script, document, make_apps, subnet
from tests.lab import Host, Lab

COUNTS = (1, 100, 5000)
KINDS = ("new", "established", "denied")
PACKETS, TURNS = 250, 12
LENGTH = 26
"""Of the sender's datagrams; the first of an established flow has another, and is answered."""
FLAT = 0.95
SINK = f"""table ip sink {{
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept
        udp dport {ALLOWED} udp length {LENGTH} drop
    }}
}}"""
"""The gateway's end: without it each packet would be answered by ICMP."""


@dataclass
class Variant:
    """One way for packets, from an application of its own."""

    lab: Lab
    number: int
    """Of the instance."""
    app: int = 1
    packets: int = PACKETS
    seen: dict[str, list[float]] = field(default_factory=dict)

    def start(self) -> None:
        host = f"a{self.number}.{self.app}"
        self.sender = Program(Host(self.lab.holder, host, f"/run/netns/{host}"), "sender.py")

    def measure(self, kind: str) -> None:
        """Packets for each second of one core."""
        target = DENIED if kind == "denied" else GATEWAY
        way = "same" if kind == "established" else "new"
        packets = self.packets if kind != "established" else PACKETS
        used = float(self.sender.ask(f"{target} {ALLOWED} {way} {packets}"))
        self.seen.setdefault(kind, []).append(packets / used / 1000)

    def stream(self) -> None:
        """Gigabits a second."""
        argv = ["iperf3", "--client", GATEWAY, "--bytes", "200M", "--json"]
        said = json.loads(self.sender.host.run(argv, timeout=30.0).stdout)
        self.seen.setdefault("stream", []).append(said["end"]["sum_received"]["bits_per_second"] / 1e9)

    def of(self, kind: str) -> Samples:
        return samples(self.seen[kind])


Variants = dict[str, Variant]


def rates(repeat: int) -> Iterator[Figure]:
    """Packets and flows a second, and one stream."""
    with Lab(ports=("eth0",)) as lab, Lab(ports=("eth0",), addressed=True) as by_hand:
        found = {**_netnsmgr(lab), **_by_hand(by_hand)}
        flushers = {id(each): Program(each.device, "sender.py") for each in (lab, by_hand)}
        for each in (lab, by_hand):
            each.gw.run(["nft", SINK])
            Program(each.gw, "far.py", str(ALLOWED))
        for variant in found.values():
            variant.start()
        servers = [each.gw.popen(["iperf3", "--server", "--forceflush"]) for each in (lab, by_hand)]
        for server in servers:
            server.wait_line("Server listening")
        for n in range(2 * repeat + 1):
            _round(list(found.values()), flushers)
            if n == 0:  # the first one is for caches and for the neighbours' addresses
                for variant in found.values():
                    variant.seen.clear()
            for i in range(len(STREAMS)):  # another one first each time: the flow log is busy just then
                found[STREAMS[(n + i) % len(STREAMS)]].stream()
        for server in servers:
            server.stop()
        yield from _figures(found)


def _round(variants: Sequence[Variant], flushers: dict[int, Program]) -> None:
    """Measure all variants in turns."""
    for variant in variants:
        variant.sender.ask(f"establish {GATEWAY} {ALLOWED}")
    for kind in KINDS * TURNS:
        for variant in variants:
            variant.measure(kind)
    for variant in variants:
        flushers[id(variant.lab)].ask(f"flush {_namespace(variant)}")


STREAMS = ("no list", "prefix 1", "prefix 5000", "log 100", "hand 0", "hand 5000")


def _namespace(variant: Variant) -> str:
    found = "n" if variant.lab.daemons else "f"
    return f"/run/netns/{found}{variant.number}"


def _netnsmgr(lab: Lab) -> Variants:
    """One instance for each variant, with an application that has the list."""
    lists: dict[str, list[dict[str, Any]] | None] = {"no list": None}
    lists |= {f"{shape} {count}": rules(shape, count) for shape in SHAPES for count in COUNTS}
    tcp = {"id": 10_000, "match": {"protocol": "tcp", "fport": IPERF}}
    lists |= {"log none": None, "log 100": [tcp, *rules("prefix and port", 100)]}
    many, apps = len(lists) + 1, 50
    make_apps(lab, range(1, many))
    names = [f"netns add a{many}.{i}" for i in range(1, apps + 1)]
    lab.device.run(["ip", "-batch", "-"], text="\n".join(names) + "\n", timeout=60.0)
    manager = Netnsmgr(lab)
    found, documents, addressed = {}, [], []
    for number, (name, acl) in enumerate(lists.items(), 1):
        documents += [instance(number, flowLog=name.startswith("log ")), app(number, 1, acl)]
        found[name] = Variant(lab, number)
        addressed.append((number, 1))
    documents.append(instance(many))
    for i in range(1, apps + 1):
        documents.append(app(many, i, rules("prefix and port", 100)))
        addressed.append((many, i))
    found["first of 50"], found["last of 50"] = Variant(lab, many), Variant(lab, many, apps)
    manager.apply(documents, 120.0)
    address(lab, addressed)
    return found


def _by_hand(lab: Lab) -> Variants:
    """The same by the script, with a chain of rules in each of its namespaces."""
    make_apps(lab, range(1, len(COUNTS) + 2))
    script = Script(lab)
    script.add(1, len(COUNTS) + 1)
    found = {}
    for number, count in enumerate((0, *COUNTS), 1):
        inside = lab.instance(f"f{number}")
        # It filters what it forwards; bridged packets need no look.
        inside.run(["sh", "-c", "echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables"], check=False)
        if count:
            inside.run(["nft", "-f", "-"], text=chain("prefix and port", count), timeout=60.0)
        found[f"hand {count}"] = Variant(
            lab, number, packets=PACKETS if count < COUNTS[-1] else PACKETS // 10
        )
    address(lab, [(number, 1) for number in range(1, len(COUNTS) + 2)])
    return found


def instance(number: int, **spec: Any) -> dict[str, Any]:
    net = subnet(number)
    default = {
        "type": "local",
        "ports": ["eth0"],
        "subnets": [f"{net}.0/24"],
        # What is measured is what lists cost, not how much one application may do.
        "limits": {"newFlows": 1_000_000, "flows": 1_000_000, "dns": 1_000_000},
        "dhcp": {"range": f"{net}.150-{net}.200"},
    }
    return document("NetworkInstance", f"n{number}", default | spec)


def app(number: int, i: int, acl: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    interface = {"name": "eth0", "network": f"n{number}", "address": f"{subnet(number)}.{i + 9}"}
    spec = {"attach": {"netns": f"a{number}.{i}"}, "interfaces": [interface]}
    return document("App", f"a{number}-{i}", spec if acl is None else with_list(spec, acl))


def with_list(spec: dict[str, Any], acl: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return spec | {"interfaces": [interface | {"acl": list(acl)} for interface in spec["interfaces"]]}


def address(lab: Lab, apps: Sequence[tuple[int, int]]) -> None:
    """Give the applications their fixed addresses, in the lab's namespaces."""
    script = "".join(
        f"ip -n a{n}.{i} -batch - <<E\n"
        f"address add {subnet(n)}.{i + 9}/24 dev eth0\nlink set eth0 up\n"
        f"route add default via {subnet(n)}.1\nE\n"
        for n, i in apps
    )
    lab.device.run(["sh", "-e"], text=script, timeout=60.0)


def _figures(found: Variants) -> Iterator[Figure]:
    unit, last = "1000/s", str(COUNTS[-1])

    def beside(name: str, kind: str, one: str, other: str, at_least: float | None = None) -> Figure:
        measured, floor = found[one].of(kind), found[other].of(kind)
        return Figure(name, unit, measured, floor, at_least=at_least, paired=True)

    yield beside("new flows, no list (floor: the script without a filter)", "new", "no list", "hand 0")
    for shape in SHAPES:
        for count in COUNTS[1:]:
            name = f"new flows, {count} rules of {shape} (floor: 1 rule)"
            yield beside(name, "new", f"{shape} {count}", f"{shape} {COUNTS[0]}", FLAT)
    yield beside("new flows, 1 rule (floor: no list)", "new", f"{SHAPES[0]} 1", "no list")
    for count in COUNTS:
        name = f"new flows, a list of {count} (floor: a chain of as many)"
        yield beside(name, "new", f"{SHAPES[0]} {count}", f"hand {count}")
    for which in ("first", "last"):
        name = f"new flows, {which} of 50 applications with 100 rules each (floor: 1 application)"
        yield beside(name, "new", f"{which} of 50", f"{SHAPES[0]} 100", FLAT)
    yield beside("new flows, flow log, no list (floor: without the log)", "new", "log none", "no list")
    yield beside(
        "new flows, flow log, 100 rules (floor: without the log)", "new", "log 100", f"{SHAPES[0]} 100"
    )
    yield beside("packets of a flow, no list (floor: the script)", "established", "no list", "hand 0")
    yield beside(
        f"packets of a flow, {last} rules (floor: 1 rule)",
        "established",
        f"{SHAPES[0]} {last}",
        f"{SHAPES[0]} 1",
        FLAT,
    )
    yield beside(
        f"packets of a flow, {last} rules (floor: a chain of as many)",
        "established",
        f"{SHAPES[0]} {last}",
        f"hand {last}",
    )
    yield beside("packets of a flow, flow log (floor: without the log)", "established", "log none", "no list")
    for shape in SHAPES:
        name = f"dropped packets, {last} rules of {shape} (floor: 1 rule)"
        yield beside(name, "denied", f"{shape} {last}", f"{shape} 1", FLAT)
    for count in COUNTS:
        name = f"dropped packets, a list of {count} (floor: a chain of as many)"
        yield beside(name, "denied", f"{SHAPES[0]} {count}", f"hand {count}")
    unit = "Gbit/s"
    for name, one, other, bound in (
        ("no list (floor: the script without a filter)", "no list", "hand 0", None),
        ("1 rule (floor: no list)", "prefix 1", "no list", FLAT),
        (f"{last} rules (floor: 1 rule)", f"prefix {last}", "prefix 1", FLAT),
        (f"{last} rules (floor: a chain of as many)", f"prefix {last}", f"hand {last}", None),
        ("flow log (floor: without the log)", "log 100", "no list", None),
    ):
        yield Figure(
            f"one TCP stream, {name}",
            unit,
            found[one].of("stream"),
            found[other].of("stream"),
            at_least=bound,
        )
