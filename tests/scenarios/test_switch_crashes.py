"""Whatever of netnsmgr is killed, a switch goes on, and the successor finds nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.traffic import Flow, Watch
from tests.scenarios.world import World

pytestmark = pytest.mark.root
PORTS = ("eth0", "eth1", "eth2", "eth3")
ALL = [{"id": 1, "match": {"ip": "0.0.0.0/0"}}]


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(PORTS, dhcp_ports=("eth3",)) as made:
        made.lab.app("app6")
        made.apply(device(port(), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6", acl=ALL))
        app6 = made.lab.apps["app6"]
        address = str(app6.dhcp("eth0").address.ip)
        since = made.mark()
        made.until(lambda: address in str(made.interface("ni6", "app6")["addresses"]), f"{address} is known")
        made.looked("ni6", since)
        yield made


@pytest.fixture
def app6(w: World) -> AppHost:
    return w.lab.apps["app6"]


def undisturbed(w: World) -> Watch:
    return Watch(w.lab.device, w.lab.instance("ni6"))


@pytest.mark.parametrize("agent", ["ni6", "uplink"])
def test_a_killed_agent(w: World, app6: AppHost, agent: str) -> None:
    """The port stays where it is, and a transfer through it loses nothing."""
    since = w.mark()
    with Flow(app6) as flow, undisturbed(w) as seen:
        w.kill_agent(agent)
        w.looked(agent, since)
        w.ready("ni6")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_the_daemon_killed_or_stopped(w: World, app6: AppHost, how: str) -> None:
    """Without the daemon the switch works on, with its metadata service; the next one changes nothing."""
    with Flow(app6, seconds=2.0) as flow, undisturbed(w) as seen:
        getattr(w, how)()
        assert app6.http("http://169.254.169.254/eve/v1/hostname") == "app6\n"
        since = w.mark()
        w.restart()
        for name in ("ni6", "uplink"):
            w.looked(name, since)
        w.ready("ni6")
        w.attached("ni6", "app6")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (seen.changes, w.operations(since)) == ([], [])
