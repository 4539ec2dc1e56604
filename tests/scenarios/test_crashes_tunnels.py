"""Whoever drives a tunnel may be killed: it goes on, whoever encrypts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netnsmgr.kernel.backends import probe
from tests.chaos.pinging import Pinging
from tests.lab import AppHost
from tests.lab.patience import SLOWNESS
from tests.scenarios.documents import app, device, port
from tests.scenarios.vpn import PORTS, gateway, hub, ipsec, wireguard
from tests.scenarios.world import World

pytestmark = [pytest.mark.root, pytest.mark.bothkernels]
BEHIND = "192.168.0.1"
RATE = 100 if SLOWNESS == 1 else 20


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    kernel = probe()["esp"] == "kernel"
    with World(PORTS) as made:
        cloud1, public, own = hub(made, "cloud1", kernel=kernel)
        cloud2 = gateway(made, "cloud2", "s3cret", kernel=kernel)
        for name in ("app4", "app5"):
            made.lab.app(name)
        made.apply(
            device(port(0), port(1), port(2)),
            wireguard(made, "ni4", "eth1", cloud1, public, own),
            ipsec(made, "ni5", "eth2", cloud2, "s3cret"),
            app("app4", "ni4"),
            app("app5", "ni5"),
        )
        made.ready("ni4", "ni5")
        for name in ("app4", "app5"):
            made.leased(f"ni{name[3]}", name)
        yield made


@pytest.fixture
def apps(w: World) -> list[AppHost]:
    return [w.lab.apps["app4"], w.lab.apps["app5"]]


def lost(pings: list[Pinging]) -> list[int]:
    assert min(ping.sent for ping in pings) > 50
    return [sum(run.number for run in ping.lost) for ping in pings]


def test_who_drives_a_tunnel_may_go(w: World, apps: list[AppHost]) -> None:
    """Agents and daemon: no packet is lost by either tunnel, whoever encrypts, and the successors change nothing."""
    since = w.mark()
    pings = [Pinging(each, BEHIND, RATE) for each in apps]
    with pings[0], pings[1]:
        for agent in ("ni4", "ni5", "uplink"):
            w.kill_agent(agent)
            w.looked(agent, since)
        w.crash()
        since_then = w.mark()
        w.restart()
        for agent in ("ni4", "ni5", "uplink"):
            w.looked(agent, since_then)
        w.ready("ni4", "ni5")
    assert (lost(pings), w.operations(since)) == ([0, 0], [])


def test_a_killed_charon_takes_its_tunnel_alone(w: World, apps: list[AppHost]) -> None:
    """Also where the kernel encrypts: ESP comes in UDP, which it takes from charon's socket.  It is back at once."""
    (pid,) = w.pids("^/run/netnsmgr/instances/ni5/etc/charon")
    pings = [Pinging(each, BEHIND, RATE) for each in apps]
    with pings[0], pings[1]:
        w.kill(pid)
        w.eventually(lambda: w.pids("^/run/netnsmgr/instances/ni5/etc/charon") not in ([], [pid]), "another")
        w.until(lambda: w.instance("ni5").get("state") == "ready", "ni5 is ready", timeout=40)
        w.eventually(lambda: apps[1].ping(BEHIND), "the tunnel is back", timeout=40)
    print([(run.number, f"{run.end - run.begin:.2f} s") for run in pings[1].lost])
    wireguard, ipsec = lost(pings)
    assert wireguard == 0
    assert ipsec < pings[1].sent
