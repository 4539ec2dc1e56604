"""Host rules on a switch with real packets: answers of the site's DNS server are held until the sets have their addresses."""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from dnslib import QTYPE, RR, A, DNSRecord

from netnsmgr.features.names import host_sets
from netnsmgr.features.switch import names
from tests.kernel.stage import sh
from tests.kernel.switchnames import (
    APP1,
    APP2,
    DNS,
    DNS6,
    DOMAIN,
    address,
    dig,
    dropped,
    groups,
    items,
    running,
    scope,
)
from tests.lab import isolated

pytestmark = pytest.mark.root

busy = partial(isolated, timeout=120.0)
"""Hundreds of names, one after the other, on a machine that may have other work."""
CLIENT = Path(__file__).with_name("resolver.py")
SET, PAST = host_sets(DOMAIN, 4)


async def client(*words: str, app: str = "app1") -> dict[str, float]:
    """Run the client within an application; what it says."""
    process = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", app, "python3", str(CLIENT), *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    found: dict[str, float] = json.loads(out)
    return found


def repeated() -> int:
    """Segments of TCP that app1 has sent again."""
    lines = [
        line.split()
        for line in sh("ip netns exec app1 cat /proc/net/snmp").splitlines()
        if line.startswith("Tcp:")
    ]
    return int(dict(zip(*lines, strict=True))["RetransSegs"])


def elements(name: str = SET) -> str:
    return sh(f"nft list set inet netnsmgr_acl {name}")


def send(source: str, target: str, port: int, message: bytes, *, app: str) -> None:
    """Send a datagram from port 53 of any address, as whoever may write what he likes."""
    options = "s.setsockopt(1, 2, 1); s.setsockopt(0, 19, 1)"  # SO_REUSEADDR, IP_TRANSPARENT
    ends = f"s.bind(('{source}', 53)); s.sendto(bytes.fromhex('{message.hex()}'), ('{target}', {port}))"
    sh(f'ip netns exec {app} python3 -c "import socket; s = socket.socket(2, 2); {options}; {ends}"')


def answer(name: str, ident: int, found: str) -> bytes:
    asked = DNSRecord.question(name)
    asked.header.id = ident
    reply = asked.reply()
    reply.add_answer(RR(name, QTYPE.A, rdata=A(found), ttl=60))
    return bytes(reply.pack())


@busy
async def test_the_first_packet_after_an_answer_is_never_lost() -> None:
    """200 names in a row, each connected to at once: the list dropped nothing, and no SYN was repeated."""
    async with running(scope()):
        for version in "4", "6":
            found = await client("connect", "200", version)
            assert found["done"] == 200
            assert dropped() == 0
            assert repeated() == 0, "a SYN that got no answer"
            await asyncio.sleep(1)  # what one interface may ask
        assert f"{address(7)} timeout 5m30s" in elements()
        assert f"{address(7)} timeout 1d" in elements(PAST)
        assert "2001:db8:51::8 timeout 5m30s" in elements(host_sets(DOMAIN, 6)[0])


@busy
async def test_nor_of_an_answer_by_tcp() -> None:
    """A connection is held in its order; an answer of several segments, and one of several fragments, arrive whole."""
    async with running(scope(), "--edns-packet-max=4096"):
        found = await client("connect", "100", "4", "tcp")
        assert (found["done"], dropped()) == (100, 0)
        assert await asyncio.to_thread(dig, "n77.github.com", "+tcp", server=DNS6) == address(77)
        for how in "+tcp", "+bufsize=4096 +ignore", "+bufsize=1232":
            lines = await asyncio.to_thread(dig, f"many.{DOMAIN}", how)
            assert len(lines.split()) == 200, how
        lines = await asyncio.to_thread(dig, f"many.{DOMAIN}", "+bufsize=4096", "+ignore", server=DNS6)
        assert len(lines.split()) == 200


@busy
async def test_names_and_what_they_stand_for() -> None:
    """An alias of the domain brings what it leads to; an alias elsewhere that leads into the domain is nobody's."""
    async with running(scope()):
        assert dig(f"alias.{DOMAIN}").split() == ["evil.org.", "198.51.9.9"]
        assert "198.51.9.9" in elements()
        assert dig("alias.example.org").split() == [f"n1.{DOMAIN}.", address(1)]
        assert dig("evil.org") == "198.51.9.9"
        assert dig("N2.GitHub.com") == address(2)
        assert dig(f"nothing.{DOMAIN}") == ""
        assert address(1) not in elements()
        assert address(2) in elements()


@busy
async def test_an_answer_that_nobody_asked_for_counts_for_nothing() -> None:
    """Not one of another number or name, nor one of an accomplice who writes the server's address as his own."""
    async with running(scope()):
        sh("ip -n site addr add 10.20.0.3/24 dev eth0")
        name = f"n9.{DOMAIN}"
        for source, ident, asked, by in (
            (DNS, 8, name, "site"),  # another number
            (DNS, 7, f"n8.{DOMAIN}", "site"),  # another name
            ("10.20.0.3", 7, name, "site"),  # no server of ours
            (DNS, 7, name, "app2"),  # the accomplice
            (DNS, 7, name, "site"),  # the right one
        ):
            with waiting(name) as (port, received):
                send(source, APP1, port, answer(asked, ident, "198.51.66.6"), app=by)
                right = (source, ident, asked, by) == (DNS, 7, name, "site")
                # One that is not held arrives, and nobody has opened anything for it.
                arrives = right or by == "app2" or source != DNS
                assert received(2.0 if arrives else 0.3) is arrives
            assert ("198.51.66.6" in elements()) is right


@busy
async def test_a_server_among_the_applications() -> None:
    """It is believed if it may send for others, as a server of DHCP may; a guarded one is not, configured or not."""
    name = f"n9.{DOMAIN}"
    async with running(scope(servers=[APP2])) as (_, agent):
        for unguarded in False, True:
            await agent.once(*items(scope(servers=[APP2], unguarded=unguarded)))
            with waiting(name, APP2) as (port, received):
                send(APP2, APP1, port, answer(name, 7, "198.51.66.6"), app="app2")
                assert received(5.0)
            assert ("198.51.66.6" in elements()) is unguarded


@busy
async def test_without_the_program_no_answer_passes() -> None:
    """And only those interfaces are concerned that have host rules; it comes back, and so do they."""
    of = scope()
    async with running(of) as (_, agent):
        (info,) = agent.system.processes.running()
        sh(f"kill -9 {info.pid}")
        while agent.system.processes.running():
            await asyncio.sleep(0.01)
        assert dig(f"n1.{DOMAIN}", "+time=1") == "" or "timed out" in dig(f"n1.{DOMAIN}", "+time=1")
        assert dig(f"n1.{DOMAIN}", app="app2") == address(1)
        await agent.once(*items(of))
        async with asyncio.timeout(10):
            while 2 not in groups():
                await asyncio.sleep(0.02)
        assert dig(f"n1.{DOMAIN}") == address(1)


@busy
async def test_who_floods_delays_nobody_else() -> None:
    """One application asks as fast as it can; what another waits for an answer stays below what a person notices."""
    async with running(scope(both=True)):
        calm = await client("ask", "150", "n@.github.com", app="app2")
        flood = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", "app1", "python3", str(CLIENT), "ask", "0", "n@.github.com"
        )
        try:
            await asyncio.sleep(1.5)
            busy = await client("ask", "150", "n@.github.com", app="app2")
        finally:
            flood.kill()
            await flood.wait()
        print("calm", calm, "beside a flood", busy)
        assert calm["lost"] == busy["lost"] == 0
        assert busy["median"] < 0.05


@busy
async def test_a_known_server_is_needed() -> None:
    """Configured ones first, else those that DHCP told the interface; with neither its host rules match nothing, and it says so."""
    of = scope(servers=())
    ((app, interface), (other, plain)) = of.interfaces
    assert names.believed(of, app, interface) == ()
    assert "no DNS server" in names.silent(of, app, interface)
    assert names.silent(of, other, plain) == ""
    told = replace(of, dns_told={of.numbers.vifs["app1/eth0"]: (ip_address(DNS),)})
    assert names.believed(told, app, interface) == (ip_address(DNS),)
    assert names.silent(told, app, interface) == ""
    configured = scope(servers=["192.0.2.53"])
    assert names.believed(configured, *configured.interfaces[0]) == (ip_address("192.0.2.53"),)
    async with running(of) as (_, agent):
        assert dig(f"n1.{DOMAIN}") == address(1)
        assert address(1) not in elements()
        await agent.once(*items(told))
        assert dig(f"n1.{DOMAIN}") == address(1)
        assert address(1) in elements()


@pytest.mark.fullkernel
@busy
async def test_in_a_vlan_an_answer_keeps_its_tag() -> None:
    """An interface that is a trunk asks in a VLAN: the tag stands beside the packet, and is written into the frame again."""
    async with running(scope(servers=["10.30.0.2"])):
        sh(
            "ip link set bn0 type bridge vlan_filtering 1; echo 1 >/proc/sys/net/bridge/bridge-nf-filter-vlan-tagged"
        )
        for link, host, own in ("app1.eth0", "app1", "10.30.0.10"), ("eth3", "site", "10.30.0.2"):
            sh(
                f"bridge vlan add dev {link} vid 100; ip -n {host} link add link eth0 name eth0.100 type vlan id 100;"
                f"ip -n {host} addr add {own}/24 dev eth0.100; ip -n {host} link set eth0.100 up"
            )
        assert dig(f"n5.{DOMAIN}", server="10.30.0.2") == address(5)
        assert address(5) in elements()
        assert dig(f"n6.{DOMAIN}", "+tcp", server="10.30.0.2") == address(6)
        assert address(6) in elements()


@contextmanager
def waiting(name: str, server: str = DNS) -> Iterator[tuple[int, Callable[[float], bool]]]:
    """An application that has asked for a name (number 7) and waits: its port, and whether an answer came in so many seconds.

    The site's server answers, too; it is stopped meanwhile.
    """
    sh("kill -STOP $(cat /run/site.pid)")
    code = (
        "import socket,sys\n"
        f"s=socket.socket(2, 2); s.bind(({APP1!r}, 0))\n"
        f"s.sendto(bytes.fromhex({question(name).hex()!r}), ({server!r}, 53))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "while True: s.recv(4096); print('answer', flush=True)\n"
    )
    process = subprocess.Popen(
        ["ip", "netns", "exec", "app1", "python3", "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    out = process.stdout
    try:
        yield int(out.readline()), lambda seconds: bool(select.select([out], [], [], seconds)[0])
    finally:
        process.kill()
        process.wait()
        out.close()
        sh("kill -CONT $(cat /run/site.pid)")


def question(name: str) -> bytes:
    asked = DNSRecord.question(name)
    asked.header.id = 7
    return bytes(asked.pack())
