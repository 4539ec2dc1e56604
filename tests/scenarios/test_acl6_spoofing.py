"""Whoever claims to be another by IPv6 is heard by nobody, in the whole instance, and honest neighbours notice nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from netnsmgr.core.agreed import METADATA6
from tests.kernel.frames6 import (
    ALL_NODES,
    HOP,
    ICMP6,
    OPTIONS,
    QUERY,
    SLLAO,
    TLLAO,
    UDP,
    advertise,
    ethernet,
    fragments,
    group_mac,
    icmp,
    option,
    packet,
    router,
    solicit,
    solicited,
    summed,
    udp,
)  # fmt: skip
from tests.lab import AppHost
from tests.scenarios.documents import device
from tests.scenarios.frames import link_local, mac, send
from tests.scenarios.ipv6 import GITHUB6, NET6, dual, port6, settled, told
from tests.scenarios.listed import EVERYTHING, listed
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root
NAMES = ("app1", "app2", "mallory")
GATEWAY = f"{NET6}::1"


@pytest.fixture(scope="module", params=["stateless", "stateful"])
def w(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(ipv6=True) as world:
        for name in NAMES:
            world.lab.app(name)
        lists = {"app1": EVERYTHING, "app2": None, "mallory": EVERYTHING}
        world.apply(device(port6()), dual(ipv6={"addressing": request.param}),
                    *(listed(name, lists[name]) for name in NAMES))  # fmt: skip
        for name in NAMES:
            world.leased("ni1", name)
            if request.param == "stateful":
                address = world.lab.apps[name].dhcp6().address
                assert address is not None
                told(world, "ni1", name, address)
            else:
                settled(world, "ni1", name)
        yield world


def own(host: AppHost) -> str:
    return host.addresses6("eth0")[0].partition("/")[0]


def local(host: AppHost) -> str:
    return str(IPv6Address(link_local(mac(host))))


def lies(w: World) -> list[bytes]:
    """What mallory says of others to app1 and to all."""
    app1, app2, mallory = (w.lab.apps[name] for name in NAMES)
    mine, bridge = mac(mallory), mac(w.lab.instance("ni1"), "bn0")
    mallory_own, told_own = option(TLLAO, mine), option(SLLAO, mine)
    gateway_link = str(IPv6Address(link_local(bridge)))
    found = []

    def add(body: bytes, source: str = mine) -> None:
        target = IPv6Address(body[24:40])
        found.append(ethernet(group_mac(str(target)) if target.is_multicast else mac(app1), source, body))

    for other in (own(app2), local(app2), GATEWAY, gateway_link, *METADATA6):
        for source in (own(mallory), local(mallory), other):
            for target in (ALL_NODES, own(app1), local(app1)):
                add(packet(source, target, ICMP6, advertise(other, mallory_own)))
                add(packet(source, target, ICMP6, advertise(other)))
        add(packet(other, own(app1), ICMP6, solicit(own(app1), told_own)))
        add(packet(other, solicited(own(app1)), ICMP6, solicit(own(app1), told_own)))
        add(packet(other, own(app1), UDP, udp(53, 5000, b"word-forged")))
        add(packet(other, own(app1), UDP, udp(53, 5000, b"word-forged")), mac(app2))
        add(packet(other, own(app1), ICMP6, icmp(128, b"word-forged")))
    for source in (local(mallory), gateway_link):
        for target in (ALL_NODES, local(app1)):
            src, dst = IPv6Address(source).packed, IPv6Address(target).packed
            for last, payload in (
                (ICMP6, router("fd66::")),
                (ICMP6, icmp(137, IPv6Address(GATEWAY).packed, IPv6Address(GITHUB6).packed)),
                (ICMP6, icmp(QUERY, bytes(20))),
                (UDP, udp(547, 546, b"\2\0\0\1word-forged")),
            ):
                add(packet(source, target, last, payload))
                add(packet(source, target, last, payload, (HOP,)))
                add(packet(source, target, last, payload, (OPTIONS, OPTIONS)))
                for piece in fragments(source, target, last, summed(src, dst, last, payload), 16):
                    add(piece)
    return found


def neighbours(host: AppHost) -> dict[str, str]:
    """Which MAC address a host takes whom for."""
    shown = host.run(["ip", "-6", "neigh", "show", "dev", "eth0"]).stdout
    return dict(re.findall(r"^(\S+) .*lladdr (\S+)", shown, re.MULTILINE))


def test_honest_neighbours_notice_nothing(w: World) -> None:
    """While it is forged as fast as it can be, flows lose nothing, and neighbours remain who they are."""
    app1, app2, mallory = (w.lab.apps[name] for name in NAMES)
    for address in (own(app2), GATEWAY):
        assert app1.ping(address)
    routes = app1.run(["ip", "-6", "route"]).stdout
    addresses = app1.addresses6("eth0", tentative=True)
    frames = lies(w)
    mine = mac(mallory)
    with (
        app1.capture("eth0", f"ip6 and ether src {mine}") as seen,
        Flow(app1, GITHUB6.replace("80", "81")) as outside,
        Flow(app1, own(app2)) as inside,
    ):
        for _ in range(3):
            send(mallory, *frames)
    assert [
        line for line in seen.stop() if "forged" in line or "router advert" in line or "redirect" in line
    ] == []
    assert (outside.lost, inside.lost) == (0, 0)
    known = neighbours(app1)
    assert known[own(app2)] == mac(app2)
    assert known[GATEWAY] == mac(w.lab.instance("ni1"), "bn0")
    assert mine not in {
        each for address, each in known.items() if address not in (own(mallory), local(mallory))
    }
    assert app1.addresses6("eth0", tentative=True) == addresses
    strip = re.compile(r" expires \d+sec")
    assert strip.sub("", app1.run(["ip", "-6", "route"]).stdout) == strip.sub("", routes)
    inside_known = w.sh("ip -6 neigh show dev bn0", "ni1")
    assert all(
        mac(app2) in line
        for line in inside_known.splitlines()
        if line.startswith(own(app2)) and "lladdr" in line
    )


def test_nobody_takes_another_s_address(w: World) -> None:
    """With the kernel's own means: detection finds that it is taken (but of one that its holder makes of its MAC address,
    for which others have nothing to ask); without detection no packet passes."""
    app1, app2, mallory = (w.lab.apps[name] for name in NAMES)
    theirs = own(app2)

    def found_out() -> bool:
        mallory.run(["ip", "address", "add", f"{theirs}/64", "dev", "eth0"])
        here = ["ip", "address", "show", "dev", "eth0", "to", theirs]
        assert mallory.eventually(
            lambda: "dadfailed" in mallory.run(here).stdout or "tentative" not in mallory.run(here).stdout
        )
        failed = "dadfailed" in mallory.run(here).stdout
        mallory.run(["ip", "address", "del", f"{theirs}/64", "dev", "eth0"])
        return failed

    # For some seconds after its own solicitation the holder hears of no other.
    assert "ff:fe" in theirs or mallory.eventually(found_out, timeout=10.0)
    mallory.run(["ip", "address", "add", f"{theirs}/64", "dev", "eth0", "nodad"])
    try:
        assert not mallory.ping(own(app1), interface=theirs, timeout=1)
        assert not mallory.ping(GITHUB6, interface=theirs, timeout=1)
        assert app1.ping(theirs)
        assert app2.ping(GITHUB6)
        w.eventually(lambda: neighbours(app1)[theirs] == mac(app2), "app2 remains who it is")
    finally:
        mallory.run(["ip", "address", "del", f"{theirs}/64", "dev", "eth0"])
    # Its own solicitation by the stolen address has to be given up first.
    assert mallory.eventually(lambda: mallory.ping(own(app1), timeout=1), timeout=10.0)


def test_who_takes_a_new_address(w: World) -> None:
    """Where applications make themselves addresses, a new one works from the first packet on; where they are given, none does."""
    given = w.instance("ni1") and "stateful" in w.command("get", "instance", "ni1", "-o", "yaml").stdout
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    new = f"{NET6}::abcd"
    app2.run(["ip", "address", "add", f"{new}/64", "dev", "eth0"])
    try:
        assert app2.eventually(lambda: f"{new}/64" in app2.addresses6("eth0"))
        assert app2.ping(own(app1), interface=new, timeout=1) == (not given)
        assert app1.ping(new, timeout=1) == (not given)
        assert app2.ping(GITHUB6, interface=new, timeout=1) == (not given)
        if not given:
            told(w, "ni1", "app2", IPv6Address(new))
            w.apply(listed("app1", [{"id": 1, "match": {"eidset": True}}]))
            assert app1.ping(new)
            w.apply(listed("app1", EVERYTHING))
    finally:
        app2.run(["ip", "address", "del", f"{new}/64", "dev", "eth0"])
