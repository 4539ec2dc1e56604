"""A switch without ports: a segment of its applications and of nobody else, with one of them as its DHCP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import NoLease
from tests.lab.segment import frames_of, send, senders
from tests.scenarios.documents import app, device, switch
from tests.scenarios.frames import BROADCAST, ethernet, mac
from tests.scenarios.world import World

pytestmark = pytest.mark.root
SERVER = (
    "dnsmasq --conf-file=/dev/null --no-hosts --no-resolv --port=0 --no-daemon --user=root --interface=eth0 --bind-interfaces "
    "--no-ping --dhcp-leasefile=/run/lab/app1.leases --dhcp-range=10.7.0.50,10.7.0.60,1h --dhcp-option=3 --pid-file="
)


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """app1 may be a server for the others."""
    with World() as made:
        for name in ("app1", "app2", "app3"):
            made.lab.app(name)
        apps = [app("app1", "ni7", antiSpoofing=False), app("app2", "ni7"), app("app3", "ni7")]
        made.apply(device(), switch("ni7"), *apps)
        made.ready("ni7")
        app1 = made.lab.apps["app1"]
        app1.run(["ip", "-batch", "-"], text="address add 10.7.0.1/24 dev eth0\nlink set eth0 up\n")
        app1.wait_link("eth0", up=True)
        app1.popen(SERVER.split(), log="app1-dhcp")
        for name in ("app2", "app3"):
            made.lab.apps[name].dhcp("eth0")
        yield made


def test_the_applications_talk(w: World) -> None:
    """They have the addresses that app1 gave them, which the device knows."""
    app2, app3 = w.lab.apps["app2"], w.lab.apps["app3"]
    addresses = {name: str(w.lab.apps[name].leases["eth0"].address.ip) for name in ("app2", "app3")}
    assert all(address.startswith("10.7.0.") for address in addresses.values())
    app3.serve_http(name="app3")
    assert app2.http(f"http://{addresses['app3']}/") == f"I am app3, you are {addresses['app2']}\n"
    for name, address in addresses.items():
        w.until(
            lambda name=name, address=address: address in str(w.interface("ni7", name)["addresses"]),  # type: ignore[misc]
            f"{address} of {name}",
        )


def test_each_is_told_its_own(w: World) -> None:
    """The metadata service needs no port, and no router: these applications have no way out."""
    for name in ("app2", "app3"):
        host = w.lab.apps[name]
        host.run(["ip", "route", "replace", "169.254.169.254", "dev", "eth0"])
        assert host.http("http://169.254.169.254/eve/v1/hostname") == f"{name}\n"


def test_who_is_no_server_is_none(w: World) -> None:
    """The answers of a second server, app3, which is what it says, reach nobody."""
    app1, app2, app3 = (w.lab.apps[name] for name in ("app1", "app2", "app3"))
    app1.run(["ip", "link", "set", "eth0", "down"])
    try:
        app3.popen([*SERVER.replace("app1", "app3").split(), "--dhcp-option=6,10.7.0.99"], log="app3-dhcp")
        app3.eventually(lambda: "DHCP, IP range" in w.lab.path("/run/lab/log/app3-dhcp").read_text())
        with pytest.raises(NoLease):
            app2.dhcp("eth0", timeout=2)
    finally:
        app1.run(["ip", "link", "set", "eth0", "up"])
        app1.run(["ip", "address", "replace", "10.7.0.1/24", "dev", "eth0"])


def test_nothing_else_hears_them(w: World) -> None:
    """No port of the device, and nothing that the namespace says is heard by them."""
    app2, app3 = w.lab.apps["app2"], w.lab.apps["app3"]
    word = b"nobody else hears this word"
    frame = ethernet(BROADCAST, mac(app2), 0x88B5, word)
    wires = [w.lab.gw.capture(port) for port in ("eth0", "eth1")]
    with app3.capture("eth0") as inside, w.lab.device.capture("any") as root:
        send(app2, frame)
        assert app3.eventually(lambda: word in inside.file.read_bytes())
    for capture in (root, *wires):
        capture.stop()
        assert word not in capture.file.read_bytes()
    # The bridge asks applications, one by one, whether they still have their addresses.
    known = {mac(w.lab.apps[name]) for name in ("app1", "app2", "app3")} | {mac(w.lab.instance("ni7"), "bn0")}
    assert senders(frames_of(inside.file)) <= known
    links = {line.split("@")[0].split()[0] for line in w.sh("ip -br link", "ni7").splitlines()}
    assert links == {"lo", "bn0", "app1.eth0", "app2.eth0", "app3.eth0", "metadata", "to-metadata"}
