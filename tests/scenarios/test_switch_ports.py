"""Ports of switches: moved, given back as they were found, and none is ever lost, whatever ends in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netnsmgr.items.port_record import RECORD
from tests.lab.process import CommandFailed
from tests.scenarios.documents import bare, device, port, switch
from tests.scenarios.lent import kill_now, links
from tests.scenarios.world import World

pytestmark = pytest.mark.root

FOUND = "ip link set eth3 mtu 1400; ip link set eth3 address 02:00:00:00:03:01; ip link set eth3 alias 'uplink of \"B\"'"
BOTH = device(port(0), bare("eth3"))
WITHOUT = device(port(0))
SWITCHES = {name: switch(name, "eth3") for name in ("ni6", "ni7")}


@pytest.fixture
def w() -> Iterator[World]:
    with World(("eth0", "eth3")) as made:
        made.sh(FOUND)
        yield made


def as_found(w: World) -> tuple[Any, ...]:
    """What is to be as it was, of eth3."""
    found = links(w)["eth3"]
    return found["address"], found["mtu"], "UP" in found["flags"], found.get("ifalias"), found.get("master")


def wants(w: World, *names: str) -> None:
    """Say at once which switch shall have eth3; without any, nobody knows the port."""
    gone = [each for name, each in SWITCHES.items() if name not in names]
    kept = [SWITCHES[name] for name in names]
    w.put(BOTH if names else WITHOUT, *kept, remove=gone)


def here(w: World, *networks: str) -> list[str]:
    """The namespaces in which a link with the MAC or the record of eth3 is; "" is the root one."""
    found = []
    for network in ("", *networks):
        try:
            there = links(w, network or None).values()
        except CommandFailed:
            continue  # there is no such namespace
        found += [
            network
            for each in there
            if each["address"] == "02:00:00:00:03:01" or each.get("ifalias", "").startswith(RECORD)
        ]
    return found


def back(w: World, before: tuple[Any, ...]) -> None:
    w.eventually(lambda: "eth3" in links(w) and as_found(w) == before, f"eth3 is as found: {before}")


@pytest.mark.parametrize("state", ["up", "down"])
def test_a_port_moves_and_comes_back_as_found(w: World, state: str) -> None:
    """It is in the switch's namespace under its name, told as such, and with the switch's end it is what it was."""
    w.sh(f"ip link set eth3 {state}")
    before = as_found(w)
    w.apply(BOTH, switch("ni6", "eth3"))
    there = links(w, "ni6")["eth3"]
    assert (there["address"], there["mtu"], there["master"]) == ("02:00:00:00:03:01", 1400, "bn0")
    row = next(each for each in w.device()["ports"] if each["name"] == "eth3")
    assert (row["state"], row["instance"], row["mtu"]) == ("moved", "ni6", 1400)
    assert w.instance("ni6")["mtu"] == 1400
    w.sh("ip link set eth3 mtu 1300", "ni6")
    wants(w)
    w.until(lambda: not w.instance("ni6"), "ni6 is gone")
    back(w, before)


def test_a_port_goes_from_one_switch_to_another(w: World) -> None:
    """Given to another switch it moves there; the record is of what was found first."""
    before = as_found(w)
    wants(w, "ni6")
    w.ready("ni6")
    w.put(SWITCHES["ni7"], switch("ni6"))
    w.ready("ni7")
    w.eventually(lambda: here(w, "ni6", "ni7") == ["ni7"], "eth3 is in ni7")
    wants(w)
    back(w, before)


def test_the_agents_in_the_way(w: World) -> None:
    """A switch that is deleted while the uplink agent cannot answer waits for it: the port is not put there once more."""
    before = as_found(w)
    wants(w, "ni6")
    w.ready("ni6")
    uplink = w.agent("uplink")["pid"]
    w.lab.device.run(["kill", "-STOP", str(uplink)])
    wants(w)
    w.eventually(lambda: here(w, "ni6") == [""], "eth3 is back, and its namespace still there")
    w.eventually(lambda: w.instance("ni6").get("state") == "deleting", "ni6 is being deleted")
    links(w, "ni6")
    w.lab.device.run(["kill", "-CONT", str(uplink)])
    w.until(lambda: not w.instance("ni6"), "ni6 is gone")
    back(w, before)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(w: World, seed: int) -> None:
    """Whoever dies, whenever: the port is in exactly one namespace, and in the end as it was found."""
    chance = random.Random(seed)
    w.sh(f"ip link set eth3 {chance.choice(('up', 'down'))}")
    before = as_found(w)

    def crash() -> None:
        w.crash()
        w.restart()

    victims: list[Callable[[], object]] = [
        lambda: kill_now(w, "ni6"),
        lambda: kill_now(w, "ni7"),
        lambda: kill_now(w, "uplink"),
        lambda: None,
    ]
    wanted: tuple[str, ...] = ()
    for step in range(25):
        wanted = chance.choice([each for each in ((), ("ni6",), ("ni7",)) if each != wanted])
        wants(w, *wanted)
        for _ in range(chance.randrange(1, 4)):
            time.sleep(chance.random() * 0.06)  # the moment is the test's
            chance.choice(victims)()
        if chance.random() < 0.15:
            crash()
        place = [*wanted] or [""]
        w.eventually(
            lambda place=place: here(w, "ni6", "ni7") == place,  # type: ignore[misc]
            f"step {step} of seed {seed}: eth3 in {place}",
        )
    wants(w)
    back(w, before)


def test_the_name_is_taken_meanwhile(w: World) -> None:
    """A link of the port's name at home: the port is back under another, says so, and has its name when that is free."""
    before = as_found(w)
    wants(w, "ni6")
    w.ready("ni6")
    w.sh("ip link add eth3 type bridge")
    wants(w)
    w.until(
        lambda: any("port eth3 has come back as dev" in each for each in w.device()["reasons"]), "it is told"
    )
    w.sh("ip link del eth3")
    back(w, before)


def test_the_namespace_dies(w: World) -> None:
    """What the kernel does with a physical port whose namespace ends, done by hand: it comes home with its record."""
    before = as_found(w)
    wants(w, "ni6")
    w.ready("ni6")
    w.crash()
    w.sh("ip link set eth3 down; ip link set eth3 name dev5; ip link set dev5 netns 1", "ni6")
    w.sh("ip netns del ni6; rm -rf /run/netnsmgr/instances")
    w.restart()
    w.eventually(lambda: here(w, "ni6") == ["ni6"], "eth3 is in ni6 again")
    w.crash()
    w.sh("ip link set eth3 down; ip link set eth3 name dev5; ip link set dev5 netns 1", "ni6")
    w.restart()
    wants(w)
    back(w, before)


def test_the_run_directory_is_lost(w: World) -> None:
    """The port in it says whose the namespace is: the next agent goes on with it, and gives the port back in the end."""
    before = as_found(w)
    wants(w, "ni6")
    w.ready("ni6")
    w.crash()
    w.sh("rm -rf /run/netnsmgr/instances")
    w.restart()
    w.eventually(lambda: here(w, "ni6") == ["ni6"], "eth3 is in ni6 again")
    wants(w)
    w.until(lambda: not w.instance("ni6"), "ni6 is gone")
    back(w, before)


def test_a_port_vanishes_while_it_is_lent_and_returns(w: World) -> None:
    """Pulled out and plugged in again: the switch waits for it, and has it again."""
    wants(w, "ni6")
    w.ready("ni6")
    w.sh("ip link del eth3", "ni6")
    w.until(lambda: "pending: port eth3" in w.instance("ni6").get("reasons", ()), "the port is missed")
    w.sh("ip link add eth3 type veth peer name eth3.far")
    w.ready("ni6")
    assert "eth3" in links(w, "ni6")


REFUSED: dict[str, tuple[str, str]] = {
    "used": (
        "ip addr add 10.1.1.1/24 dev eth3",
        "has the address 10.1.1.1/24 of somebody else: remove it, or write shared",
    ),
    "in a bridge": (
        "ip link add br0 type bridge; ip link set eth3 master br0",
        "belongs to br0: take it out of that",
    ),
    "no Ethernet": ("ip link del eth3; ip tuntap add eth3 mode tun", "is not Ethernet: no switch can use it"),
    "a bridge": ("ip link del eth3; ip link add eth3 type bridge", "is a bridge, which cannot be a switch's"),
    "an alias too long": (f"ip link set eth3 alias {'x' * 200}", "has an alias of 200 bytes"),
    "under another": ("ip link add v0 link eth3 type macvlan", "carries v0, which would be lost with it"),
    "missing": ("ip link del eth3", ""),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_port_that_cannot_be_moved(w: World, why: str) -> None:
    """The switch waits and says why; the port is as it was."""
    made, reason = REFUSED[why]
    w.sh(made)
    wants(w, "ni6")
    full = f"pending: port eth3 {reason}".rstrip()
    w.until(lambda: any(each.startswith(full) for each in w.instance("ni6").get("reasons", ())), full)
    assert w.instance("ni6")["state"] != "ready"
    assert "eth3" not in links(w, "ni6")
