"""The scenario's rows 19 to 21, 24 and 25: a switch among instances whose networks collide."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.lab import HttpFailed
from tests.scenarios.documents import app, bare, device, instance, port, switch
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root
PORTS = ("eth0", "eth1", "eth2", "eth3")
ALL = [{"id": 1, "match": {"ip": "0.0.0.0/0"}}]
EIDSET = {"id": 1, "match": {"eidset": True, "protocol": "tcp", "fport": 80}}
MAP = {"id": 2, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}}
LIMITED = [
    {"id": 1, "match": {"ip": "192.168.0.0/16"}, "action": {"limit": {"rate": "5/second", "burst": 15}}}
]
DEVICE = device(port(0), port(1), port(2), bare("eth3"))
NI1 = instance("ni1")
NI2 = instance("ni2", "192.168.1")
NI3 = instance("ni3", ports=["eth1"])
NI6 = switch("ni6", "eth3")
APPS = (
    app("app1", "ni1", acl=ALL),
    app("app2", "ni2", acl=[EIDSET, MAP]),
    app("app3", "ni3", acl=ALL),
    app("app6", "ni6", acl=LIMITED),
)


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(PORTS, dhcp_ports=("eth3",)) as world:
        for name in ("app1", "app2", "app3", "app6"):
            world.lab.app(name)
        world.apply(DEVICE, NI1, NI2, NI3, NI6, *APPS)
        world.ready("ni1", "ni2", "ni3", "ni6")
        world.leased("ni1", "app1")
        world.leased("ni2", "app2")
        world.leased("ni3", "app3")
        world.lab.app("app6").dhcp("eth0")
        world.lab.apps["app2"].serve_http(name="app2")
        yield world


def refilled() -> None:
    """The bucket of packets fills again: nothing but time tells."""
    time.sleep(3.2)


def test_the_site_s_address_is_learned(w: World) -> None:
    """Row 19: app6 has an address of gw's, and the device says so, and how it knows."""
    lease = w.lab.apps["app6"].leases["eth0"]
    assert re.fullmatch(r"192\.168\.3\.(5\d|[6-9]\d|1[0-4]\d|150)/24", str(lease.address))
    assert lease.server == "192.168.3.1"
    address = str(lease.address.ip)
    w.until(lambda: address in str(w.interface("ni6", "app6").get("addresses")), f"{address} of app6")
    assert "dhcp" in str(w.interface("ni6", "app6")["addresses"])
    assert address in w.command("describe", "app", "app6").stdout


def test_the_hairpin_outside_is_answered_and_held_back(w: World) -> None:
    """Row 20: by eth3, the site and eth0 to app2, at 5 packets a second after the first 15."""
    app6 = w.lab.apps["app6"]
    refilled()
    assert "I am app2" in app6.http("http://192.168.0.2:8080/")
    gateway = ["ping", "-n", "-q", "-i", "0.01", "-c", "200", "-W", "1", "192.168.3.1"]
    refilled()
    begin = time.monotonic()
    said = app6.run(gateway, check=False).stdout
    took = time.monotonic() - begin
    found = re.search(r"(\d+) received", said)
    assert found, said
    # The limit counts both ways, or one: each answered ping is one packet or two.
    assert 5 <= int(found[1]) <= 15 + 5 * took + 1, said


def test_the_metadata_service(w: World) -> None:
    """It is the network's that is asked through, without a rule for it in the list, and not a packet of it is outside."""
    app6 = w.lab.apps["app6"]
    with w.lab.segment("eth3").capture("host 169.254.169.254") as wire:
        found = json.loads(app6.http("http://169.254.169.254/eve/v1/network.json"))
        app6.run(["ip", "route", "add", "169.254.169.254", "dev", "eth0"])
        assert app6.http("http://169.254.169.254/eve/v1/hostname") == "app6\n"
    address = app6.leases["eth0"].address.ip
    assert (found["hostname"], found["device-name"]) == ("app6", "edge")
    assert found["caller-ip"].startswith(f"{address}:")
    assert found["external-ipv4"] == str(address)
    assert wire.stop() == []


def test_nothing_outside_of_the_prefix(w: World) -> None:
    """Row 21: what the list does not name is no way."""
    app6 = w.lab.apps["app6"]
    refilled()
    with pytest.raises(HttpFailed) as failed:
        app6.http("http://203.0.113.10/", timeout=2.0)
    assert failed.value.code in {7, 28}
    assert not app6.ping("203.0.113.10")


def test_the_neighbour_of_row_13(w: World) -> None:
    """app3, behind eth1, comes to app2 by the site, whose answers to app6 and to app3 are for the same port map."""
    assert "I am app2" in w.lab.apps["app3"].http("http://192.168.0.2:8080/")


def test_nobody_hears_another(w: World) -> None:
    """Row 24: what the applications say is heard by their own instances alone, and what app6 says on eth3 alone."""
    apps = w.lab.apps
    refilled()
    words = {name: f"spoken-by-{name}-".encode() for name in ("app1", "app3", "app6")}
    places = {name: w.lab.instance(name).capture("any") for name in ("ni1", "ni2", "ni3", "ni6")}
    wires = {name: w.lab.gw.capture(name) for name in ("eth0", "eth1", "eth3")}
    for name, word in words.items():
        pattern = (word * 2)[:16].hex()
        apps[name].run(["ping", "-c2", "-i0.2", "-W1", "-p", pattern, "-s100", "192.168.3.1"], check=False)
    heard = {}
    for place, capture in (places | wires).items():
        capture.stop()
        data = capture.file.read_bytes()
        heard[place] = {name for name, word in words.items() if (word * 2)[:16] in data}
    assert heard == {
        "ni1": {"app1"}, "ni2": set(), "ni3": {"app3"}, "ni6": {"app6"},
        "eth0": {"app1"}, "eth1": {"app3"}, "eth3": {"app6"},
    }  # fmt: skip


def test_deleting_one_leaves_the_others_alone(w: World) -> None:
    """Row 25: a switch that goes disturbs no local instance, and none of them the switch."""
    app1, app6 = w.lab.apps["app1"], w.lab.apps["app6"]
    w.apply(app("app6", "ni6"))
    w.attached("ni6", "app6")
    with Flow(app1, seconds=3.0) as local, Flow(app6, seconds=3.0) as bridged:
        w.command("delete", "app", "app3")
        w.command("delete", "ni", "ni3")
    assert (local.lost, local.downloaded) == (0, "1000000 bytes")
    assert (bridged.lost, bridged.downloaded) == (0, "1000000 bytes")
    with Flow(app1, seconds=3.0) as local:
        w.command("delete", "app", "app6")
        w.command("delete", "ni", "ni6")
        w.eventually(lambda: w.lab.device.link("eth3"), "eth3 is back")
    assert (local.lost, local.downloaded) == (0, "1000000 bytes")
    w.apply(NI6, app("app6", "ni6"))
    w.attached("ni6", "app6")
    app6.dhcp("eth0")
    with Flow(app6, seconds=3.0) as bridged:
        w.command("delete", "app", "app1")
        w.command("delete", "ni", "ni1")
    assert (bridged.lost, bridged.downloaded) == (0, "1000000 bytes")
