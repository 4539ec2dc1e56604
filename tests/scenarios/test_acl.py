"""Access lists on the whole daemon, with real packets: rows 2 to 6, 10, 11 of the scenario, and what lists promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import AppHost, LabError
from tests.scenarios.documents import Document, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root

EVERYTHING: list[dict[str, Any]] = [{"id": 1}]


def app(name: str, **lists: list[dict[str, Any]] | None) -> Document:
    """An application with one interface for each network and its list there, in the order given."""
    interfaces = [
        {"name": f"eth{n}", "network": network} | ({} if rules is None else {"acl": rules})
        for n, (network, rules) in enumerate(lists.items())
    ]
    spec = {"attach": {"netns": name}, "interfaces": interfaces}
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": "App", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def scenario() -> Iterator[World]:
    """The scenario's ni1 and ni2 with app1 and app2 and their lists."""
    with World() as world:
        hosts = [world.lab.app("app1"), world.lab.app("app2")]
        world.apply(
            device(port(0, labels=["uplink"]), port(1, labels=["uplink"])),
            instance("ni1"),
            instance("ni2", "192.168.1"),
            app(
                "app1",
                ni1=[
                    {"id": 1, "match": {"host": "github.com"}},
                    {"id": 2, "match": {"ip": "192.168.0.0/16"}},
                ],
                ni2=[{"id": 1, "match": {"eidset": True, "protocol": "tcp", "fport": 80}}],
            ),
            app(
                "app2",
                ni2=[
                    {"id": 1, "match": {"eidset": True, "protocol": "tcp", "fport": 80}},
                    {"id": 2, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}},
                ],
            ),
        )
        hosts[0].dhcp("eth0")
        hosts[0].dhcp("eth1")
        hosts[1].dhcp("eth0")
        hosts[0].serve_http()
        hosts[1].serve_http()
        yield world


def answered(host: AppHost, url: str, interface: str = "eth0") -> str:
    try:
        return host.http(url, interface=interface, timeout=2).split(",")[0].strip()
    except LabError as error:
        return f"{type(error).__name__}"


def test_row_2_a_domain_and_its_subdomains(scenario: World) -> None:
    app1 = scenario.lab.apps["app1"]
    assert answered(app1, "http://github.com") == "I am github.com"
    assert answered(app1, "http://www.github.com") == "I am github.com"


def test_row_3_another_domain_resolves_and_is_not_reached(scenario: World) -> None:
    app1 = scenario.lab.apps["app1"]
    assert app1.lookup("google.com", interface="eth0")
    assert answered(app1, "http://google.com") == "HttpFailed"


def test_rows_6_and_10_applications_of_one_network(scenario: World) -> None:
    app1, app2 = scenario.lab.apps["app1"], scenario.lab.apps["app2"]
    assert answered(app1, "http://app2", "eth1") == "I am app2"
    assert answered(app2, "http://app1") == "I am app1"


def test_row_11_outside_of_the_list(scenario: World) -> None:
    assert answered(scenario.lab.apps["app2"], "http://github.com") == "HttpFailed"


def test_row_22_the_device_reaches_an_application(scenario: World) -> None:
    address = str(scenario.lab.apps["app1"].leases["eth0"].address.ip)
    assert scenario.lab.device.http(f"http://{address}", interface="nm-ni1").startswith("I am app1")
