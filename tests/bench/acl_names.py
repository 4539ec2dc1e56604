"""What host rules cost a name's question, and what the programs beside an instance weigh."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count

from tests.bench.acl import address, app, instance
from tests.bench.figures import Figure, samples
from tests.bench.program import Program
from tests.bench.subject import PORT, Netnsmgr, document, make_apps, subnet
from tests.lab import Host, Lab

DOMAIN, UPSTREAM = "example.com", "203.0.113.10"
QUESTIONS = 50
EACH = 5
"""Instances of either kind."""

PROGRAMS = {
    "agent": "",
    "dnsmasq": r"dnsmasq --conf-file=\S*/dnsmasq\.",
    "metadata service": r"netnsmgr\.services\.metadata",
    "flow log": r"netnsmgr\.services\.flowlog",
    '"names" dnsmasq': r"dnsmasq --conf-file=\S*/names-",
}


def names(repeat: int) -> Iterator[Figure]:
    """Instances 1 to 5 have neither host rules nor a flow log, 6 to 10 have both."""
    plain, asking = 1, EACH + 1
    with Lab(ports=("eth0",)) as lab:
        numbers = range(1, 2 * EACH + 1)
        make_apps(lab, numbers)
        # One whose answers live: the site's own gives them no time, so that nobody would keep them.
        argv = ["dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--keep-in-foreground"]
        argv += ["--pid-file=", "--user=root", "--log-facility=-", "--local-ttl=300", "--cache-size=0"]
        upstream = lab.internet.popen([*argv, f"--address=/{DOMAIN}/198.51.100.7"])
        upstream.wait_line("started")
        manager = Netnsmgr(lab)
        documents = [document("Device", "edge", {"ports": [PORT | {"dns": [UPSTREAM]}]})]
        for n in numbers:
            rule = {"id": 1, "match": {"host": DOMAIN} if n > EACH else {"ip": "192.168.0.0/16"}}
            documents += [instance(n, flowLog=n > EACH), *(app(n, i, [rule]) for i in (1, 2))]
        manager.apply(documents, 60.0)
        address(lab, [(n, i) for n in numbers for i in (1, 2)])
        askers = {n: _asker(lab, n) for n in (plain, asking)}
        latencies: dict[tuple[int, bool], list[float]] = {(n, c): [] for n in askers for c in (False, True)}
        fresh = count()
        for _ in range(4 * repeat):
            for n, asker in askers.items():
                for cached in (False, True):
                    first = "the-same" if cached else f"n{next(fresh)}"
                    kind = "cached" if cached else "new"
                    said = asker.ask(f"{subnet(n)}.1 {first} {DOMAIN} {kind} {QUESTIONS}")
                    latencies[n, cached] += [1000 * seconds for seconds in json.loads(said)]
        for cached, what in ((False, "not cached"), (True, "cached")):
            yield Figure(
                f"a name's question, {what}, host rule (floor: no host rules)",
                "ms",
                samples(latencies[asking, cached]),
                samples(latencies[plain, cached]),
            )
        for n in numbers:  # each program has done what it is there for
            host = Host(lab.holder, f"a{n}.1", f"/run/netns/a{n}.1")
            host.http("http://169.254.169.254/")
            host.resolve(f"www.{DOMAIN}", f"{subnet(n)}.1")
        yield from _weights(lab, manager)
        upstream.stop()


def _asker(lab: Lab, number: int) -> Program:
    return Program(Host(lab.holder, f"a{number}.1", f"/run/netns/a{number}.1"), "asker.py")


def _weights(lab: Lab, manager: Netnsmgr) -> Iterator[Figure]:
    """Memory of each instance by program; who answers metadata questions is there just after one."""
    agents = manager.processes()["agents"]
    found: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    answering: list[float] = []
    keepers: set[int] = set()
    for entry in sorted(lab.path("/proc").iterdir(), key=lambda entry: (len(entry.name), entry.name)):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if pid in agents:
            found["agent"].append(manager.pss(pid))
        for name, pattern in PROGRAMS.items():
            if pattern and re.search(pattern, command):
                if name == "metadata service" and parent in keepers:
                    answering.append(manager.pss(pid))
                    continue
                keepers.add(pid)
                found[name].append(manager.pss(pid))
    total = sum(sum(values) for values in found.values()) / (2 * EACH)
    for name, values in found.items():
        note = ""
        if name == "metadata service":
            note = f"and {samples(answering or [0.0]).value:.1f} MiB while somebody asks"
        elif name == "agent":
            note = f"all of them together {total:.1f} MiB for each instance on average"
        yield Figure(f"memory: {name}, at {2 * EACH} instances (PSS)", "MiB", samples(values), note=note)
