"""IPv6 beside IPv4, and both beside a network made by hand: throughput, time to the first packet, memory of the helpers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from netnsmgr.config.instance import NAT64_PREFIX
from tests.bench.figures import Figure, samples
from tests.bench.program import Program
from tests.bench.subject import Netnsmgr, document
from tests.lab import AppHost, Host, Lab
from tests.lab.lab import ROOT

HAND = str(ROOT / "tests" / "bench" / "hand6.sh")
PORT: dict[str, Any] = {
    "name": "eth0",
    "addresses": ["192.168.0.2/24", "2001:db8::2/64"],
    "gateways": ["192.168.0.1", "2001:db8::1"],
    "dns": ["192.168.0.1"],
}
DEVICE = document("Device", "edge", {"ports": [PORT]})
FOUR, SIX, BOTH, TRANSLATED = "four", "six", "both", "translated"
GATEWAY = {4: "192.168.0.1", 6: "2001:db8::1"}
HELPERS = ("radvd", "dnsmasq", "unbound", "tayga")
WEIGHED = 5
"""How many instances of a kind are weighed: what they share is shared by so many."""


def network(number: int, kind: str) -> list[dict[str, Any]]:
    """An instance with one application in the namespace i<number>."""
    four, six = f"10.20.{number}.0/24", f"fd00:20:{number:x}::/64"
    subnets = {FOUR: [four], BOTH: [four, six]}.get(kind, [six])
    spec: dict[str, Any] = {"ports": ["eth0"], "subnets": subnets, "dhcp": {}}
    if kind == TRANSLATED:
        spec["nat64"] = {}
    app = {"attach": {"netns": f"i{number}"}, "interfaces": [{"name": "eth0", "network": f"n{number}"}]}
    return [document("NetworkInstance", f"n{number}", spec), document("App", f"i{number}", app)]


def figures(repeat: int) -> Iterator[Figure]:
    """All figures of IPv6."""
    yield from throughput(repeat, 2)
    yield from first_packet(repeat)
    yield from memory()


def throughput(repeat: int, seconds: int) -> Iterator[Figure]:
    """One TCP stream from an application to the site's router, by each way, in turns."""
    with Lab(ports=("eth0",), ipv6=True) as lab:
        apps = {name: lab.app(name) for name in ("i1", "i2", "h1")}
        manager = Netnsmgr(lab)
        manager.apply([DEVICE, *network(1, BOTH), *network(2, TRANSLATED)], 60.0)
        lab.device.run([HAND, "init"])
        lab.device.run([HAND, "add", "1"])
        for name in ("i1", "h1"):
            apps[name].dhcp()
        for app in apps.values():
            app.slaac(timeout=15.0)
        servers = [
            lab.gw.popen(["iperf3", "--server", "--forceflush", "--bind", at]) for at in GATEWAY.values()
        ]
        for server in servers:
            server.wait_line("Server listening")
        ways = {
            "nat66": (apps["i1"], GATEWAY[6]),
            "nat": (apps["i1"], GATEWAY[4]),
            "hand6": (apps["h1"], GATEWAY[6]),
            "hand4": (apps["h1"], GATEWAY[4]),
            "nat64": (apps["i2"], str(NAT64_PREFIX[int(IPv4Address(GATEWAY[4]))])),
        }
        seen: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeat):
            for way, (app, address) in ways.items():
                seen[way].append(_gigabits(app, address, seconds))
        for server in servers:
            server.stop()
    six, four, hand6, hand4, translated = (samples(seen[way]) for way in ways)
    stream = "throughput app to gateway, one TCP stream, IPv6"
    by_hand = "a bridge and a masquerade by hand"
    yield Figure(f"{stream} (nat66), beside {by_hand}", "Gbit/s", six, hand6, at_least=0.9, paired=True)
    yield Figure("  the same by IPv4", "Gbit/s", four, hand4, paired=True)
    yield Figure("  IPv6 beside IPv4 of the same instance", "Gbit/s", six, four, at_least=0.9, paired=True)
    yield Figure("  NAT64 beside IPv4 of another instance", "Gbit/s", translated, four, paired=True,
                 note="tayga is a process that reads and writes each packet")  # fmt: skip


def _gigabits(host: Host, address: str, seconds: int) -> float:
    argv = ["iperf3", "--client", address, "--time", str(seconds), "--omit", "1", "--json"]
    said = json.loads(host.run(argv, timeout=seconds + 15.0).stdout)
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9


def first_packet(repeat: int) -> Iterator[Figure]:
    """From the command that makes a network until the application's first answer by its own address."""
    seen: dict[str, list[float]] = {}
    with Lab(ports=("eth0",), ipv6=True) as lab:
        manager = Netnsmgr(lab)
        manager.apply([DEVICE], 30.0)
        lab.device.run([HAND, "init"])
        for turn in range(repeat + 1):
            for family, words in ((4, "now"), (6, "now"), (6, "quick")):
                number = 3 * turn + (family == 6) + (words == "quick") + 1
                add = partial(manager.apply, network(number, FOUR if family == 4 else BOTH), 30.0)
                gateway = f"10.20.{number}.1" if family == 4 else f"fd00:20:{number:x}::1"
                mine = _first(lab.app(f"i{number}"), add, family, gateway, words)
                by_hand = partial(lab.device.run, [HAND, "add", str(number)])
                gateway = f"10.66.{number}.1" if family == 4 else f"fd00:66:{number}::1"
                hand = _first(lab.app(f"h{number}"), by_hand, family, gateway, words)
                if turn:  # the first ones warm up caches
                    for key, value in ((f"{family} {words}", mine), (f"hand {family} {words}", hand)):
                        seen.setdefault(key, []).append(value)
    names = {
        "4 now": "a new instance's first packet of IPv4 (DHCP, DNS)",
        "6 now": "  of IPv6 (SLAAC, DNS), with the kernel's search for duplicates",
        "6 quick": "  of IPv6, where the application's kernel looks for none",
    }
    for key, name in names.items():
        note = (
            ""
            if "quick" not in key
            else "by hand radvd is not there yet when it is asked; the kernel asks again after 4 s"
        )
        yield Figure(name, "ms", samples(seen[key]), samples(seen[f"hand {key}"]), paired=True, note=note)


def _first(app: AppHost, add: Any, family: int, gateway: str, words: str) -> float:
    """Milliseconds of making the network and getting the first answer."""
    client = Program(app, "first.py", str(family), "eth0", gateway)
    start = time.monotonic()
    add()
    client.tell(words)
    client.answer("answered")
    passed = 1000 * (time.monotonic() - start)
    client.end()
    return passed


def memory() -> Iterator[Figure]:
    """What the helpers of an instance weigh, each process's share of what it shares counted in (PSS)."""
    for kind, what in ((FOUR, "of IPv4"), (BOTH, "of both versions"), (TRANSLATED, "of IPv6 with NAT64")):
        with Lab(ports=("eth0",), ipv6=True) as lab:
            for number in range(1, WEIGHED + 1):
                lab.app(f"i{number}")
            manager = Netnsmgr(lab)
            documents = [one for number in range(1, WEIGHED + 1) for one in network(number, kind)]
            manager.apply([DEVICE, *documents], 60.0)
            time.sleep(2.0)  # helpers that start and are gone again
            weights = _weights(manager)
            agents = samples([manager.pss(pid) for pid in manager.processes()["agents"]])
        parts = {name: sum(found) / WEIGHED for name, found in weights.items() if found}
        told = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
        yield Figure(
            f"memory of the helpers of an instance {what}, {WEIGHED} of them (PSS)",
            "MiB",
            samples([sum(parts.values())]),
            note=f"{told}; its agent {agents.value:.1f}",
            details={"parts": parts, "agent": agents.record()},
        )


def _weights(manager: Netnsmgr) -> dict[str, list[float]]:
    """The processes of each helper, all instances together."""
    found: dict[str, list[float]] = {name: [] for name in HELPERS}
    for entry in manager.lab.path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            name = re.match(rf"\S*?({'|'.join(HELPERS)})\s.*/run/netnsmgr", command)
            if name:
                found[name[1]].append(manager.pss(int(entry.name)))
        except (OSError, IndexError):
            continue
    return found
