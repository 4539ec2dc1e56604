"""Port maps in IPv6: one rule opens a port on the addresses of both families, asked from all sides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import dual, port6
from tests.scenarios.portmaps import Talk, app2, leads, led, port_map, refused, serve
from tests.scenarios.test_portmaps_ended import ASK_SLOWLY
from tests.scenarios.world import World

pytestmark = pytest.mark.root

INSIDE, APP2 = "fd00:10:2", "fd00:10:2::20"
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
    # Its solicitation tells the gateway where it is; it may not hear those of others yet.  Its list may deny the rest.
    host.run(["ping", "-6", "-n", "-q", "-c", "1", "-W", "1", gateway], check=False)


def test_from_all_sides() -> None:
    """From the site, another network, its own, around through the site by another port, by the application itself and by
    the device; by either family, with one rule."""
    with World(ipv6=True) as w:
        one, two, three = (w.lab.app(name) for name in ("app1", "app2", "app3"))
        w.apply(
            device(port6(0), port6(1)),
            dual("ni1"),
            dual("ni2", "192.168.1", INSIDE),
            dual("ni3", "10.10.3", INSIDE, ports=["eth1"]),
            app("app1", "ni1", address6="fd00:10:1::10"),
            app2(port_map(), address6=f"{INSIDE}::20"),
            app("app3", "ni3", address6=f"{INSIDE}::30"),
        )
        static(one, "fd00:10:1::10")
        static(two, f"{INSIDE}::20")
        static(three, f"{INSIDE}::30")
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
        local = w.lab.device.wait_address6("eth0", scope="link")[0]
        assert refused(w.lab.gw, f"http://[{local.partition('/')[0]}%25eth0]:8080")
        assert refused(one, "http://[fd6e:6d00::3]:8080")
        server.stop()


def served(w: World, *rules: dict[str, Any], **network: Any) -> AppHost:
    """app2 with a written address in ni2, with these port maps, which are ready."""
    two = w.lab.app("app2")
    w.apply(
        device(port6(0), port6(1)), dual("ni2", "192.168.1", INSIDE, **network), app2(*rules, address6=APP2)
    )
    static(two, APP2)
    for link in ("eth0", "eth1"):
        w.lab.device.wait_address6(link)  # asked for duplicates
    w.until(lambda: all(lead["state"] == "ready" for lead in leads(w)), "the port maps are ready")
    return two


def test_senders_choose_the_family() -> None:
    """Prefixes of one family are a map of that family alone; of both, of each; and what an application has not is not told
    as open."""
    with World(ipv6=True) as w:
        two = served(
            w,
            port_map(8081, ip=["2001:db8::/64", "2001:db8:ffff::86"]),
            port_map(8082, ip=["192.168.0.0/24", "2001:db8:1::1"]),
            port_map(8083),
        )
        assert [lead["on"] for lead in leads(w)] == [list(DEVICE)] * 3  # no lease yet
        two.dhcp("eth0")
        w.until(lambda: len(leads(w)[2]["on"]) == 4, "8083 is open in both families")
        assert [len(lead["on"]) for lead in leads(w)] == [2, 4, 4]
        server = two.serve_http(80)
        assert w.lab.gw.http("http://[2001:db8::2]:8081", interface="2001:db8::1")
        assert w.lab.internet.http("http://[2001:db8::2]:8081", interface="2001:db8:ffff::86")
        assert refused(w.lab.internet, "http://[2001:db8::2]:8081", interface="2001:db8:ffff::80")
        assert refused(w.lab.gw, "http://192.168.0.2:8081")
        assert w.lab.gw.http("http://192.168.0.2:8082")
        assert refused(w.lab.gw, "http://[2001:db8::2]:8082")
        assert w.lab.gw.http("http://[2001:db8:1::2]:8082")
        server.stop()
        text = w.command("describe", "app", "app2").stdout
        assert "[2001:db8::2]:8081, [2001:db8:1::2]:8081" in text


def test_flows_end_with_their_map() -> None:
    """A sender that never pauses is cut off by the removal of the map and by senders that leave it out; a connection is
    reset.  The map brings the flow back."""
    with World(ipv6=True) as w:
        two = served(w, port_map(5000, 5001, "udp"), port_map())
        servers = [two.serve_http(80), serve(two, 5001, APP2)]
        talk = Talk(w.lab.gw, "2001:db8::2", 5000)
        assert talk.first() == "heard app2 to 2001:db8::1"
        sender = w.lab.gw.popen(
            ["bash", "-c", ASK_SLOWLY.format(port=8080).replace("192.168.0.2", "2001:db8::2")]
        )
        sender.wait_line("asking")
        w.apply(app2(address6=APP2))
        sender.wait_line("reset")
        assert talk.next() == "silence"
        w.apply(app2(port_map(5000, 5001, "udp"), address6=APP2))
        assert talk.next() == "heard app2 to 2001:db8::1"
        w.apply(app2(port_map(5000, 5001, "udp", ip="2001:db8:ffff::/48"), address6=APP2))
        assert talk.next() == "silence"
        w.apply(app2(port_map(5000, 5001, "udp", ip="2001:db8::1"), address6=APP2))
        assert talk.next() == "heard app2 to 2001:db8::1"
        talk.stop()
        for server in servers:
            server.stop()


def test_the_device_does_not_believe_its_own_addresses() -> None:
    """IPv6 has no accept_local: what comes in with an address of the device reaches a port map from another port's side, and
    nothing that listens on the device, and no map from that port's own side."""
    with World(ipv6=True) as w:
        two = served(w, port_map(5000, 5000, "udp"))
        application, own = serve(two, 5000, APP2), serve(w.lab.device, 5001, DEVICE[0])
        honest = Talk(w.lab.gw, "2001:db8::2", 5001)
        assert honest.next() == "heard device to 2001:db8::1"
        forged = [
            Talk(w.lab.gw, "2001:db8::2", number, source)
            for number in (5000, 5001)
            for source in ("2001:db8:1::2", "2001:db8::2")
        ]
        for talk in forged:
            assert talk.next() == "silence"
        for server in (application, own):
            server.stop()
        assert "asked by 2001:db8:1::2" in application.output
        assert "asked by 2001:db8::2" not in application.output
        assert own.output.split() == ["listening", "asked", "by", "2001:db8::1"]
        for talk in (honest, *forged):
            talk.stop()


@pytest.mark.parametrize("uplink", [{"uplink": "routed"}, {"uplink": "npt", "prefix": "2001:db8:7::/64"}])
def test_into_instances_with_addresses_of_their_own(uplink: dict[str, Any]) -> None:
    """Mapped through the link as elsewhere; the application's own question by the map comes back to it."""
    with World(ipv6=True) as w:
        two = served(w, port_map(), ipv6=uplink)
        server = two.serve_http(80)
        assert w.lab.gw.http(URLS[0]) == "I am app2, you are 2001:db8::1\n"
        assert two.http(URLS[0]) == "I am app2, you are fd6e:6d00::\n"
        server.stop()
