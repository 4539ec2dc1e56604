"""Learning the addresses of a switch's applications: real clients and servers, a bridge by hand."""

from __future__ import annotations

import asyncio
import signal
import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from netnsmgr.agent import observed
from netnsmgr.core.ip import mac_made
from netnsmgr.features.acl.lists import LINK
from tests.kernel.observestage import (
    MACS,
    OWN,
    PATH,
    Agent,
    Background,
    app,
    dhclient,
    dhcpd,
    dnsmasq,
    send,
    switch,
    udhcpc,
)
from tests.kernel.stage import sh
from tests.lab import isolated
from tests.scenarios.frames import BROADCAST, arp

pytestmark = pytest.mark.root

POOL = IPv4Network("192.168.3.0/24")
NET6 = IPv6Network("fd00:3::/64")
STATIC, STATIC6 = IPv4Address("192.168.3.7"), IPv6Address("fd00:3::7")


@isolated
async def test_a_lease_of_dhcp() -> None:
    """With its end and the DNS servers that came with it; on record; given back, it is forgotten."""
    switch()
    dnsmasq()
    agent = Agent()
    before = time.time()
    client = udhcpc(1, "-R")
    await agent.until(lambda: agent.of(1, "dhcp"))
    (lease,) = (each for each in agent.observing.learned if each.source == "dhcp")
    assert lease.address in POOL
    assert lease.expires is not None
    assert before + 119 < lease.expires < time.time() + 181
    assert agent.observing.told == {1: (IPv4Address("192.168.3.1"), IPv4Address("192.168.3.2"))}
    assert str(lease.address) in PATH.read_text()
    client.end()
    await agent.until(lambda: not agent.of(1, "dhcp"))


@isolated
async def test_static_addresses() -> None:
    """By the first ARP, and by duplicate address detection."""
    switch()
    agent = Agent()
    app(
        1,
        "ip link set eth0 up; ip address add 192.168.3.7/24 dev eth0; ping -c 1 -W 2 192.168.3.1 >/dev/null",
    )
    await agent.until(lambda: (1, STATIC) in agent.known)
    app(2, "ip link set eth0 up; ip address add fd00:3::7/64 dev eth0")
    await agent.until(lambda: {(2, STATIC6), (2, mac_made(LINK, MACS[2]))} <= agent.known.keys())
    assert agent.known == {
        (1, STATIC): "arp",
        (1, mac_made(LINK, MACS[1])): "link-local",
        (2, STATIC6): "nd",
        (2, mac_made(LINK, MACS[2])): "link-local",
    }


@isolated
async def test_slaac() -> None:
    switch()
    dnsmasq()
    agent = Agent()
    app(1, "ip link set eth0 up")
    await agent.until(lambda: (1, mac_made(NET6, MACS[1])) in agent.known)


@isolated
async def test_dhcp6() -> None:
    """With its lifetime, by renewals, and given back."""
    switch()
    dhcpd(8, 6)
    agent = Agent()
    client = dhclient(1, 6)
    await agent.until(lambda: agent.of(1, "dhcp6"), 20)
    (address,) = agent.of(1, "dhcp6")
    assert address in NET6
    assert agent.observing.told == {1: (IPv6Address("fd00:3::1"),)}
    await asyncio.sleep(10)
    assert agent.of(1, "dhcp6") == [address]
    client.end(signal.SIGKILL)
    dhclient(1, 6, "-r")
    await agent.until(lambda: not agent.of(1, "dhcp6"))


@isolated
async def test_a_lease_ends() -> None:
    """When nobody prolongs it; also if its end comes while no agent is there."""
    switch()
    dhcpd(4)
    agent = Agent()
    udhcpc(1, "-q")
    await agent.until(lambda: agent.of(1, "dhcp"))
    (end,) = (each.lapses for each in agent.observing._book.entries.values() if each.leased)
    await agent.until(lambda: not agent.of(1, "dhcp"))
    assert time.clock_gettime(time.CLOCK_BOOTTIME) >= end
    udhcpc(2, "-q")
    await agent.until(lambda: agent.of(2, "dhcp"))
    agent.die()
    successor = Agent()
    assert successor.of(2, "dhcp") == agent.of(2, "dhcp")
    successor.die()
    await asyncio.sleep(4)
    last = Agent()
    await last.until(lambda: not last.of(2, "dhcp"))


@isolated
async def test_renewals_are_heard_and_told_once_a_minute() -> None:
    """A client with leases of 10 s renews every 5 s, by unicast."""
    switch()
    dhcpd(10)
    agent = Agent()
    client = dhclient(1, 4)
    await agent.until(lambda: agent.of(1, "dhcp"))
    (address,) = agent.of(1, "dhcp")
    agent.woken, renewed = 0, agent.observing._book.entries[address].lapses
    await asyncio.sleep(12)
    assert agent.of(1, "dhcp") == [address]
    assert agent.observing._book.entries[address].lapses > renewed + 4
    assert agent.woken <= 1
    client.end()


QUICK: Any = {"LAPSE_SECONDS": 5.0, "QUIET_SECONDS": 1.0, "ASK_SECONDS": 1.0, "TENTATIVE_SECONDS": 5.0}
QUICK |= {"TENTATIVE_ASK": 1.0, "GATHER_SECONDS": 0.1}


@isolated
async def test_who_is_silent_is_asked() -> None:
    """Who has the address answers, of either version, and nobody else hears of it; who has not, is forgotten."""
    with mock.patch.multiple(observed, **QUICK):
        switch()
        agent = Agent()
        app(
            1,
            "ip link set eth0 up; ip address add 192.168.3.7/24 dev eth0; ip address add fd00:3::7/64 dev eth0",
        )
        app(1, "ping -c 1 -W 2 192.168.3.1 >/dev/null")
        mine = {(1, STATIC), (1, STATIC6), (1, mac_made(LINK, MACS[1]))}
        await agent.until(lambda: mine <= agent.known.keys())
        listener = Background("site", "tcpdump", "-Uni", "eth3", "-w", "/run/heard", f"ether host {OWN}")
        await asyncio.sleep(8)
        assert set(agent.known) == mine
        listener.end()
        assert Path("/run/heard").stat().st_size == 24
        app(1, "ip address del 192.168.3.7/24 dev eth0; ip address del fd00:3::7/64 dev eth0")
        await agent.until(lambda: set(agent.known) == {(1, mac_made(LINK, MACS[1]))})


@isolated
async def test_a_successor_asks() -> None:
    """Who has left meanwhile is forgotten, and who is there stays."""
    with mock.patch.multiple(observed, **QUICK | {"RETURN_SECONDS": 3.0, "RETURN_ASK": 1.0}):
        switch()
        agent = Agent()
        for vif in MACS:
            app(vif, f"ip link set eth0 up; ip address add 192.168.3.{vif}0/24 dev eth0")
            app(vif, "ping -c 1 -W 2 192.168.3.1 >/dev/null")
        here, left = (1, IPv4Address("192.168.3.10")), (2, IPv4Address("192.168.3.20"))
        await agent.until(lambda: {here, left} <= agent.known.keys())
        agent.die()
        app(2, "ip address del 192.168.3.20/24 dev eth0")
        successor = Agent()
        assert {here, left} <= successor.known.keys()
        await successor.until(lambda: left not in successor.known)
        assert here in successor.known


@isolated
async def test_two_want_one_address() -> None:
    """Who had it keeps it while he answers; then it is the other's."""
    switch()
    agent = Agent()
    app(
        1,
        "ip link set eth0 up; ip address add 192.168.3.7/24 dev eth0; ping -c 1 -W 2 192.168.3.1 >/dev/null",
    )
    await agent.until(lambda: (1, STATIC) in agent.known)
    app(2, "ip link set eth0 up")
    claim = arp(BROADCAST, MACS[2], (MACS[2], str(STATIC)), "")
    send(2, claim)
    await asyncio.sleep(5)
    agent.keep()
    assert (1, STATIC) in agent.known
    app(1, "ip address del 192.168.3.7/24 dev eth0")
    sh("nft flush set netdev t observe_said")
    send(2, claim)
    await agent.until(lambda: (2, STATIC) in agent.known)
    assert (1, STATIC) not in agent.known


@isolated
async def test_a_flood_is_only_its_sender_s_harm() -> None:
    switch()
    agent = Agent()
    for vif in MACS:
        app(vif, "ip link set eth0 up")
    frames = [arp(BROADCAST, MACS[1], (MACS[1], f"10.{n >> 8}.{n & 255}.9"), "") for n in range(1, 6000)]
    send(1, *frames)
    used = time.process_time()
    send(2, arp(BROADCAST, MACS[2], (MACS[2], str(STATIC)), ""))
    await agent.until(lambda: (2, STATIC) in agent.known, 5)
    assert 0 < len(agent.of(1, "arp")) <= observed.MOST
    assert agent.woken < 10
    assert time.process_time() - used < 1


@isolated
async def test_whose_frames_count() -> None:
    """Of an application that may send for others only its own; probes are no claims, and nobody's are what others say."""
    switch(unguarded=2)
    agent = Agent()
    for vif in MACS:
        app(vif, "ip link set eth0 up")
    other = "02:00:00:00:00:77"
    send(
        2,
        arp(BROADCAST, other, (other, "192.168.3.70"), ""),
        arp(BROADCAST, MACS[2], (other, "192.168.3.71"), ""),
        arp(BROADCAST, other, (MACS[2], "192.168.3.72"), ""),
        arp(BROADCAST, MACS[2], (MACS[2], "0.0.0.0"), "", asked="192.168.3.73", reply=False),
        arp(BROADCAST, MACS[2], (MACS[2], str(STATIC)), ""),
    )
    await agent.until(lambda: (2, STATIC) in agent.known)
    assert [a for _, a in agent.known if a.version == 4] == [STATIC]


@isolated
async def test_a_tag_does_not_hinder() -> None:
    """An application that is a trunk says its address in a VLAN, and is asked there."""
    with mock.patch.multiple(observed, **QUICK):
        switch()
        agent = Agent()
        app(1, "ip link set eth0 up")
        frame = arp(BROADCAST, MACS[1], (MACS[1], str(STATIC)), "")
        send(1, frame[:12] + b"\x81\x00\x00\x64" + frame[12:])
        await agent.until(lambda: (1, STATIC) in agent.known)
        assert agent.observing._book.entries[STATIC].tag == 100
        asked = await asyncio.to_thread(
            app,
            1,
            "timeout 5 tcpdump -Uni eth0 -c 1 -e arp and ether src 02:00:00:00:00:99 2>/dev/null || true",
        )
        assert "vlan 100" in asked
        assert "Request who-has 192.168.3.7" in asked


@isolated
async def test_an_application_may_be_the_server() -> None:
    """Where it may send for others; its answers count for who is asked for, as those of the site's do."""
    switch(unguarded=2)
    agent = Agent()
    app(2, "ip link set eth0 up; ip address add 192.168.3.1/24 dev eth0")
    sh("ip -n site link set eth3 down")
    dnsmasq("app2", "eth0")
    client = udhcpc(1, "-q")
    await agent.until(lambda: agent.of(1, "dhcp"))
    client.wait()
    assert agent.of(2, "dhcp") == []
