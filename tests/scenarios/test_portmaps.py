"""Port maps: a port of the device that leads to an application, asked from all sides."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.portmaps import URL, Talk, app2, leads, led, port_map, refused, serve
from tests.scenarios.world import World

pytestmark = pytest.mark.root

BRIDGED_THROUGH_INET = "echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables"


@pytest.mark.parametrize("bridged_through_inet", [False, True])
def test_the_scenario_s_port_map_from_all_sides(bridged_through_inet: bool) -> None:
    """Rows 7, 8, 13, 23: from another network, from its own, around through the site by another port, from the site; by
    the application itself and by the device, too; with bridged packets in the inet hooks and without."""
    with World() as w:
        app1, two, app3 = (w.lab.app(name) for name in ("app1", "app2", "app3"))
        w.apply(
            device(port(0), port(1)),
            instance("ni1"),
            instance("ni2", "192.168.1"),
            instance("ni3", ports=["eth1"]),
            app("app1", "ni1", "ni2"),
            app2(port_map()),
            app("app3", "ni3"),
        )
        for one in (app1, two, app3):
            one.dhcp("eth0")
        app1.dhcp("eth1")
        led(w)
        assert leads(w) == [
            {"protocol": "tcp", "port": 8080, "appPort": 80, "on": ["192.168.0.2", "192.168.1.2"], "state": "ready"}
        ]  # fmt: skip
        if bridged_through_inet:
            w.sh(BRIDGED_THROUGH_INET, "ni2")
        server = two.serve_http(80)
        # Who asks is seen as it is, unless its address lies in ni2's own subnet: then as the device's end of the link.
        assert w.lab.gw.http(URL) == "I am app2, you are 192.168.0.1\n"
        assert w.lab.gw.http("http://192.168.1.2:8080") == "I am app2, you are 169.254.100.2\n"
        assert w.lab.internet.http(URL) == "I am app2, you are 203.0.113.10\n"
        assert app1.http(URL, interface="eth0") == "I am app2, you are 169.254.100.1\n"
        assert app1.http(URL, interface="eth1") == "I am app2, you are 169.254.100.2\n"
        assert two.http(URL) == "I am app2, you are 169.254.100.2\n"
        assert app3.http(URL) == "I am app2, you are 169.254.100.2\n"
        assert app3.http("http://192.168.1.2:8080") == "I am app2, you are 169.254.100.5\n"
        assert w.lab.device.http(URL) == "I am app2, you are 192.168.0.2\n"
        assert w.lab.device.http("http://192.168.1.2:8080") == "I am app2, you are 169.254.100.2\n"
        # Not open: another port, and the same one where no packet of the outside gets.
        assert refused(w.lab.gw, "http://192.168.0.2:8081")
        assert refused(w.lab.gw, "http://192.168.0.2:80")
        assert refused(app1, "http://169.254.100.3:8080", interface="eth0")
        server.stop()


def test_answers_leave_by_the_port_that_was_asked_and_no_other_instance_sees_them() -> None:
    """ni2 leaves by eth0 only; asked at eth1, from a network that lies behind eth0, it answers by eth1."""
    with World() as w:
        one, two = w.lab.app("app1"), w.lab.app("app2")
        # The same subnet in both: an answer or a question that goes astray would find somebody.
        w.apply(
            device(port(0), port(1)),
            instance("ni1", ports=["eth1"]),
            instance("ni2"),
            app("app1", "ni1", acl=[port_map(9090)]),
            app2(port_map()),
        )
        for each in (one, two):
            each.dhcp("eth0")
        led(w)
        servers = [one.serve_http(80), two.serve_http(80)]
        asked = "tcp port 8080"
        with (
            w.lab.gw.capture("eth0", asked) as eth0,
            w.lab.gw.capture("eth1", asked) as eth1,
            w.lab.instance("ni1").capture("any", "tcp port 8080 or tcp port 80") as ni1,
        ):
            said = w.lab.gw.http("http://192.168.1.2:8080", interface="192.168.0.1")
        assert said == "I am app2, you are 192.168.0.1\n"
        assert eth0.stop() == []
        assert any("192.168.1.2.8080 >" in line for line in eth1.stop())
        assert ni1.stop() == []
        assert w.lab.gw.http("http://192.168.1.2:9090") == "I am app1, you are 192.168.1.1\n"
        for server in servers:
            server.stop()


def test_the_adapter_and_the_senders() -> None:
    """A map is open at the ports that its adapter names or labels only, to the senders of its rule only."""
    with World() as w:
        two = w.lab.app("app2")
        near, far = port(0), port(1, labels=["wan"])
        w.apply(
            device(near, far),
            instance("ni2"),
            app2(
                port_map(8080, adapter="wan"),
                port_map(8081, adapter="eth0"),
                port_map(8082, ip=["192.168.0.0/25", "203.0.113.10"]),
            ),
        )
        two.dhcp("eth0")
        led(w)
        assert [lead["on"] for lead in leads(w)] == [
            ["192.168.1.2"],
            ["192.168.0.2"],
            ["192.168.0.2", "192.168.1.2"],
        ]
        server = two.serve_http(80)
        assert w.lab.gw.http("http://192.168.1.2:8080")
        assert refused(w.lab.gw, "http://192.168.0.2:8080")
        assert w.lab.gw.http("http://192.168.0.2:8081")
        assert refused(w.lab.gw, "http://192.168.1.2:8081")
        assert w.lab.gw.http("http://192.168.0.2:8082", interface="192.168.0.1")
        assert refused(w.lab.gw, "http://192.168.0.2:8082", interface="192.168.1.1")
        assert w.lab.internet.http("http://192.168.1.2:8082", interface="203.0.113.10")
        assert refused(w.lab.internet, "http://192.168.1.2:8082", interface="203.0.113.20")
        # A label more: the map opens at the other port as well.
        w.apply(device(near | {"labels": ["wan"]}, far))
        w.until(lambda: leads(w)[0]["on"] == ["192.168.0.2", "192.168.1.2"], "8080 is open at both ports")
        assert w.lab.gw.http("http://192.168.0.2:8080")
        server.stop()


def test_the_device_does_not_believe_its_own_addresses() -> None:
    """What comes in with an address of the device as its sender reaches port maps from another port's side, as row 13 needs
    it, but nothing that listens on the device, and no port map from that port's own side."""
    with World() as w:
        two = w.lab.app("app2")
        w.apply(device(port(0), port(1)), instance("ni2"), app2(port_map(5000, 5000, "udp")))
        two.dhcp("eth0")
        led(w)
        application, own = serve(two, 5000), serve(w.lab.device, 5001)
        honest = Talk(w.lab.gw, "192.168.0.2", 5001)
        assert honest.next() == "heard device to 192.168.0.1"
        talks = [
            Talk(w.lab.gw, "192.168.0.2", 5000, "192.168.1.2"),
            Talk(w.lab.gw, "192.168.0.2", 5000, "192.168.0.2"),
            Talk(w.lab.gw, "192.168.0.2", 5001, "192.168.1.2"),
            Talk(w.lab.gw, "192.168.0.2", 5001, "192.168.0.2"),
        ]
        for talk in talks:
            assert talk.next() == "silence"  # who asks in another's name is not answered anyhow
        for server in (application, own):
            server.stop()
        assert "asked by 192.168.1.2" in application.output
        assert "asked by 192.168.0.2" not in application.output
        assert own.output.split() == ["listening", "asked", "by", "192.168.0.1"]
        for talk in (honest, *talks):
            talk.stop()


def test_ports_come_and_go() -> None:
    """A port that is added opens for the maps of all ports, and one that goes takes nothing with it."""
    with World() as w:
        two = w.lab.app("app2")
        w.apply(device(port(0)), instance("ni2"), app2(port_map()))
        two.dhcp("eth0")
        led(w)
        server = two.serve_http(80)
        assert w.lab.gw.http(URL)
        w.apply(device(port(0), port(1)))
        w.until(lambda: leads(w)[0]["on"] == ["192.168.0.2", "192.168.1.2"], "open at both ports")
        w.lab.device.eventually(lambda: not refused(w.lab.gw, "http://192.168.1.2:8080"))
        assert w.lab.gw.http("http://192.168.1.2:8080")
        assert w.lab.gw.http(URL)
        mark = w.mark()
        w.apply(device(port(1)), instance("ni2", ports=["eth1"]))
        w.until(lambda: leads(w)[0]["on"] == ["192.168.1.2"], "open at eth1 only")
        assert w.lab.gw.http("http://192.168.1.2:8080")
        assert not w.logged(mark, event="operation failed")
        server.stop()
