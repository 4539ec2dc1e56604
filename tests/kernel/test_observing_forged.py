"""A host of the segment forges what DHCP servers answer: nothing of it is learned, but what the real server tells is."""

from __future__ import annotations

import asyncio
import itertools
import signal
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from netnsmgr.core.ip import IPAddress
from tests.kernel.observestage import (
    MACS,
    Agent,
    Background,
    app,
    dhclient,
    dhcpd,
    dnsmasq,
    put,
    send,
    switch,
    udhcpc,
)
from tests.lab import isolated
from tests.lab.segment import frames_of
from tests.scenarios.frames import BROADCAST, arp, ethernet, ipv6, link_local, udp4

pytestmark = pytest.mark.root

OTHER, EVIL, EVIL6 = "02:00:00:00:00:66", IPv4Address("192.168.3.66"), IPv6Address("fd00:3::66")
NUMBER4, NUMBER6 = slice(46, 50), slice(63, 66)
"""Where the request's number is in a frame."""
ACK, NAK = 5, 6


def answer(number: bytes, kind: int = ACK) -> bytes:
    """As any host of the segment can write it to application 1: another address, and a DNS server."""
    client = bytes.fromhex(MACS[1].replace(":", ""))
    head = b"\2\1\6\0" + number + bytes(8) + IPv4Address("192.168.3.77").packed + bytes(8) + client
    told = bytes([53, 1, kind, 51, 4, 0, 0, 14, 16, 6, 4]) + EVIL.packed
    body = head + bytes(10 + 192) + b"\x63\x82\x53\x63" + told + b"\xff"
    packet = udp4("192.168.3.1", 67, "255.255.255.255", 68, body.decode("latin-1"))
    return ethernet(BROADCAST, OTHER, 0x0800, packet)


def reply(number: bytes) -> bytes:
    """The same of DHCPv6."""
    body = b"\7" + number + struct.pack("!HH", 23, 16) + EVIL6.packed
    udp = struct.pack("!HHHH", 547, 546, 8 + len(body), 0) + body
    return ethernet(MACS[1], OTHER, 0x86DD, ipv6(link_local(OTHER), link_local(MACS[1]), 17, udp))


class Ear:
    """A host of the segment that hears requests."""

    def __init__(self, port: int) -> None:
        self._file = Path("/run/heard.pcap")
        self._dump = Background(
            "site", "tcpdump", "-Uni", "eth3", "-w", str(self._file), "udp", "dst", "port", str(port)
        )

    async def there(self) -> None:
        await self._until(lambda: self._file.exists() and self._file.stat().st_size >= 24)

    async def last(self, number: slice) -> bytes:
        """The number of the last request, once there is one."""
        await self._until(lambda: frames_of(self._file))
        return frames_of(self._file)[-1][number]

    async def _until(self, seen: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not seen():
                await asyncio.sleep(0.02)


MARKS = itertools.count(200)


def leases(agent: Agent) -> dict[IPAddress, tuple[int, float]]:
    return {a: (e.vif, e.lapses) for a, e in agent.observing._book.entries.items() if e.leased}


async def nothing_comes_of(agent: Agent, *forged: bytes) -> None:
    """They have been read, as what was said behind them is known, and have changed nothing."""
    before = leases(agent), agent.observing.told
    put("site", "eth3", *forged)
    mark = IPv4Address("192.168.3.0") + next(MARKS)
    send(2, arp(BROADCAST, MACS[2], (MACS[2], str(mark)), ""))
    await agent.until(lambda: (2, mark) in agent.known)
    assert (leases(agent), agent.observing.told) == before


@isolated
async def test_acknowledgements_that_nobody_asked_for() -> None:
    """Before there is a lease, with a number of the forger's, and with the client's own after the server's answer."""
    switch()
    ear, agent = Ear(67), Agent()
    await ear.there()
    for vif in MACS:
        app(vif, "ip link set eth0 up")
    await nothing_comes_of(agent, answer(b"\0\0\0\1"))
    assert (leases(agent), agent.observing.told) == ({}, {})
    server = dnsmasq()
    client = udhcpc(1)
    await agent.until(lambda: agent.of(1, "dhcp") and agent.observing.told)
    (address,) = leases(agent)
    own = await ear.last(NUMBER4)
    await nothing_comes_of(agent, answer(b"\0\0\0\1"), answer(own), answer(own, NAK))
    assert agent.observing.told == {1: (IPv4Address("192.168.3.1"), IPv4Address("192.168.3.2"))}
    # The real server has others to tell, and the client asks again.
    server.end()
    dnsmasq(dns="192.168.3.9")
    client.tell(signal.SIGUSR1)
    await agent.until(lambda: agent.observing.told == {1: (IPv4Address("192.168.3.9"),)})
    assert list(leases(agent)) == [address]
    await nothing_comes_of(agent, answer(await ear.last(NUMBER4)))


@isolated
async def test_replies_that_nobody_asked_for() -> None:
    switch()
    dhcpd(600, 6)
    ear, agent = Ear(547), Agent()
    await ear.there()
    app(2, "ip link set eth0 up")
    dhclient(1, 6)
    await agent.until(lambda: agent.of(1, "dhcp6") and agent.observing.told)
    await nothing_comes_of(agent, reply(b"\0\0\1"), reply(await ear.last(NUMBER6)))
    assert agent.observing.told == {1: (IPv6Address("fd00:3::1"),)}
