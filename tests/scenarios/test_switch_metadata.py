"""The metadata service of switches as applications meet it: with and without addresses, by both versions, in a VLAN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.documents import Document, app, bare, device, port, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root
PORTS = ("eth0", "eth1", "eth2", "eth3")
URL = "http://169.254.169.254"
HOSTNAME = f"{URL}/eve/v1/hostname"
USER_DATA = f"{URL}/user-data"


def told(name: str, user_data: str, **interface: Any) -> Document:
    document = app(name, "ni6", **interface)
    document["spec"]["metadata"] = {"userData": user_data}
    return document


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """app1 is guarded, app2 is not, app3 is a virtual machine."""
    with World(PORTS, dhcp_ports=("eth3",), ipv6=True) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.lab.tap_app("app3")
        apps = [told("app1", "one"), told("app2", "two", antiSpoofing=False)]
        made.apply(device(port(), bare("eth3")), switch("ni6", "eth3"), *apps)
        made.apply(app("app3", "ni6", attach={"tap": True}))
        for name in ("app1", "app2"):
            made.lab.apps[name].dhcp("eth0")
        yield made


def test_each_is_told_its_own(w: World) -> None:
    """Also one that may send for others, and a virtual machine."""
    assert w.lab.apps["app1"].http(USER_DATA) == "one"
    assert w.lab.apps["app2"].http(USER_DATA) == "two"
    row = w.interface("ni6", "app3")
    app3 = w.lab.tap_app("app3")
    app3.plug("ni6", row["vif"], mac=row["mac"])
    app3.dhcp("eth0")
    assert app3.http(HOSTNAME) == "app3\n"


def test_who_takes_another_s_address_is_told_his_own(w: World) -> None:
    """Even who may: what an address says counts for nothing."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    taken = str(app1.leases["eth0"].address)
    app2.run(["ip", "address", "flush", "dev", "eth0"])
    app2.run(["ip", "address", "add", taken, "dev", "eth0"])
    app2.run(["ip", "route", "add", "169.254.169.254", "dev", "eth0"])
    for _ in range(3):
        assert app2.http(USER_DATA) == "two"
        assert app1.http(USER_DATA) == "one"
    app2.dhcp("eth0")


def test_by_ipv6(w: World) -> None:
    """By way of the site's router, and at the address on the link, of which no neighbour hears."""
    app1, segment = w.lab.apps["app1"], w.lab.segment("eth3")
    segment.advertise()
    app1.slaac("eth0", prefix="2001:db8:3::/64")
    with segment.capture("tcp port 80 or host fe80::a9fe:a9fe or host ff02::1:fffe:a9fe") as wire:
        assert app1.http("http://[fd00:ec2::254]/user-data") == "one"
        assert app1.http("http://[fe80::a9fe:a9fe%25eth0]/user-data") == "one"
    assert wire.stop() == []


def test_a_change_is_told_by_the_same_process(w: World) -> None:
    """And other applications are not disturbed."""
    app1 = w.lab.apps["app1"]
    before = w.pids(r"netnsmgr\.services\.metadata /run/netnsmgr/instances/ni6/")
    w.apply(told("app1", "another"))
    w.eventually(lambda: app1.http(USER_DATA) == "another", "the new user data")
    assert w.lab.apps["app2"].http(USER_DATA) == "two"
    assert w.pids(r"netnsmgr\.services\.metadata /run/netnsmgr/instances/ni6/")[:1] == before[:1]


def test_before_anything_passes(w: World) -> None:
    """While the spanning tree still listens, an application with nothing but a link-local address is answered."""
    app4 = w.lab.app("app4")
    w.apply(
        device(port(), bare("eth1"), bare("eth2"), bare("eth3")),
        switch("ni7", "eth1", "eth2", stp={"forwardDelay": 30}),
        app("app4", "ni7"),
    )
    app4.wait_link("eth0")
    app4.run(["ip", "address", "add", "169.254.7.7/16", "dev", "eth0"])
    app4.run(["ip", "link", "set", "eth0", "up"])
    app4.wait_link("eth0", up=True)
    assert "listening" in w.sh("bridge -d link show dev app4.eth0", "ni7")
    assert app4.http(HOSTNAME) == "app4\n"
    w.command("delete", "app", "app4")
    w.command("delete", "ni", "ni7")


def test_without_applications_there_is_nothing_of_it(w: World) -> None:
    w.apply(switch("ni8"))
    w.ready("ni8")
    assert "metadata" not in w.sh("ip link; nft list tables", "ni8")
    assert w.pids(r"netnsmgr\.services\.metadata /run/netnsmgr/instances/ni8/") == []
    w.command("delete", "ni", "ni8")


@pytest.mark.fullkernel
def test_in_a_vlan() -> None:
    """An application in an access VLAN has no tag to send, and is answered; one of the trunk asks without."""
    with World(("eth0", "eth1")) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        spec = {"vlans": {"eth1": {"trunk": [100]}}}
        apps = (app("app1", "ni6", vlan={"access": 100}), app("app2", "ni6"))
        made.apply(device(port(), bare("eth1")), switch("ni6", "eth1", **spec), *apps)
        with made.lab.segment("eth1").capture() as wire:
            for n, name in enumerate(("app1", "app2")):
                host = made.lab.apps[name]
                host.run(["ip", "address", "add", f"169.254.7.{7 + n}/16", "dev", "eth0"])
                host.run(["ip", "link", "set", "eth0", "up"])
                host.wait_link("eth0", up=True)
                assert host.http(HOSTNAME) == f"{name}\n"
        assert [line for line in wire.stop() if "169.254.169.254" in line] == []
