"""Port maps: a port of the device that leads to an application, asked from all sides."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root

def port_map(number: int = 8080, to: int = 80, protocol: str = "tcp", **match: object) -> dict[str, object]:
    return {"id": number, "match": {"protocol": protocol, "lport": number, **match}, "action": {"portmap": to}}


def test_the_scenario_s_port_map_is_reached_from_all_sides() -> None:
    """Rows 7, 8, 13 and 23: from another network, from its own, around through the site by another port, and from the site."""
    with World() as w:
        app1, app2, app3 = (w.lab.app(name) for name in ("app1", "app2", "app3"))
        w.apply(
            device(port(0), port(1)),
            instance("ni1"),
            instance("ni2", "192.168.1"),
            instance("ni3", ports=["eth1"]),
            app("app1", "ni1", "ni2"),
            app("app2", "ni2", acl=[port_map(), {"id": 1}]),
            app("app3", "ni3"),
        )
        leases = {one.name: one.dhcp("eth0") for one in (app1, app2, app3)}
        app1.dhcp("eth1")
        server = app2.serve_http(80)
        url = "http://192.168.0.2:8080"
        print(w.interface("ni2", "app2"))
        for what, ask in {
            "gw": lambda: w.lab.gw.http(url),
            "7": lambda: app1.http(url, interface="eth0"),
            "8": lambda: app1.http(url, interface="eth1"),
            "self": lambda: app2.http(url),
            "13": lambda: app3.http(url),
            "device": lambda: w.lab.device.http(url),
            "device2": lambda: w.lab.device.http("http://192.168.1.2:8080"),
            "gw2": lambda: w.lab.gw.http("http://192.168.1.2:8080"),
            "gw3": lambda: w.lab.gw.http("http://192.168.1.2:8080", interface="192.168.0.1"),
            "11": lambda: app1.http("http://192.168.1.2:8080", interface="eth0"),
        }.items():
            try:
                print(what, ask())
            except Exception as e:
                print(what, "FAILED", e)
        print(w.sh("ip rule; nft list table inet netnsmgr_uplink"))
        print(w.sh("nft list table inet netnsmgr_nat", "ni2"))
        server.stop()
        assert 0
