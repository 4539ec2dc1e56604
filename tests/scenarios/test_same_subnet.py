"""The hardest collision: an instance in the very subnet of the port that it leaves by, gateway and DNS server included."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root


def test_two_instances_in_their_own_ports_subnet() -> None:
    """Names and the internet work where the site's router and DNS server have the address of the instance itself."""
    with World() as w:
        app1, app2 = w.lab.app("app1"), w.lab.app("app2")
        w.apply(
            device(port(0), port(1)),
            *(instance(name, "192.168.0", dhcp={}) for name in ("ni1", "ni2")),
            app("app1", "ni1", address="192.168.0.2"),  # the address of the port itself
            app("app2", "ni2", address="192.168.0.2"),
        )
        for one in (app1, app2):
            lease = one.dhcp("eth0")
            assert (str(lease.address), lease.dns) == ("192.168.0.2/24", ("192.168.0.1",))
            assert one.lookup("github.com") == ["203.0.113.10"]
            assert one.lookup(one.name) == ["192.168.0.2"]
            assert one.http("http://github.com") == "I am github.com, you are 192.168.0.2\n"
            assert len(one.http("http://google.com/bytes/1000000")) == 1_000_000
        # Each is reached in its own instance, and the site's own hosts still are by the device.
        servers = [one.serve_http() for one in (app1, app2)]
        for name, one in (("ni1", app1), ("ni2", app2)):
            said = w.command("exec", name, "--", "curl", "-sS", "-m", "5", "http://192.168.0.2").stdout
            assert said.startswith(f"I am {one.name}")
        assert w.lab.device.ping("192.168.0.1")
        assert w.lab.device.http("http://203.0.113.10") == "I am github.com, you are 192.168.0.2\n"
        for server in servers:
            server.stop()


def test_the_ports_subnet_and_the_other_port() -> None:
    """An instance in the subnet of another port reaches the world by its own, and the other port's site is not disturbed."""
    with World() as w:
        app1 = w.lab.app("app1")
        w.apply(
            device(port(0), port(1)),
            instance("ni1", "192.168.0", ports=["eth1"], dhcp={}),
            app("app1", "ni1"),
        )
        app1.dhcp("eth0")
        assert app1.http("http://github.com") == "I am github.com, you are 192.168.1.2\n"
        assert app1.ping("192.168.1.1")
        assert w.lab.device.ping("192.168.0.1")
