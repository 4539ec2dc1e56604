"""Whatever of netnsmgr is killed: the traffic goes on, and the successor finds nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device, instance
from tests.scenarios.traffic import Flow, Watch
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        made.leased("ni1", "app1")
        yield made


@pytest.fixture
def app1(w: World) -> AppHost:
    return w.lab.apps["app1"]


def undisturbed(w: World) -> Watch:
    return Watch(w.lab.device, w.lab.instance("ni1"))


@pytest.mark.parametrize("agent", ["ni1", "uplink"])
def test_a_killed_agent(w: World, app1: AppHost, agent: str) -> None:
    """An agent that is killed comes back, says why, and changes nothing; not a packet is lost."""
    dnsmasq, restarts = w.dnsmasq("ni1"), w.agent(agent)["restarts"]
    since = w.mark()
    with Flow(app1) as flow, undisturbed(w) as seen:
        w.kill_agent(agent)
        w.looked(agent, since)
        w.ready("ni1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])
    assert w.dnsmasq("ni1") == dnsmasq
    status = w.agent(agent)
    assert (status["state"], status["restarts"], status["cause"]) == (
        "running",
        restarts + 1,
        "killed by SIGKILL",
    )


def test_the_killed_fork_server(w: World, app1: AppHost) -> None:
    """The fork server takes all agents with it; a new one starts them anew, and they change nothing."""
    dnsmasq = w.dnsmasq("ni1")
    server = min(w.pids("[f]orkserver import main"))  # the agents have its command line, too
    before = {name: w.agent(name)["pid"] for name in ("ni1", "uplink")}
    since = w.mark()
    with Flow(app1) as flow, undisturbed(w) as seen:
        w.kill(server)
        for name, pid in before.items():
            w.succeeded(name, pid)
            w.looked(name, since)
        w.ready("ni1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])
    assert w.dnsmasq("ni1") == dnsmasq
    assert w.agent("ni1")["cause"]


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_the_daemon_killed_or_stopped(w: World, app1: AppHost, how: str) -> None:
    """Without the daemon the instance works on; the next daemon takes everything over and changes nothing."""
    dnsmasq = w.dnsmasq("ni1")
    with Flow(app1, seconds=2.0) as flow, undisturbed(w) as seen:
        getattr(w, how)()
        assert app1.lookup("github.com") == ["203.0.113.10"]
        since = w.mark()
        w.restart()
        for name in ("ni1", "uplink"):
            w.looked(name, since)
        w.ready("ni1")
        w.attached("ni1", "app1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])
    assert w.dnsmasq("ni1") == dnsmasq
    assert [a["address"] for a in w.interface("ni1", "app1")["addresses"]] == [
        str(app1.leases["eth0"].address.ip)
    ]
