"""Who says what on a switch: frames of applications that lie are heard by nobody, and those of others by all they are for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

from tests.kernel.switchstage import MACS, Document, Switch, app
from tests.lab import isolated
from tests.scenarios.frames import ALL_NODES, BROADCAST, arp, ethernet, icmp6, ipv6, link_local, udp4

A, B, SITE = MACS["a"], MACS["b"], MACS["site"]
STRANGER = "02:00:00:00:00:99"
OURS, THEIRS = "192.168.3.10", "192.168.3.1"
BPDU = bytes.fromhex("424203000000000000") + bytes(29)
LLDP, EAPOL, PROFINET = 0x88CC, 0x888E, 0x8892
ALL = frozenset({"b", "c", "site"})


def on_a_switch(test: Callable[[Switch], Awaitable[None]], *apps: Document, **spec: object) -> None:
    async def run() -> None:
        async with Switch(*(apps or (app("a"), app("b"), app("c"))), **spec) as switch:
            await test(switch)

    asyncio.run(run())


def llc(target: str, source: str, payload: bytes) -> bytes:
    """A frame of IEEE 802.3, with its length where Ethernet has a type."""
    return ethernet(target, source, len(payload), payload)


def nd(kind: int, sender: str, *options: bytes, hop: int = 255) -> bytes:
    """Neighbour discovery from a sender's link-local address to all."""
    body = struct.pack("!BBHI", kind, 0, 0, 0) + (bytes(8) if kind == 134 else b"")
    body += b"" if kind in {133, 134} else link_local(sender)
    body += b"".join(options)
    whole = ipv6(link_local(sender), ALL_NODES, 58, body)
    return ethernet("33:33:00:00:00:01", sender, 0x86DD, whole[:7] + bytes([hop]) + whole[8:])


def own(kind: int, mac: str) -> bytes:
    return bytes([kind, 1]) + bytes.fromhex(mac.replace(":", ""))


def udp(source: str, target: str, sport: int, dport: int) -> bytes:
    return ethernet(target, source, 0x0800, udp4(OURS, sport, THEIRS, dport, "some words of data"))


def dhcp(sender: str, chaddr: str, dport: int = 67, sport: int = 68) -> bytes:
    content = bytes.fromhex("01010600") + bytes(24) + bytes.fromhex(chaddr.replace(":", "")) + bytes(202)
    packet = udp4("0.0.0.0", sport, "255.255.255.255", dport, content.decode("latin-1"))
    return ethernet(BROADCAST, sender, 0x0800, packet)


@isolated
def test_a_guarded_application_speaks_for_itself_alone() -> None:
    async def run(switch: Switch) -> None:
        for sender in ("b", "c", "site"):  # the bridge learns who is where
            switch.send(sender, arp(BROADCAST, MACS[sender], (MACS[sender], "0.0.0.0"), "here"))
        for what, frame, expected in [
            ("a datagram", udp(A, SITE, 4000, 4000), {"site"}),
            ("to a service", udp(A, SITE, 4000, 53), {"site"}),
            ("to another application", udp(A, B, 4000, 4000), {"b"}),
            ("a stranger's address", udp(STRANGER, SITE, 4000, 4000), set()),
            ("another's address", udp(B, SITE, 4000, 4000), set()),
            ("the site's address", udp(SITE, B, 4000, 4000), set()),
            ("ARP", arp(BROADCAST, A, (A, OURS), "w"), ALL),
            ("ARP of another's", arp(BROADCAST, A, (B, OURS), "w"), set()),
            ("ARP in another's frame", arp(BROADCAST, B, (A, OURS), "w"), set()),
            ("DHCP", dhcp(A, A), ALL),
            ("DHCP in another's name", dhcp(A, B), set()),
            ("an answer of DHCP", dhcp(A, B, sport=67, dport=68), set()),
            ("the same from another port", dhcp(A, B, sport=6700, dport=68), set()),
            ("a solicitation", nd(135, A, own(1, A)), ALL),
            ("a solicitation of another's", nd(135, A, own(1, B)), set()),
            ("an advertisement", nd(136, A, own(2, A)), ALL),
            ("an advertisement of another's", nd(136, A, own(2, B)), set()),
            ("two addresses", nd(136, A, own(2, A), own(2, B)), set()),
            ("from beyond a router", nd(136, A, own(2, A), hop=64), set()),
            ("a router's solicitation", nd(133, A, own(1, A)), ALL),
            ("a router's advertisement", nd(134, A, own(1, A)), set()),
            ("a redirect", nd(137, A), set()),
            ("profinet", ethernet(SITE, A, PROFINET, bytes(50)), {"site"}),
            ("a BPDU", llc("01:80:c2:00:00:00", A, BPDU), set()),
            ("Cisco's", llc("01:00:0c:cc:cc:cd", A, b"\xaa\xaa\x03\0\0\x0c\x01\x0b" + bytes(40)), set()),
            ("UDP to bridges", udp(A, "01:80:c2:00:00:00", 4000, 4000), set()),
            ("UDP to LLDP's", udp(A, "01:80:c2:00:00:0e", 4000, 4000), set()),
            ("UDP to Cisco's bridges", udp(A, "01:00:0c:cc:cc:cd", 4000, 4000), set()),
            ("UDP to Cisco's others", udp(A, "01:00:0c:cc:cc:cc", 4000, 80), set()),
            ("UDP to a group", udp(A, "01:00:5e:00:00:fb", 5353, 5353), ALL),
            ("LLDP", ethernet("01:80:c2:00:00:0e", A, LLDP, bytes(50)), set()),
        ]:
            assert switch.hears("a", frame) == expected, what
        assert switch.hears("site", dhcp(SITE, B, sport=67, dport=68)) == {"a", "b", "c"}
        assert switch.hears("site", nd(134, SITE, own(1, SITE))) == {"a", "b", "c"}
        assert switch.hears("site", udp(SITE, STRANGER, 4000, 4000)) == set(), "what is for nobody here"

    on_a_switch(run)


@isolated
def test_without_the_guard_an_application_may_be_a_server_and_a_router_but_no_bridge() -> None:
    async def run(switch: Switch) -> None:
        for what, frame, expected in [
            ("for hosts behind it", udp(STRANGER, SITE, 4000, 4000), {"b", "site"}),
            ("an answer of DHCP", dhcp(A, B, sport=67, dport=68), {"b", "site"}),
            ("a router's advertisement", nd(134, A, own(1, A)), {"b", "site"}),
            ("a BPDU", llc("01:80:c2:00:00:00", A, BPDU), set()),
            ("UDP to bridges", udp(A, "01:80:c2:00:00:00", 4000, 4000), set()),
            ("UDP to Cisco's", udp(A, "01:00:0c:cc:cc:cd", 4000, 4000), set()),
        ]:
            assert switch.hears("a", frame) - {"c"} == expected - ({"b"} if what[:3] == "for" else set()), (
                what
            )
        assert switch.hears("site", udp(SITE, STRANGER, 4000, 4000)) == {"a"}, "to a host behind it"

    on_a_switch(run, app("a", antiSpoofing=False), app("b"))


@isolated
def test_protocols_beside_ip_pass_as_written() -> None:
    async def run(switch: Switch) -> None:
        for name in ("a", "b", "c", "site"):
            switch.send(name, arp(BROADCAST, MACS[name], (MACS[name], "0.0.0.0"), "here"))
        for sender, receivers in (
            ("site", {"a", "c"}),
            ("a", {"c", "site"}),
            ("c", {"a", "site"}),
            ("b", set()),
        ):
            frame = ethernet(BROADCAST, MACS[sender], PROFINET, bytes(50))
            assert switch.hears(sender, frame) == receivers, sender
            other = ethernet(BROADCAST, MACS[sender], 0x88B5, bytes(50))
            assert switch.hears(sender, other) == (receivers - {"a"} if sender != "a" else set()), sender
        assert switch.hears("site", udp(SITE, B, 68, 53)) == {"b"}

    on_a_switch(run, app("a", etherTypes=["profinet"]), app("b", etherTypes=[0x1234]), app("c"))


@isolated
def test_the_switch_itself_says_nothing() -> None:
    async def run(switch: Switch) -> None:
        bridge = "02:00:00:00:00:0f"
        ping = ipv6(link_local(A), link_local(bridge), 58, icmp6(128, "anybody?"))
        switch.hears("a", ethernet(bridge, A, 0x86DD, ping))
        switch.hears("a", arp(BROADCAST, A, (A, OURS), "w", asked="169.254.1.1", reply=False))
        assert [switch.heard(name) for name in ("a", "site")] == [[], []]

    on_a_switch(run)


@isolated
def test_no_service_tags() -> None:
    """The bridges of the kernel take them for what a frame carries, in whatever VLAN; the next switch may not."""

    async def run(switch: Switch) -> None:
        for sender in ("b", "site"):
            switch.send(sender, arp(BROADCAST, MACS[sender], (MACS[sender], "0.0.0.0"), "here"))
        group = "01:00:5e:00:00:fb"
        for port, (target, kinds, expected) in enumerate(
            [
                (SITE, (0x8100,), {"site"}),
                (SITE, (0x88A8,), set()),
                (group, (0x8100,), {"b", "site"}),
                (group, (0x88A8,), set()),
                (SITE, (0x88A8, 0x8100), set()),
            ],
            6000,
        ):
            for service in (port, 53):
                for sender in ("a", "b"):
                    frame = udp(MACS[sender], target, port, service)
                    tags = b"".join(struct.pack("!HH", kind, 5) for kind in kinds)
                    for name in switch.sockets:
                        switch.heard(name)
                    switch.send(sender, frame[:12] + tags + frame[12:])
                    # A socket is told of the first tag beside the frame.
                    told = {
                        name for name in switch.sockets if any(frame[12:] in f for f in switch.heard(name))
                    }
                    other = {"a" if each == sender else each for each in expected}
                    assert told == other, (sender, kinds)

    on_a_switch(run, app("a", antiSpoofing=False), app("b"))


@isolated
def test_nothing_hides_behind_two_tags() -> None:
    """A host takes off both, of VLAN 0, and believes an advertisement or an ARP that the guard has not seen."""

    async def run(switch: Switch) -> None:
        site = MACS["site"]
        switch.send("site", arp(BROADCAST, site, (site, "0.0.0.0"), "here"))
        forged = arp(BROADCAST, MACS["a"], (site, "10.0.0.1"), "10.0.0.9")
        honest = udp(MACS["a"], SITE, 6000, 53)
        for tags, frame, heard in (
            (1, honest, True), (1, forged, False), (2, honest, False), (2, forged, False),
        ):  # fmt: skip
            for name in switch.sockets:
                switch.heard(name)
            switch.send("a", frame[:12] + tags * struct.pack("!HH", 0x8100, 0) + frame[12:])
            told = any(frame[14:] in each for each in switch.heard("site"))
            assert told == heard, (tags, heard)

    on_a_switch(run, app("a"), app("b"))
