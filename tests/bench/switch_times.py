"""How long a switch takes until it forwards, an application on it until it has its address, and what its agent weighs.

An address comes from the site's DHCP server, behind the port; clients are ready before the clock starts (``client.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench.figures import Figure, samples
from tests.bench.measure import timed
from tests.bench.subject import Clients, Netnsmgr, document, make_apps
from tests.bench.switch import HAND
from tests.lab import Lab

BESIDE = "beside"
"""The name of a local instance."""


def figures(repeat: int) -> Iterator[Figure]:
    """By netnsmgr and by hand in turns, each with a port of its own."""
    turns = repeat + 1  # the first one is for caches
    ports = [f"eth{n}" for n in range(2 * turns + 1)]
    with Lab(ports=ports, dhcp_ports=ports[1:]) as lab:
        make_apps(lab, range(1, 2 * turns + 1))
        manager = Netnsmgr(lab)
        manager.apply([document("Device", "edge", {"ports": [{"name": name} for name in ports]})], 30.0)
        times: dict[str, list[float]] = {"switch": [], "app": [], "hand switch": [], "hand app": []}
        for n in range(1, 2 * turns, 2):
            _one(lab, times, "", n, partial(_switch, manager, n), partial(_app, manager, n))
            _one(lab, times, "hand ", n + 1, partial(_hand, lab, n + 1), partial(_hand_app, lab, n + 1))
        spec = {"type": "local", "ports": [], "subnets": ["10.9.0.0/24"]}
        manager.apply([document("NetworkInstance", BESIDE, spec)], 30.0)
        weights = _weights(manager)
    found = {name: samples(values[1:]) for name, values in times.items()}
    what = "until DHCP and DNS of the site answer its first application"
    yield Figure(f"one more switch, {what}", "ms", found["switch"], found["hand switch"], paired=True)
    what = "until DHCP and DNS of the site answer it"
    yield Figure(
        f"one more application on a switch, {what}", "ms", found["app"], found["hand app"], paired=True
    )
    beside = samples([weights.pop(BESIDE)])
    switches = samples(list(weights.values()))
    name = f"memory of a switch's agent, of {turns} (PSS; floor: that of a local instance)"
    yield Figure(name, "MiB", switches, beside)


def _weights(manager: Netnsmgr) -> dict[str, float]:
    """MiB, by the instances' names."""
    said = json.loads(manager.lab.netnsmgr("get", "agents", "-o", "json", check=True).stdout)["items"]
    pids = {each["metadata"]["name"]: each["status"]["pid"] for each in said}
    return {name: manager.pss(pid) for name, pid in pids.items() if name != "uplink"}


def _one(
    lab: Lab,
    times: dict[str, list[float]],
    prefix: str,
    n: int,
    switch: Callable[[], object],
    app: Callable[[], object],
) -> None:
    for i, (name, do) in enumerate((("switch", switch), ("app", app)), 1):
        with Clients(lab, n, apps=(i,)) as clients:
            seconds = timed(do) + timed(clients.ask)
        times[prefix + name].append(1000 * seconds)


def _switch(manager: Netnsmgr, n: int) -> None:
    spec = {"type": "switch", "ports": [f"eth{n}"]}
    manager.apply([document("NetworkInstance", f"n{n}", spec), _document(n, 1)], 30.0)


def _app(manager: Netnsmgr, n: int) -> None:
    manager.apply([_document(n, 2)], 30.0)


def _document(n: int, i: int) -> dict[str, object]:
    interfaces = [{"name": "eth0", "network": f"n{n}"}]
    return document("App", f"a{n}-{i}", {"attach": {"netns": f"a{n}.{i}"}, "interfaces": interfaces})


def _hand(lab: Lab, n: int) -> None:
    lab.device.run([HAND, "bridge", str(n), f"eth{n}", f"a{n}.1"])


def _hand_app(lab: Lab, n: int) -> None:
    lab.device.run([HAND, "app", str(n), f"a{n}.2"])
