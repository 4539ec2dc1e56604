"""Metrics of a running device: on the unix socket, over TCP, and true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.lab import AppHost
from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(options=("--metrics", "127.0.0.1:9465", "--agent-timeout", "9s")) as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        made.lab.apps["app1"].dhcp()
        made.ready("ni1")
        yield made


@pytest.fixture
def app1(w: World) -> AppHost:
    return w.lab.apps["app1"]


def scrape(w: World, *, tcp: bool = False) -> dict[str, float]:
    by = (
        "http://127.0.0.1:9465/metrics"
        if tcp
        else "--unix-socket /run/netnsmgr/metrics.sock http://x/metrics"
    )
    text = w.sh(f"curl -sSf {by}")
    found = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('netnsmgr_')}{{{labels}}}"] = sample.value
    return found


def test_what_is_shown_is_so(w: World, app1: AppHost) -> None:
    """States, and the packets that an application has really sent."""
    before = scrape(w)
    assert before["instance_state{instance=ni1,state=ready}"] == 1
    assert before["agent_state{agent=uplink,state=running}"] == 1
    assert before["port_state{device=edge,port=eth0,state=up}"] == 1
    packets = "instance_transmit_packets_total{instance=ni1}"
    app1.run(["ping", "-c", "20", "-i", "0.05", "-q", "192.168.0.1"])
    after = scrape(w, tcp=True)
    assert after.keys() == before.keys()
    assert after[packets] >= before[packets] + 20


def test_what_agents_do_and_what_happens_to_them(w: World) -> None:
    """Operations of an agent are told with its signs of life; its end is counted, and is an event."""
    w.until(lambda: scrape(w)["agent_operations_total{agent=ni1}"] > 10, "operations of ni1")
    w.kill_agent("ni1")
    w.ready("ni1")
    samples = scrape(w)
    assert samples["agent_restarts_total{agent=ni1}"] == 1
    assert samples["events_total{reason=AgentEnded,type=Warning}"] == 1


def test_the_socket_is_not_for_everybody(w: World) -> None:
    assert w.sh("stat -c '%A %U' /run/netnsmgr/metrics.sock") == "srw-rw---- root\n"
