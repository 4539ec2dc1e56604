"""Port maps in IPv6: one rule opens a port on the addresses of both families, asked from all sides."""

from __future__ import annotations

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import dual, port6
from tests.scenarios.portmaps import app2, leads, led, port_map, refused
from tests.scenarios.world import World

pytestmark = pytest.mark.root

DEVICE = "2001:db8::2", "2001:db8:1::2"
URLS = [f"http://[{address}]:8080" for address in DEVICE]


def static(host: AppHost, address: str, interface: str = "eth0") -> None:
    """Give an application its written IPv6 address, and the gateway of its network as router."""
    host.wait_link(interface)
    gateway = f"{address.rpartition(':')[0]}:1"
    for line in (
        f"link set {interface} up",
        f"address add {address}/64 dev {interface} nodad",
        f"route add default via {gateway} dev {interface}",
    ):
        host.run(["ip", "-6", *line.split()])


def test_from_all_sides() -> None:
    """From the site, another network, its own, around through the site by another port, by the application itself and by
    the device; by either family, with one rule."""
    with World(ipv6=True) as w:
        one, two, three = (w.lab.app(name) for name in ("app1", "app2", "app3"))
        inside = "fd00:10:2"
        w.apply(
            device(port6(0), port6(1)),
            dual("ni1"),
            dual("ni2", "192.168.1", inside),
            dual("ni3", "10.10.3", inside, ports=["eth1"]),
            app("app1", "ni1", address6="fd00:10:1::10"),
            app2(port_map(), address6=f"{inside}::20"),
            app("app3", "ni3", address6=f"{inside}::30"),
        )
        static(one, "fd00:10:1::10")
        static(two, f"{inside}::20")
        static(three, f"{inside}::30")
        two.dhcp("eth0")
        w.until(lambda: len(leads(w)[0]["on"]) == 4, "open in both families")
        led(w)
        assert leads(w)[0]["on"] == ["192.168.0.2", DEVICE[0], "192.168.1.2", DEVICE[1]]
        server = two.serve_http(80)
        assert w.lab.gw.http(URLS[0]) == "I am app2, you are 2001:db8::1\n"
        assert w.lab.gw.http(URLS[1]) == "I am app2, you are 2001:db8:1::1\n"
        assert w.lab.gw.http("http://192.168.0.2:8080") == "I am app2, you are 192.168.0.1\n"
        assert w.lab.internet.http(URLS[0]) == "I am app2, you are 2001:db8:ffff::86\n"
        assert one.http(URLS[0]) == "I am app2, you are fd6e:6d00::1\n"
        assert two.http(URLS[0]) == "I am app2, you are fd6e:6d00::2\n"
        # By the site: ni3 does not use eth0.
        assert three.http(URLS[0]) == "I am app2, you are 2001:db8:1::2\n"
        assert three.http(URLS[1]) == "I am app2, you are fd6e:6d00::5\n"
        assert w.lab.device.http(URLS[0]) == "I am app2, you are 2001:db8::2\n"
        assert w.lab.device.http(URLS[1]) == "I am app2, you are 2001:db8:1::2\n"
        # Not open: another port, the application's, a link-local address of the device's port, the link itself.
        assert refused(w.lab.gw, "http://[2001:db8::2]:8081")
        assert refused(w.lab.gw, "http://[2001:db8::2]:80")
        local = next(a for a in w.lab.device.addresses6("eth0", scope="link"))
        assert refused(w.lab.gw, f"http://[{local.partition('/')[0]}%25eth0]:8080")
        assert refused(one, "http://[fd6e:6d00::3]:8080")
        server.stop()
