"""Who claims to be another is not heard, and whoever is honest is heard from the first packet on."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import pytest

from tests.scenarios import frames
from tests.scenarios.documents import instance
from tests.scenarios.frames import (
    ALL_NODES,
    BROADCAST,
    arp,
    ethernet,
    heard,
    icmp6,
    ipv6,
    link_local,
    mac,
    udp4,
)
from tests.scenarios.listed import EVERYTHING, NOTHING, address, listed, lists
from tests.scenarios.world import World

pytestmark = pytest.mark.root

GATEWAY = "10.10.1.1"
LAST = "this-was-the-last-one"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists() as world:
        for name in ("app2", "app3"):
            assert world.lab.apps["app1"].ping(address(world, name))
            assert world.lab.apps[name].ping(GATEWAY)
        yield world


@pytest.fixture(autouse=True)
def without_lists(w: World) -> None:
    w.apply(instance("ni1"), *(listed(name) for name in ("app1", "app2", "app3")))


def last(w: World) -> bytes:
    """A frame of app1 that app2 gets."""
    mine, other = mac(w.lab.apps["app1"]), mac(w.lab.apps["app2"])
    return ethernet(other, mine, 0x0800, udp4(address(w, "app1"), 5000, address(w, "app2"), 5000, LAST))


def words(found: bytes) -> set[str]:
    return {word.decode() for word in re.findall(rb"(word-[a-z0-9-]+)!", found)}


def lies(w: World) -> dict[str, bytes]:
    """Frames of app1 in which it is somebody else, for app2 and for all."""
    mine, other, third = (mac(w.lab.apps[name]) for name in ("app1", "app2", "app3"))
    one, two, three = (address(w, name) for name in ("app1", "app2", "app3"))
    bridge = mac(w.lab.instance("ni1"), "bn0")
    found: dict[str, bytes] = {}
    for kind, target, to in (("unicast", other, two), ("broadcast", BROADCAST, "255.255.255.255")):

        def add(name: str, frame: bytes, kind: str = kind) -> None:
            found[f"{name}-{kind}"] = frame

        def word(name: str, kind: str = kind) -> str:
            return f"word-{name}-{kind}!"

        add("arp-gateway", arp(target, mine, (mine, GATEWAY), word("arp-gateway"), two))
        add("arp-question", arp(target, mine, (mine, GATEWAY), word("arp-question"), two, reply=False))
        add("arp-neighbour", arp(target, mine, (mine, three), word("arp-neighbour"), two))
        add("arp-mac", arp(target, mine, (third, three), word("arp-mac"), two))
        add("arp-own-ip", arp(target, mine, (third, one), word("arp-own-ip"), two))
        add("arp-frame", arp(target, third, (third, three), word("arp-frame"), two))
        add("arp-free", arp(target, mine, (mine, "10.10.1.200"), word("arp-free"), two))
        for name, source in (
            ("ip-neighbour", three), ("ip-gateway", GATEWAY), ("ip-foreign", "198.51.100.9"),
            ("ip-free", "10.10.1.200"), ("ip-nobody", "0.0.0.0"), ("ip-lo", "127.0.0.1"),
        ):  # fmt: skip
            add(name, ethernet(target, mine, 0x0800, udp4(source, 5000, to, 5000, word(name))))
        for name, source in (
            ("mac-neighbour", third),
            ("mac-bridge", bridge),
            ("mac-free", "02:00:00:00:00:99"),
        ):
            add(name, ethernet(target, source, 0x0800, udp4(one, 5000, to, 5000, word(name))))
        add("dhcp-server", ethernet(target, mine, 0x0800, udp4(one, 67, to, 68, word("dhcp-server"))))
        add("dhcp-client", ethernet(target, mine, 0x0800, udp4("0.0.0.0", 68, to, 67, word("dhcp-client"))))
        own6 = link_local(mine)
        to6 = link_local(other) if kind == "unicast" else ALL_NODES
        for name, number in (("router-advert", 134), ("redirect", 137)):
            add(name, ethernet(target, mine, 0x86DD, ipv6(own6, to6, 58, icmp6(number, word(name)))))
        dhcp6 = struct.pack("!HHHH", 547, 546, 8 + 40, 0) + word("dhcp6-server").encode().ljust(40)
        add("dhcp6-server", ethernet(target, mine, 0x86DD, ipv6(own6, to6, 17, dhcp6)))
    return found | strange(w, "app1")


def strange(w: World, name: str) -> dict[str, bytes]:
    """Frames that no access list sees."""
    mine, other = mac(w.lab.apps[name]), mac(w.lab.apps["app2"])
    found = {}

    def add(what: str, kind: int, before: bytes) -> None:
        packet = udp4(address(w, name), 5000, address(w, "app2"), 5000, f"word-{name}-{what}!")
        for target in (other, BROADCAST):
            found[f"{name}-{what}-{target}"] = ethernet(target, mine, kind, before + packet)

    ip = struct.pack("!H", 0x0800)
    add("vlan", 0x8100, struct.pack("!H", 5) + ip)
    add("priority", 0x8100, struct.pack("!H", 5 << 13) + ip)
    add("service-vlan", 0x88A8, struct.pack("!H", 5) + ip)
    add("two-vlans", 0x88A8, struct.pack("!HHH", 5, 0x8100, 6) + ip)
    add("snap", 60, bytes.fromhex("aaaa03000000") + ip)
    add("pppoe", 0x8864, bytes.fromhex("110000010040") + struct.pack("!H", 0x21))
    add("mpls", 0x8847, bytes.fromhex("00010140"))
    add("unknown", 0x1234, b"")
    return found


def test_nobody_is_somebody_else(w: World) -> None:
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    neighbours = w.sh("ip neigh show dev bn0 | awk '{print $1, $3}' | sort", "ni1")
    learned = app2.run(["ip", "neigh", "show", "dev", "eth0", "nud", "all"]).stdout
    found = lies(w)
    assert words(heard(app2, (app1, list(found.values())), last=last(w))) == set()
    assert w.sh("ip neigh show dev bn0 | awk '{print $1, $3}' | sort", "ni1") == neighbours
    for text in (learned, app2.run(["ip", "neigh", "show", "dev", "eth0", "nud", "all"]).stdout):
        assert re.search(rf"^{GATEWAY} .*lladdr {mac(w.lab.instance('ni1'), 'bn0')}", text, re.MULTILINE)


def test_an_application_that_is_a_router(w: World) -> None:
    """Without `antiSpoofing` it sends for others; frames that no list sees remain forbidden, and so does DHCP."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    app1.run(["ip", "address", "add", "172.16.5.1/32", "dev", "lo"])
    app1.run(["ip", "address", "add", "10.10.1.200/24", "dev", "eth0"])
    app2.run(["ip", "route", "add", "172.16.5.0/24", "via", address(w, "app1")])
    try:
        assert not app2.ping("172.16.5.1", timeout=1)
        assert not app2.ping("10.10.1.200", timeout=1)
        w.apply(listed("app1", antiSpoofing=False))
        assert app2.ping("172.16.5.1")
        assert app2.ping("10.10.1.200")
        assert app1.ping("203.0.113.10", interface="10.10.1.200")
        passing = {
            name
            for name in words(heard(app2, (app1, list(lies(w).values())), last=last(w)))
            if re.search("app1|dhcp", name)
        }
        assert passing == set()
        # It is asked all the same, with its own list.
        w.apply(listed("app1", NOTHING, antiSpoofing=False))
        assert not app2.ping("172.16.5.1", timeout=1)
        assert not app1.ping("203.0.113.10", interface="10.10.1.200", timeout=1)
    finally:
        app1.run(["ip", "address", "del", "10.10.1.200/24", "dev", "eth0"])
        app2.run(["ip", "route", "del", "172.16.5.0/24"])


def test_copies_of_a_frame_whose_receiver_the_bridge_has_not_learned(w: World) -> None:
    """Nobody else gets one, nor does anybody's list decide for another."""
    app1, app2, app3 = (w.lab.apps[name] for name in ("app1", "app2", "app3"))
    w.apply(listed("app2", NOTHING), listed("app3", EVERYTHING, antiSpoofing=False))
    flush = (
        "for port in app1.eth0 app2.eth0 app3.eth0; do ip link set $port type bridge_slave fdb_flush; done"
    )
    mine, other, free = mac(app1), mac(app2), "02:00:00:00:00:99"
    one, two = address(w, "app1"), address(w, "app2")
    final = ethernet(mac(app3), mine, 0x0800, udp4(one, 5001, address(w, "app3"), 5001, LAST))
    flows = [ethernet(other, mine, 0x0800, udp4(one, 7000, two, 7000, "word-flow!")) for _ in range(3)]
    # Frames for all with a packet for one: a flow with as many receivers as the bridge has ports.
    flows += [
        ethernet(BROADCAST, mine, 0x0800, udp4(one, 7001, two, 7001, "word-for-all!")) for _ in range(3)
    ]
    with app2.capture("eth0") as capture:
        w.sh(flush, "ni1")
        got = words(heard(app3, (app1, flows), last=final))
        w.apply(listed("app2", EVERYTHING))
        frames.send(app1, last(w))
        app2.eventually(lambda: LAST.encode() in capture.file.read_bytes())
    assert got == {"word-for-all"}
    assert words(capture.file.read_bytes()) == set()
    # Behind one of two routers is a host; the list of the other one decides nothing.
    w.apply(listed("app2", NOTHING, antiSpoofing=False))
    there = [
        ethernet(free, mine, 0x0800, udp4(one, 7002, "10.10.1.201", 7002, "word-behind!")) for _ in range(3)
    ]
    with app2.capture("eth0") as capture:
        got = words(heard(app3, (app1, there), last=final))
        w.apply(listed("app2", EVERYTHING))
        frames.send(app1, last(w))
        app2.eventually(lambda: LAST.encode() in capture.file.read_bytes())
    assert got == {"word-behind"}
    assert words(capture.file.read_bytes()) == set()


@pytest.mark.parametrize("denied", ["app2", "app3"])
def test_what_is_for_many_is_asked_of_each(w: World, denied: str) -> None:
    """mDNS: whoever allows it hears it, whoever does not never does, in whichever order the bridge has them."""
    (allowed,) = {"app2", "app3"} - {denied}
    app1, mine, one = w.lab.apps["app1"], mac(w.lab.apps["app1"]), address(w, "app1")
    group = "01:00:5e:00:00:fb"

    def question(number: int) -> bytes:
        return ethernet(group, mine, 0x0800, udp4(one, 5353, "224.0.0.251", 5353, f"word-{number}!"))

    w.apply(listed(denied, NOTHING))
    with w.lab.apps[denied].capture("eth0") as capture:
        got = words(heard(w.lab.apps[allowed], (app1, [question(n) for n in range(5)]), last=question(5)))
        w.apply(listed(denied, EVERYTHING))
        frames.send(app1, question(6))
        w.lab.apps[denied].eventually(lambda: b"word-6" in capture.file.read_bytes())
    assert got == {f"word-{n}" for n in range(6)}
    assert words(capture.file.read_bytes()) == {"word-6"}
    # The sender's list is asked, too.
    w.apply(listed("app1", NOTHING))
    with w.lab.apps[denied].capture("eth0") as capture:
        frames.send(app1, question(7))
        w.apply(listed("app1", EVERYTHING))
        frames.send(app1, question(8))
        w.lab.apps[denied].eventually(lambda: b"word-8" in capture.file.read_bytes())
    assert words(capture.file.read_bytes()) == {"word-8"}


def test_a_lease_is_good_from_the_first_packet_on(w: World) -> None:
    """A first lease, and another one, because the file says so now."""
    app4 = w.lab.app("app4")
    two = address(w, "app2")
    for turn in range(3):
        w.apply(listed("app4", EVERYTHING))
        for fixed in (None, f"10.10.1.{20 + turn}", f"10.10.1.{30 + turn}"):
            if fixed is not None:
                w.apply(listed("app4", EVERYTHING, address=fixed))
                app4.run(["ip", "address", "flush", "dev", "eth0"])
            lease = app4.dhcp("eth0")
            assert fixed in (None, str(lease.address.ip))
            assert app4.ping(GATEWAY, timeout=1)
            assert app4.ping("203.0.113.10", timeout=1)
            assert app4.ping(two, timeout=1)
            assert w.lab.apps["app2"].ping(str(lease.address.ip), timeout=1)
        w.command("delete", "app", "app4")


def test_an_address_that_moves_takes_no_flow_along(w: World) -> None:
    """Who gets the address of another gets none of what was allowed to that one."""
    app1, app2, app3 = (w.lab.apps[name] for name in ("app1", "app2", "app3"))
    before = {name: w.lab.apps[name].leases["eth0"] for name in ("app2", "app3")}
    one, mine = address(w, "app1"), mac(app1)
    w.apply(listed("app2", EVERYTHING, address="10.10.1.20"), listed("app3", NOTHING))
    app2.run(["ip", "address", "flush", "dev", "eth0"])
    app2.dhcp("eth0")

    def sent(app: str, word: str) -> bytes:
        packet = udp4(one, 7100, "10.10.1.20", 7100, word)
        return ethernet(mac(w.lab.apps[app]), mine, 0x0800, packet)

    assert words(heard(app2, (app1, [sent("app2", "word-before!")]), last=last_to(w, "app2"))) == {
        "word-before"
    }
    w.apply(listed("app2", EVERYTHING), listed("app3", NOTHING, address="10.10.1.20"))
    with app3.capture("eth0") as capture:
        frames.send(app1, sent("app3", "word-after!"))
        w.apply(listed("app3", EVERYTHING))
        frames.send(app1, sent("app3", "word-allowed!"))
        app3.eventually(lambda: b"word-allowed" in capture.file.read_bytes())
    assert words(capture.file.read_bytes()) == {"word-allowed"}
    for name in before:
        w.lab.apps[name].run(["ip", "address", "flush", "dev", "eth0"])
        w.lab.apps[name].dhcp("eth0")


def last_to(w: World, name: str) -> bytes:
    mine, other = mac(w.lab.apps["app1"]), mac(w.lab.apps[name])
    return ethernet(other, mine, 0x0800, udp4(address(w, "app1"), 5000, address(w, name), 5000, LAST))
