"""What a switch is on the wire, and what is told of its ports."""

from __future__ import annotations

import time
from typing import Any

from tests.lab.segment import frames_of, senders
from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.world import World

PORTS = ("eth0", "eth1", "eth2", "eth3")
SILENCE = 11.0
"""Seconds in which a link that comes up has asked for routers (RFC 4861: three times in 12 s, the first at once), reported
its groups (RFC 3376, RFC 3810: within 10 s, RFC 2236: twice), and looked for its own address twice."""


def rows(world: World, name: str = "ni6") -> dict[str, Any]:
    return {row["name"]: row for row in world.instance(name).get("ports", ())}


class TestSilence:
    def test_no_frame_of_its_own(self) -> None:
        """A switch, its port and its links send nothing: neither when they come up, nor later."""
        with World(PORTS) as w:
            segment = w.lab.segment("eth3")
            with segment.capture() as capture:
                w.lab.app("app6")
                w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6"))
                time.sleep(SILENCE)  # what must not come sends no event
            strangers = senders(frames_of(capture.file)) - {segment.mac}
            assert not strangers, strangers


class TestPorts:
    def test_states(self) -> None:
        """A port is up, down without its cable, missing when it has gone, and back by itself."""
        with World(PORTS, dhcp_ports=("eth3",)) as w:
            segment = w.lab.segment("eth3")
            w.lab.app("app6")
            w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6"))
            w.until(lambda: rows(w)["eth3"]["state"] == "up", "eth3 is up")
            assert rows(w)["eth3"] == {
                "name": "eth3",
                "interface": "eth3",
                "mode": "moved",
                "state": "up",
                "stp": "off",
                "vlan": "",
                "mtu": 1500,
                "reasons": [],
            }
            segment.pull()
            w.until(lambda: rows(w)["eth3"]["state"] == "down", "eth3 is down")
            assert "no cable" in rows(w)["eth3"]["reasons"][0]
            segment.plug()
            w.until(lambda: rows(w)["eth3"]["state"] == "up", "eth3 is up again")
            w.lab.gw.run(["ip", "link", "del", "eth3"])
            w.until(lambda: rows(w)["eth3"]["state"] == "missing", "eth3 is missing")
            w.until(lambda: "pending: port eth3" in w.instance("ni6")["reasons"], "ni6 is pending")


class TestMtu:
    def test_that_of_the_smallest_port(self) -> None:
        """A switch has the MTU of its ports as they are found; jumbo frames pass from the site to an application."""
        with World(PORTS) as w:
            segment, app6 = w.lab.segment("eth3"), w.lab.app("app6")
            for host in (w.lab.gw, w.lab.device):
                host.run(["ip", "link", "set", "eth3", "mtu", "9000"])
            w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6"))
            assert w.instance("ni6")["mtu"] == 9000
            link = app6.wait_link("eth0")
            assert link["mtu"] == 9000
            app6.run(["ip", "link", "set", "eth0", "up"])
            app6.run(["ip", "address", "add", "192.168.3.9/24", "dev", "eth0"])
            big = ["ping", "-c1", "-W5", "-M", "do", "-s", "8972", str(segment.gateway)]
            assert app6.run(big, check=False).returncode == 0

    def test_larger_than_a_port(self) -> None:
        """An MTU that a port does not carry is said in words, and what fits goes on."""
        with World(PORTS) as w:
            segment, app6 = w.lab.segment("eth3"), w.lab.app("app6")
            w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3", mtu=4000), app("app6", "ni6"))
            assert app6.wait_link("eth0")["mtu"] == 4000
            said = "packets of more than 1500 bytes do not pass: the instance's MTU is 4000, larger than the port's"
            w.until(lambda: any(said in each for each in w.instance("ni6")["reasons"]), "it is said")
            assert w.instance("ni6")["state"] == "ready"
            app6.run(["ip", "link", "set", "eth0", "up"])
            app6.run(["ip", "address", "add", "192.168.3.9/24", "dev", "eth0"])
            assert app6.ping(str(segment.gateway), timeout=5)


class TestVirtualMachine:
    def test_on_a_switch(self) -> None:
        """A virtual machine's TAP joins the switch as an application's link does, and survives its end."""
        with World(PORTS) as w:
            guest, segment = w.lab.tap_app("guest"), w.lab.segment("eth3")
            machine = app("guest", "ni6", attach={"tap": True})
            w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), machine)
            mac = w.interface("ni6", "guest")["mac"]
            for _ in range(2):
                guest.plug("ni6", "guest.eth0", mac=mac)
                guest.run(["ip", "address", "replace", "192.168.3.9/24", "dev", "eth0"])
                w.eventually(lambda: guest.ping(str(segment.gateway)), "the guest reaches the site")
                guest.unplug()
