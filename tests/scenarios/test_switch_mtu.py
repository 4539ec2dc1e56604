"""The MTU of a port is what is written for it, also in a switch; it goes back as it came."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root


def test_a_written_mtu() -> None:
    """A moved port has it, the switch and its applications follow, and the port comes back with the one it had."""
    with World(("eth0", "eth3")) as w:
        other = w.lab.app("app1")
        w.apply(device(port(0), bare("eth3", mtu=9000)), switch("sw1", "eth3"), app("app1", "sw1"))
        inside = w.command("exec", "sw1", "--", "ip", "-o", "link", "show", "eth3").stdout
        assert "mtu 9000" in inside
        assert w.instance("sw1")["mtu"] == 9000
        assert "mtu 9000" in other.run(["ip", "-o", "link", "show", "eth0"]).stdout
        w.apply(device(port(0), bare("eth3", mtu=1400)))
        w.until(lambda: w.instance("sw1")["mtu"] == 1400, "the switch has the smaller MTU of its port")
        w.apply(device(port(0), bare("eth3")))
        w.command("delete", "app", "app1")
        w.command("delete", "ni", "sw1")
        assert "mtu 1500" in w.lab.device.run(["ip", "-o", "link", "show", "eth3"]).stdout
