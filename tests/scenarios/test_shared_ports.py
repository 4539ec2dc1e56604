"""Ports that a switch shares with the device and its instances."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.scenarios.documents import Document, app, device, instance, port, switch
from tests.scenarios.lent import kill_now, links
from tests.scenarios.portmaps import port_map
from tests.scenarios.world import World

pytestmark = pytest.mark.root

WITHOUT = device(port(0))


@pytest.fixture
def w() -> Iterator[World]:
    with World(("eth0", "eth3")) as made:
        yield made


def shared() -> Document:
    return device(port(0, shared=True))


def test_device_local_instance_and_switch_at_one_port(w: World) -> None:
    """With bridge-nf-call-iptables on and off: all reach the site, and the application the device's own port map."""
    app6, app1 = w.lab.app("app6"), w.lab.app("app1")
    site = w.lab.gw
    w.apply(
        shared(),
        switch("ni6", "eth0"),
        app("app6", "ni6"),
        instance("ni1"),
        app("app1", "ni1", acl=[port_map(), {"id": 1}]),
    )
    w.leased("ni1", "app1")
    app6.run(["ip", "addr", "add", "192.168.0.77/24", "dev", "eth0"])
    app6.run(["ip", "link", "set", "eth0", "up"])
    app1.serve_http()
    for on in ("1", "0"):
        w.sh(f"for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo {on} > $f; done")
        app6.run(["ping", "-c", "1", "-W", "2", "192.168.0.1"])
        app6.run(["ping", "-c", "1", "-W", "2", "192.168.0.2"])
        site.run(["ping", "-c", "1", "-W", "2", "192.168.0.77"])
        w.lab.device.run(["ping", "-c", "1", "-W", "2", "192.168.0.1"])
        assert app1.http("http://github.com").strip() == "I am github.com, you are 192.168.0.2"
        for asker, who in ((app6, "192.168.0.77"), (site, "192.168.0.1")):
            assert asker.http("http://192.168.0.2:8080").strip() == f"I am app1, you are {who}"
        # A network that uses the addresses of our links, as those of RFC 3927 may be.
        app6.run(["ip", "addr", "replace", "169.254.100.9/16", "dev", "eth0"])
        site.run(["sh", "-c", "ip addr replace 169.254.100.8/16 dev eth0"])
        app6.run(["ping", "-c", "1", "-W", "2", "-I", "169.254.100.9", "169.254.100.8"])


def test_sharing_on_and_off_leaves_nothing_behind(w: World) -> None:
    """By configured addresses and by DHCP: on the bridge while shared, on the port otherwise, and nothing twice."""
    before = links(w)["eth0"]

    def addresses() -> dict[str, list[str]]:
        found = json.loads(w.sh("ip -j -4 addr show scope global"))
        return {each["ifname"]: [a["local"] for a in each["addr_info"]] for each in found}

    for _ in range(2):
        w.apply(shared())
        assert addresses() == {"br-eth0": ["192.168.0.2"]}
        assert links(w)["br-eth0"]["address"] == before["address"]
        assert w.sh("ip route show default").split()[4] == "br-eth0"
        w.apply(WITHOUT)
        assert addresses() == {"eth0": ["192.168.0.2"]}
        now = links(w)
        assert now.keys() == {"lo", "eth0", "eth3"}
        assert (now["eth0"].get("ifalias"), now["eth0"]["address"]) == (None, before["address"])
    w.apply(shared())
    w.crash()
    w.sh("ip link del br-eth0")
    w.restart()
    w.until(lambda: w.device().get("state") == "ready", "the device is ready")
    w.eventually(lambda: addresses() == {"br-eth0": ["192.168.0.2"]}, "the bridge is back")


def test_a_switch_that_comes_and_goes_does_not_disturb_the_device(w: World) -> None:
    """Not one ping of the device is lost while a switch shares its port and leaves it."""
    w.apply(shared())
    pings = w.lab.device.popen(["ping", "-i", "0.02", "-c", "150", "-q", "192.168.0.1"])
    w.apply(switch("ni6", "eth0"))
    w.put(remove=[switch("ni6", "eth0")])
    w.until(lambda: not w.instance("ni6"), "ni6 is gone")
    assert pings.wait() == 0
    assert " 0% packet loss" in pings.output
    assert "sw-eth0" not in links(w)


def test_sharing_killed_at_random_moments(w: World) -> None:
    """On, with a switch, off, whoever dies in between: the address is on one link, and at last nothing is left."""
    chance = random.Random(20)
    before = links(w)["eth0"]
    states: dict[str, Callable[[], object]] = {
        "eth0": lambda: w.put(WITHOUT, remove=[switch("ni6", "eth0")]),
        "br-eth0": lambda: w.put(shared(), remove=[switch("ni6", "eth0")]),
        "sw-eth0": lambda: w.put(shared(), switch("ni6", "eth0")),
    }

    def right(state: str) -> bool:
        found = json.loads(w.sh("ip -j -4 addr show scope global"))
        here = {each["ifname"]: [a["local"] for a in each["addr_info"]] for each in found}
        where = "eth0" if state == "eth0" else "br-eth0"
        return here == {where: ["192.168.0.2"]} and (state == "sw-eth0") == ("sw-eth0" in links(w))

    state = ""
    for step in range(15):
        state = chance.choice([each for each in states if each != state])
        states[state]()
        for _ in range(chance.randrange(1, 3)):
            time.sleep(chance.random() * 0.06)  # the moment is the test's
            kill_now(w, chance.choice(["uplink", "uplink", "ni6"]))
        if chance.random() < 0.15:
            w.crash()
            w.restart()
        w.eventually(lambda state=state: right(state), f"step {step}: {state}")  # type: ignore[misc]
    states["eth0"]()
    w.eventually(lambda: right("eth0") and links(w).keys() == {"lo", "eth0", "eth3"}, "all is as before")
    w.eventually(lambda: "ifalias" not in links(w)["eth0"], "the record is gone")
    assert links(w)["eth0"]["address"] == before["address"]


def test_an_unplugged_port_is_down_for_its_switch_too(w: World) -> None:
    """What the switch says of it is what the device says, and both see it come back."""
    w.apply(shared(), switch("ni6", "eth0"))

    def states() -> tuple[str, str]:
        of_device = next(each for each in w.device()["ports"] if each["name"] == "eth0")
        return of_device["state"], w.instance("ni6")["ports"][0]["state"]

    for direction in ("up", "down", "up"):
        w.lab.gw.run(["ip", "link", "set", "eth0", direction])
        w.until(lambda wanted=direction: states() == (wanted, wanted), f"the port is {direction}")  # type: ignore[misc]
    assert w.instance("ni6")["reasons"] == []
