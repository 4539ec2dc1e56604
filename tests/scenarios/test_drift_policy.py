"""Drift that is left by wish, that comes while nobody looks, again and again, or is none at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.scenarios.documents import Document, app, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root

DRIFT = ("Drift", "HelperEnded", "DriftFight", "DriftStorm")
ROUTE = "route default metric 0"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(*documents())
        made.leased("ni1", "app1")
        yield made


def documents(drift: str = "repair") -> list[Document]:
    edge = device(port(0), port(1))
    edge["spec"]["drift"] = drift
    return [edge, instance("ni1"), app("app1", "ni1")]


def told(w: World, since: int, *reasons: str) -> list[str]:
    wanted = reasons or DRIFT
    return [each["message"] for each in w.logged(since, event="drift") if each["reason"] in wanted]


def routed(w: World) -> bool:
    return "default" in w.sh("ip route", "ni1")


def remembered(w: World) -> None:
    """Wait until a successor of the agents would know what stood."""
    for name in ("ni1", "uplink"):
        path = w.lab.path(f"/run/netnsmgr/instances/{name}/drift.json")
        w.eventually(path.exists, f"what stood in {name} is on file")


def test_reported_drift_stays_until_the_configuration_changes(w: World) -> None:
    """It is told, the status says so, a killed agent and a killed daemon change nothing of it; a new configuration does."""
    w.apply(*documents("report"))
    since = w.mark()
    w.sh("ip route del default; ip address add 10.10.1.99/24 dev bn0", "ni1")
    w.until(lambda: w.instance("ni1")["state"] == "degraded", "ni1 is degraded")
    w.until(lambda: len(w.instance("ni1")["reasons"]) == 2, "both reasons")
    assert w.instance("ni1")["reasons"] == [
        "changed by hand: address 10.10.1.99/24 dev bn0 was added",
        f"changed by hand: {ROUTE} was removed",
    ]
    left = "left as it is (drift: report)"
    assert sorted(told(w, since)) == [
        f"address 10.10.1.99/24 dev bn0 was added; {left}",
        f"{ROUTE} was removed; {left}",
    ]
    assert ROUTE in w.command("events", "--for", "ni1").stdout
    remembered(w)
    since = w.mark()
    w.kill_agent("ni1")
    w.looked("ni1", since)
    w.until(lambda: w.instance("ni1")["state"] == "degraded", "ni1 is degraded, still")
    remembered(w)
    w.crash()
    since = w.mark()
    w.restart()
    w.looked("ni1", since)
    assert not routed(w)
    assert w.operations(since) == []
    w.apply(documents("report")[0], instance("ni1", dhcp={"range": "10.10.1.50-10.10.1.140"}))
    assert routed(w)
    w.ready("ni1")
    assert "10.10.1.99" not in w.sh("ip address", "ni1")


def test_what_somebody_undoes_needs_no_repair(w: World) -> None:
    """Drift that is left, and undone by hand: ready again; and `repair` mends what was left."""
    w.apply(*documents("report"))
    since = w.mark()
    w.sh("ip link set bn0 mtu 1300", "ni1")
    w.until(lambda: w.instance("ni1")["state"] == "degraded", "ni1 is degraded")
    w.sh("ip link set bn0 mtu 1500", "ni1")
    w.ready("ni1")
    w.eventually(lambda: told(w, since, "Repaired"), "it is told")
    w.sh("ip link set bn0 mtu 1300", "ni1")
    w.until(lambda: w.instance("ni1")["state"] == "degraded", "ni1 is degraded")
    w.put(documents("repair")[0])
    w.ready("ni1")
    assert " mtu 1500 " in w.sh("ip link show bn0", "ni1")


def test_changed_while_nobody_looked(w: World) -> None:
    """The daemon is down: what was changed meanwhile is drift; what its end and start do by themselves is none."""
    w.apply(*documents())
    remembered(w)
    w.crash()
    w.sh("ip route del default; nft flush chain inet netnsmgr_nat postrouting", "ni1")
    since = w.mark()
    w.restart()
    w.ready("ni1")
    w.eventually(lambda: len(told(w, since)) == 2, "both are told")
    assert sorted(told(w, since)) == [
        f"{ROUTE} was removed; repaired",
        "table inet netnsmgr_nat was changed; repaired",
    ]


def test_somebody_fights_with_us(w: World) -> None:
    """A program removes what we put as fast as it can: told once as that, put back with pauses, and over in the end."""
    w.apply(*documents())
    since = w.mark()
    fight = w.lab.instance("ni1").popen(["sh", "-c", "while :; do ip route del default 2>/dev/null; done"])
    try:
        w.eventually(lambda: told(w, since, "DriftFight"), "it is told")
        w.until(lambda: w.instance("ni1")["state"] == "degraded", "ni1 is degraded")
        (reason,) = w.instance("ni1")["reasons"]
        assert reason.startswith(f"changed by hand: {ROUTE} was removed, again and again")
        time.sleep(2.5)  # what is asserted is that little happens
    finally:
        fight.stop()
    assert len(told(w, since, "DriftFight")) == 1
    assert len(told(w, since, "Drift")) <= 4
    assert len(w.operations(since)) <= 8
    w.eventually(lambda: routed(w), "it is put back", timeout=10)
    w.ready("ni1")


def test_hundreds_of_changes_are_few_events(w: World) -> None:
    """A program adds ever more addresses and routes: they all go again, and are told many at a time."""
    w.apply(*documents())
    since = w.mark()
    addresses = "for j in $(seq 1 200); do ip address add 10.10.7.$j/32 dev lo; done"
    routes = "for j in $(seq 1 200); do ip route add 203.0.113.$j dev bn0 proto 110 table $((j+1000)); done"
    w.sh(f"{addresses} & {routes}; wait", "ni1")
    w.eventually(lambda: "203.0.113" not in w.sh("ip route show table all", "ni1"), "all is gone again")
    w.ready("ni1")
    assert 0 < len(told(w, since)) <= 45


def test_ordinary_life_is_no_drift() -> None:
    """Applications, leases, ports, restarts and changes of configuration come and go, and none of them is drift."""
    with World() as w:
        one = w.lab.app("app1")
        w.apply(*documents())
        w.leased("ni1", "app1")
        since = w.mark()
        w.kill_agent("ni1")
        w.kill_agent("uplink")
        w.ready("ni1")
        w.lab.app("app2")
        w.apply(instance("ni2", "10.10.2"), app("app2", "ni1", "ni2"))
        w.attached("ni2", "app2", "eth1")
        one.run(["ip", "link", "set", "eth0", "down"])
        w.lab.gw.run(["ip", "link", "set", "eth0", "down"])  # the cable
        w.lab.gw.run(["ip", "link", "set", "eth0", "up"])
        w.apply(instance("ni1", mtu=1400))
        w.apply(instance("ni1", dhcp={"range": "10.10.1.60-10.10.1.70"}))
        w.lab.apps.pop("app2").remove()
        w.until(lambda: w.interface("ni2", "app2", "eth1")["state"] == "pending", "app2 is missed")
        w.lab.app("app2")
        w.attached("ni2", "app2", "eth1")
        w.crash()
        w.restart()
        w.ready("ni1", "ni2")
        w.command("delete", "app", "app2")
        w.command("delete", "ni", "ni2")
        assert not told(w, since), "\n".join(told(w, since))
