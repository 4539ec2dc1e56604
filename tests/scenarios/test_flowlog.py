"""The flow log of a running device: switched on and off, by configuration alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from netnsmgr.features.names import host_key
from netnsmgr.pubsub.tables import FLOW_LOG
from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1", flowLog=True), app("app1", "ni1", address="10.10.1.10"))
        made.lab.apps["app1"].dhcp("eth0")
        yield made


def records(w: World, *options: str) -> list[dict[str, Any]]:
    done = w.command("flows", "app1", "-o", "json", *options, code=None)
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"] if done.stdout else []
    return found


def test_a_question_and_a_flow_are_seen(w: World) -> None:
    """What an application did is there for ``netnsmgr flows``; off is off, and on again is on."""
    view = w.client.subscribe(FLOW_LOG)
    w.until(lambda: "ni1/app1" in view.rows, "the flow log runs")
    w.lab.apps["app1"].lookup("github.com")
    assert w.lab.apps["app1"].ping("192.168.0.1")
    w.eventually(lambda: any(r["name"] == "github.com" for r in records(w, "--dns")), "the question")
    w.eventually(lambda: any(r["protocol"] == "icmp" for r in records(w)), "the flow")
    (ping,) = [r for r in records(w) if r["protocol"] == "icmp"]
    assert (ping["direction"], ping["rule"], ping["verdict"], ping["dst"]) == (
        "out",
        None,
        "allow",
        "192.168.0.1",
    )
    assert any(r.get("service") == "dns" for r in records(w))
    w.apply(instance("ni1", flowLog=False))
    w.until(lambda: not view.rows, "the rows are taken back")
    assert "flowLog: true" in w.command("flows", "app1", code=1).stderr
    w.apply(instance("ni1", flowLog=True))
    w.until(lambda: "ni1/app1" in view.rows, "it runs again")


def test_between_applications_each_has_its_own_rule(w: World) -> None:
    """The one that began by its own list, the other by what its list says of what comes in."""
    app2 = w.lab.app("app2")
    rules = [{"id": 7, "match": {"protocol": "icmp"}, "direction": "in"}]
    w.apply(app("app2", "ni1", address="10.10.1.11", acl=rules))
    app2.dhcp("eth0")
    assert w.lab.apps["app1"].ping("10.10.1.11")
    assert not app2.ping("10.10.1.10")
    w.eventually(lambda: any(r.get("peer") == "app2" for r in records(w)), "the flow")
    (out,) = [r for r in records(w) if r.get("peer") == "app2"]
    assert (out["direction"], out["rule"], out["verdict"]) == ("out", None, "allow")
    items = json.loads(w.command("flows", "app2", "-o", "json").stdout)["items"]
    (back,) = [r for r in items if r.get("peer") == "app1" and r["type"] == "flow"]
    assert (back["direction"], back["rule"], back["verdict"]) == ("in", 7, "allow")
    (drop,) = [r for r in items if r["type"] == "drop"]
    assert (drop["direction"], drop["rule"], drop["peer"]) == ("out", 0, "app1")


def test_it_goes_with_its_instance(w: World) -> None:
    """The rows and the program."""
    view = w.client.subscribe(FLOW_LOG)
    w.until(lambda: "ni1/app1" in view.rows, "the flow log runs")
    w.command("delete", "app", "app1")
    w.command("delete", "ni", "ni1", "--timeout", "20s")
    w.until(lambda: not view.rows, "the rows go with the instance")
    w.eventually(
        lambda: not w.lab.device.run(["pgrep", "-f", "services.flowlog"], check=False).stdout,
        "the program, too",
    )


def test_host_rules_decide_by_name(w: World) -> None:
    """An application may go where its host rule says, once it has asked for the name, and nowhere else."""
    rules = [{"id": 1, "match": {"host": "github.com"}}]
    w.apply(app("app1", "ni1", address="10.10.1.10", acl=rules))
    app1 = w.lab.apps["app1"]
    addresses = app1.lookup("github.com")
    assert addresses
    sets = f"nft list set inet netnsmgr_acl host_{host_key('github.com')}_4"
    held = w.lab.device.run(["ip", "netns", "exec", "ni1", "sh", "-c", sets]).stdout
    assert all(address in held for address in addresses), "it was there before the answer was"
    w.eventually(lambda: any(r["name"] == "github.com" for r in records(w, "--dns")), "the question")
    assert "github.com" in app1.http("http://github.com")
    w.eventually(
        lambda: any(r["rule"] == 1 and r["dst"] in addresses for r in records(w)), "the flow, by its rule"
    )
    assert not app1.ping("192.168.0.1")
    w.eventually(
        lambda: any(r["rule"] == 0 for r in records(w, "--dropped")), "the drop, by the default rule"
    )
