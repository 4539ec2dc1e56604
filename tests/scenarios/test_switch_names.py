"""Host rules and the flow log of a switch: the site's DNS server answers, and its answers open what rules say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from netnsmgr.features.names import host_sets
from netnsmgr.pubsub.tables import FLOW_LOG
from tests.lab import HttpFailed, LabError
from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root

GITHUB, GOOGLE = "203.0.113.10", "203.0.113.20"
DNS = {"servers": ["192.168.1.1"]}
RULES = [{"id": 1, "match": {"host": "github.com"}}]


@pytest.fixture
def w() -> Iterator[World]:
    with World(("eth0", "eth1"), dhcp_ports=("eth1",)) as made:
        for name in "app6", "app7":
            made.lab.app(name)
        made.apply(
            device(port(0), bare("eth1")),
            switch("ni6", "eth1", flowLog=True, dns=DNS),
            app("app6", "ni6", acl=RULES),
            app("app7", "ni6"),
        )
        yield made


def members(w: World) -> str:
    return w.sh(f"nft list set inet netnsmgr_acl {host_sets('github.com', 4)[0]}", "ni6")


def servers(w: World) -> str:
    return w.sh("nft list set bridge netnsmgr_dns servers4", "ni6")


def test_a_name_of_the_site_opens_its_address(w: World) -> None:
    """And no other one."""
    app6 = w.lab.apps["app6"]
    app6.dhcp("eth0")
    with pytest.raises(HttpFailed):
        app6.http(f"http://{GITHUB}/", timeout=1.0)
    assert "I am github.com" in app6.http("http://github.com/")
    assert GITHUB in members(w)
    with pytest.raises(HttpFailed):
        app6.http("http://google.com/", timeout=1.0)
    assert GOOGLE not in members(w)


def test_the_servers_that_dhcp_told_are_believed(w: World) -> None:
    """Where none is configured.  Before, the interface says what it lacks; configured ones take their place."""
    w.apply(switch("ni6", "eth1"))
    assert any("no DNS server" in reason for reason in w.interface("ni6", "app6")["reasons"])
    assert w.interface("ni6", "app7")["reasons"] == []
    app6 = w.lab.apps["app6"]
    app6.dhcp("eth0")
    w.until(lambda: not w.interface("ni6", "app6").get("reasons", ["?"]), "app6 has a server to believe")
    w.eventually(lambda: "192.168.1.1" in servers(w), "the server")
    assert "I am github.com" in app6.http("http://github.com/")
    w.apply(switch("ni6", "eth1", dns={"servers": ["192.0.2.53"], "hosts": {"plc.github.com": [GOOGLE]}}))
    w.eventually(lambda: "192.0.2.53" in servers(w) and "192.168.1.1" not in servers(w), "the configured one")
    # A static name needs no server.
    assert "I am google.com" in app6.http(f"http://{GOOGLE}/")


def test_the_program_ends_and_names_come_back(w: World) -> None:
    """The agent starts it again; what it had opened stays open."""
    app6 = w.lab.apps["app6"]
    app6.dhcp("eth0")
    assert "I am github.com" in app6.http("http://github.com/")
    (pid,) = w.pids("services.flowlog .*/ni6/")
    w.kill(pid)
    w.eventually(lambda: w.pids("services.flowlog .*/ni6/") not in ([], [pid]), "another program")
    assert GITHUB in members(w)
    assert "I am github.com" in app6.http(f"http://{GITHUB}/")

    def answered() -> bool:
        with suppress(LabError):
            return app6.lookup("api.github.com") == [GITHUB]
        return False

    w.eventually(answered, "names again")


def records(w: World, name: str, *options: str) -> list[dict[str, Any]]:
    done = w.command("flows", name, "-o", "json", *options, code=None)
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"] if done.stdout else []
    return found


def test_flows_of_a_switch(w: World) -> None:
    """Out, in, between applications, what was dropped and what was asked: whose it is, without an address known."""
    view = w.client.subscribe(FLOW_LOG)
    for name in "app6", "app7":
        w.lab.apps[name].dhcp("eth0")
    w.until(lambda: {"ni6/app6", "ni6/app7"} <= set(view.rows), "the flow log runs")
    app6, app7, segment = w.lab.apps["app6"], w.lab.apps["app7"], w.lab.segment("eth1")
    addresses = {name: str(w.lab.apps[name].leases["eth0"].address.ip) for name in ("app6", "app7")}
    app6.http("http://github.com/")
    assert segment.gw.ping(addresses["app7"])
    assert not app6.ping(addresses["app7"], timeout=1)
    assert app7.ping("192.168.1.1")

    def seen(name: str, **fields: Any) -> None:
        w.eventually(lambda: any(fields.items() <= r.items() for r in records(w, name)), f"{name}: {fields}")

    seen("app6", type="flow", direction="out", dst=GITHUB, dport=80, rule=1, verdict="allow")
    seen("app6", type="drop", direction="out", dst=addresses["app7"], rule=0, peer="app7")
    seen("app7", type="flow", direction="in", src="192.168.1.1", dst=addresses["app7"], rule=None)
    seen("app7", type="flow", direction="out", dst="192.168.1.1", rule=None)
    w.eventually(lambda: any(r["name"] == "github.com" for r in records(w, "app6", "--dns")), "the question")
    shown = w.command("flows").stdout
    assert "app7" in shown
    assert "github.com" in w.command("flows", "--dns").stdout
