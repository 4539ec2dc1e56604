"""Switches beside everything else with the same addresses: nobody is taken for another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.segment import send
from tests.scenarios.documents import app, bare, device, instance, port, switch
from tests.scenarios.frames import BROADCAST, ethernet
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root
PORTS = ("eth0", "eth1", "eth2", "eth3")
SAME = "192.168.3.77"
MAC = "02:16:3e:00:00:77"
HOSTNAME = "http://169.254.169.254/eve/v1/hostname"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """app1 in a local instance, app6 on a switch with a port, app7 on one without: each with the same addresses.

    The local instance has the subnet of the switch's port.
    """
    with World(PORTS, dhcp_ports=("eth3",)) as made:
        for name in ("app1", "app6", "app7", "app8"):
            made.lab.app(name)
        made.apply(
            device(port(0), bare("eth3")),
            instance("ni1", "192.168.3"),
            switch("ni6", "eth3"),
            switch("ni7"),
            *(
                app(name, network, mac=MAC)
                for name, network in (("app1", "ni1"), ("app6", "ni6"), ("app7", "ni7"))
            ),
            app("app8", "ni7"),
        )
        for name in ("app1", "app6"):
            lease = made.lab.apps[name].dhcp("eth0", request=SAME)
            assert str(lease.address.ip) == SAME
        for name, address in (("app7", SAME), ("app8", "192.168.3.78")):
            host = made.lab.apps[name]
            host.run(["ip", "-batch", "-"], text=f"address add {address}/24 dev eth0\nlink set eth0 up\n")
            host.wait_link("eth0", up=True)
            host.run(["ip", "route", "add", "169.254.169.254", "dev", "eth0"])
        for host in made.lab.apps.values():
            host.serve_http()
        yield made


def test_each_reaches_its_own(w: World) -> None:
    """The same address is another host in each network, and the gateway's another router."""
    apps = w.lab.apps
    assert apps["app6"].http(w.lab.segment("eth3").serve_http()) == f"I am gw, you are {SAME}\n"
    assert apps["app6"].http("http://github.com/") == f"I am github.com, you are {SAME}\n"
    assert apps["app1"].http("http://github.com/") == "I am github.com, you are 192.168.0.2\n"
    assert apps["app8"].http(f"http://{SAME}/") == "I am app7, you are 192.168.3.78\n"
    assert w.lab.gw.http(f"http://{SAME}/") == "I am app6, you are 192.168.3.1\n"
    assert w.lab.device.http(f"http://{SAME}/", interface="nm-ni1").startswith("I am app1, ")


def test_each_is_told_its_own(w: World) -> None:
    for name, host in w.lab.apps.items():
        assert host.http(HOSTNAME) == f"{name}\n"


def test_the_device_knows_each_in_its_network(w: World) -> None:
    for network, name in (("ni1", "app1"), ("ni6", "app6"), ("ni7", "app7")):
        w.until(
            lambda network=network, name=name: SAME in str(w.interface(network, name)["addresses"]),  # type: ignore[misc]
            f"{SAME} of {name}",
        )


def test_no_frame_goes_astray(w: World) -> None:
    """What one of them says to all is heard in its own network, and on its own port alone."""
    apps, gw = w.lab.apps, w.lab.gw
    captures = {name: host.capture("eth0") for name, host in apps.items()}
    captures |= {port: gw.capture(port) for port in ("eth0", "eth3")}
    words = {name: f"said to all by {name}".encode() for name in ("app1", "app6", "app7")}
    for name, word in words.items():
        send(apps[name], ethernet(BROADCAST, MAC, 0x88B5, word))
    for capture in captures.values():
        capture.stop()
    heard = {
        place: {name for name, word in words.items() if word in capture.file.read_bytes()}
        for place, capture in captures.items()
    }
    assert heard == {
        "app1": {"app1"}, "app6": {"app6"}, "app7": {"app7"}, "app8": {"app7"}, "eth0": set(), "eth3": {"app6"},
    }  # fmt: skip


def test_one_goes_and_the_others_stay(w: World) -> None:
    """A switch without ports comes and goes beside a transfer on one with a port."""
    with Flow(w.lab.apps["app6"], seconds=2.0) as flow:
        w.command("delete", "app", "app7")
        w.command("delete", "app", "app8")
        w.command("delete", "ni", "ni7")
        w.apply(switch("ni7"), app("app8", "ni7"))
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
