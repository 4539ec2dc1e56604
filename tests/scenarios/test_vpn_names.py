"""Names in instances with tunnels: asked for through the tunnel or not at all, unless somebody wants it otherwise."""

from __future__ import annotations

import pytest

from tests.lab.process import LabError
from tests.scenarios.documents import app, device, port
from tests.scenarios.vpn import PORTS, WIREGUARD, hub, nothing_in_clear, wireguard
from tests.scenarios.world import World

pytestmark = pytest.mark.root

INSIDE = "dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv --user=root --pid-file= --listen-address=192.168.0.1 --bind-interfaces --address=/inside.example/192.168.0.77"


def test_through_the_tunnel() -> None:
    """The instance's DNS asks the server behind the tunnel; the site's own names are unknown; no question in clear."""
    with World(PORTS) as w:
        (cloud, public, own), host = hub(w), w.lab.app("app4")
        cloud.popen(INSIDE.split(), log="inside-dns")
        with nothing_in_clear(w, "eth1", WIREGUARD), w.lab.gw.capture("eth0", "port 53") as elsewhere:
            w.apply(
                device(port(0), port(1)),
                wireguard(w, "ni4", "eth1", cloud, public, own, dns={"servers": ["192.168.0.1"]}),
                app("app4", "ni4"),
            )
            w.ready("ni4")
            host.dhcp("eth0")
            assert host.resolve("inside.example", "10.10.10.1") == ["192.168.0.77"]
            assert host.resolve("github.com", "10.10.10.1") == []
        assert elsewhere.stop() == []


def test_not_at_all() -> None:
    """Without a server in the tunnel nobody is asked; the applications' own names are known all the same."""
    with World(PORTS) as w:
        (cloud, public, own), host = hub(w), w.lab.app("app4")
        with nothing_in_clear(w, "eth1", WIREGUARD):
            w.apply(
                device(port(0), port(1)), wireguard(w, "ni4", "eth1", cloud, public, own), app("app4", "ni4")
            )
            w.ready("ni4")
            address = host.dhcp("eth0").address.ip
            assert host.resolve("app4.internal", "10.10.10.1") == [str(address)]
            try:
                assert host.resolve("github.com", "10.10.10.1") == []
            except LabError:
                pass  # refused is as good
            assert not host.ping("203.0.113.10")


def test_direct() -> None:
    """With `dns: direct` the port's server is asked, in clear; and with `rest: direct` what no tunnel carries leaves, too."""
    with World(PORTS) as w:
        (cloud, public, own), host = hub(w), w.lab.app("app4")
        direct = {"vpn": {"rest": "direct", "dns": "direct"}}
        w.apply(
            device(port(0), port(1)),
            wireguard(w, "ni4", "eth1", cloud, public, own, **direct),
            app("app4", "ni4"),
        )
        w.ready("ni4")
        host.dhcp("eth0")
        assert host.http("http://github.com") == "I am github.com, you are 192.168.1.2\n"
        with nothing_in_clear(w, "eth1", WIREGUARD):
            assert host.http("http://192.168.0.1") == "I am cloud1, you are 10.9.0.2\n"
