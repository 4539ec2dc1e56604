"""What an interface may say of IPv6, frame by frame on a real bridge: whoever lies is heard by nobody."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import pytest

from netnsmgr.core.agreed import METADATA6
from tests.kernel.frames6 import (
    AH,
    ALL_NODES,
    DONE,
    FRAGMENT,
    HOP,
    ICMP6,
    NONCE,
    OPTIONS,
    QUERY,
    REDIRECT,
    REPORT,
    REPORT2,
    ROUTING,
    RS,
    SLLAO,
    TCP,
    TLLAO,
    UDP,
    advertise,
    behind,
    fragments,
    icmp,
    option,
    packet,
    router,
    solicit,
    solicited,
    summed,
    udp,
)
from tests.kernel.guardstage import BRIDGE, GATEWAY, LOCAL, MACS, Bridge
from tests.lab import isolated

ONE, TWO, FREE, LEFT = "fd00:10:1::11", "fd00:10:1::22", "fd00:10:1::99", "fd00:10:2::99"
HELD = {ONE: 1, TWO: 2}
ME, HIM, THIRD = MACS[1], MACS[2], MACS[3]


def on_a_bridge(test: Callable[[Bridge], Awaitable[None]], **how: bool | int) -> None:
    async def run() -> None:
        async with Bridge(HELD, **how) as bridge:  # type: ignore[arg-type]
            await test(bridge)

    asyncio.run(run())


def check(bridge: Bridge, expected: bool, cases: dict[str, bytes | list[bytes]]) -> None:
    """Each of these alone: nobody has come first before."""
    wrong = []
    for name, case in cases.items():
        bridge.forget()
        if bridge.passes(1, *(case if isinstance(case, list) else [case])) != expected:
            wrong.append(name)
    assert wrong == [], f"{'dropped' if expected else 'passed'}: {wrong}"


def dad(address: str, *options: bytes, headers: tuple[int, ...] = (), hops: int = 255) -> bytes:
    return packet("::", solicited(address), ICMP6, solicit(address, *options), headers, hops)


def nd(
    source: str, payload: bytes, target: str = TWO, headers: tuple[int, ...] = (), hops: int = 255
) -> bytes:
    return packet(source, target, ICMP6, payload, headers, hops)


def honest() -> dict[str, bytes | list[bytes]]:
    mine, his = option(SLLAO, ME), option(TLLAO, ME)
    ping = icmp(128, b"word" * 100)
    src, dst = (ip_address(each).packed for each in (ONE, TWO))
    return {
        "udp": packet(ONE, TWO, UDP, udp(5000, 5000)),
        "udp from the link's own": packet(LOCAL[1], LOCAL[2], UDP, udp(5000, 5000)),
        "udp from one that nobody holds": packet(FREE, TWO, UDP, udp(5000, 5000)),
        "udp from the old prefix": packet(LEFT, TWO, UDP, udp(5000, 5000)),
        "udp from another link-local": packet("fe80::77", TWO, UDP, udp(5000, 5000)),
        "udp behind headers": packet(ONE, TWO, UDP, udp(5000, 5000), (HOP, OPTIONS, ROUTING)),
        "sctp": packet(ONE, TWO, 132, bytes(12)),
        "multicast dns": packet(LOCAL[1], "ff02::fb", UDP, udp(5353, 5353)),
        "ping": nd(ONE, ping),
        "ping behind headers": nd(ONE, ping, headers=(HOP, OPTIONS)),
        "ping in pieces": fragments(ONE, TWO, ICMP6, summed(src, dst, ICMP6, ping), 64),
        "udp in pieces": fragments(ONE, TWO, UDP, summed(src, dst, UDP, udp(5000, 5000, bytes(200))), 64),
        "too big": nd(ONE, struct.pack("!BBHI", 2, 0, 0, 1280) + packet(TWO, ONE, UDP, udp(1, 2))),
        "detection": dad(FREE),
        "detection of a link-local": dad("fe80::77"),
        "detection with a nonce": dad(FREE, option(NONCE, b"123456")),
        "detection of his own": dad(ONE),
        # Who holds it will say so.
        "detection of another's": dad(TWO),
        "solicitation": nd(ONE, solicit(TWO, mine), solicited(TWO)),
        "solicitation of the gateway": nd(ONE, solicit(GATEWAY, mine), solicited(GATEWAY)),
        "solicitation without option": nd(LOCAL[1], solicit(TWO), TWO),
        "advertisement": nd(ONE, advertise(ONE, his)),
        "advertisement without option": nd(ONE, advertise(ONE)),
        "advertisement to all": nd(LOCAL[1], advertise(FREE, his), ALL_NODES),
        "advertisement by another of his addresses": nd(ONE, advertise(LOCAL[1], his)),
        "router solicitation": nd(LOCAL[1], icmp(RS, mine), "ff02::2"),
        "router solicitation of nobody": nd("::", icmp(RS), "ff02::2"),
        "report": nd(LOCAL[1], icmp(REPORT2, bytes(20)), "ff02::16", (HOP,), 1),
        "report of nobody": nd("::", icmp(REPORT2, bytes(20)), "ff02::16", (HOP,), 1),
        "old report": nd(LOCAL[1], icmp(REPORT, bytes(16)), "ff02::fb", (HOP,), 1),
        "old done": nd(LOCAL[1], icmp(DONE, bytes(16)), "ff02::2", (HOP,), 1),
    }


def sources() -> dict[str, bytes | list[bytes]]:
    """Packets of others."""
    others = {
        "neighbour": TWO, "neighbour's link": LOCAL[2], "gateway": GATEWAY, "bridge": BRIDGE,
        "routers' anycast": "fd00:10:1::", "foreign": "2001:db8::1", "nobody": "::", "loopback": "::1",
        "mapped": "::ffff:10.10.1.5", "multicast": "ff02::1", "not this link": "fe80:1::5",
        **{f"metadata {address}": address for address in METADATA6},
    }  # fmt: skip
    found: dict[str, bytes | list[bytes]] = {}
    for name, source in others.items():
        found[f"udp of {name}"] = packet(source, TWO, UDP, udp(5000, 5000))
        found[f"tcp of {name} to many"] = packet(source, ALL_NODES, TCP, bytes(20))
        found[f"ping of {name}"] = nd(source, icmp(128))
        found[f"pieces of {name}"] = fragments(source, TWO, UDP, udp(5000, 5000, bytes(200)), 64)
        found[f"solicitation of {name}"] = nd(source, solicit("fd00:10:1::33", option(SLLAO, ME)))
        found[f"advertisement of {name}"] = nd(source, advertise(ONE, option(TLLAO, ME)))
        if name != "foreign":
            found[f"advertisement for {name}"] = nd(ONE, advertise(source, option(TLLAO, ME)), ALL_NODES)
        if name != "nobody":
            found[f"router solicitation of {name}"] = nd(source, icmp(RS, option(SLLAO, ME)), "ff02::2")
            found[f"report of {name}"] = nd(source, icmp(REPORT2, bytes(20)), "ff02::16", (HOP,), 1)
    # What it is called in a multicast address belongs to no sender: nobody looks such an address up.
    return {name: case for name, case in found.items() if name not in {"advertisement for loopback"} | {
        f"advertisement for {each}" for each in ("nobody", "mapped", "multicast", "not this link")}}  # fmt: skip


def discovery() -> dict[str, bytes | list[bytes]]:
    """Neighbour discovery that no honest host sends."""
    mine, his, theirs = option(SLLAO, ME), option(TLLAO, ME), option(TLLAO, THIRD)
    good = {
        "solicitation": (ONE, solicit(TWO, mine), TWO),
        "detection": ("::", solicit(FREE), solicited(FREE)),
        "advertisement": (ONE, advertise(ONE, his), ALL_NODES),
        "router solicitation": (LOCAL[1], icmp(RS, mine), "ff02::2"),
    }
    found: dict[str, bytes | list[bytes]] = {}
    for name, (source, payload, target) in good.items():
        src, dst = ip_address(source).packed, ip_address(target).packed
        whole = summed(src, dst, ICMP6, payload)
        for kind in (HOP, OPTIONS, ROUTING, AH, FRAGMENT):
            found[f"{name} behind {kind}"] = nd(source, payload, target, (kind,))
        found[f"{name} behind many"] = nd(source, payload, target, (HOP, OPTIONS, OPTIONS))
        found[f"{name} in pieces"] = fragments(source, target, ICMP6, whole, 16)
        found[f"{name} in eights"] = fragments(source, target, ICMP6, whole, 8)
        found[f"{name} from afar"] = nd(source, payload, target, hops=254)
        found[f"{name} with a code"] = nd(source, payload[:1] + b"\1" + payload[2:], target)
        found[f"{name} with more"] = nd(source, payload + option(5, bytes(6)), target)
        found[f"{name} twice the option"] = nd(source, payload + mine + mine, target)
        found[f"{name} too long"] = nd(source, payload + bytes(8), target)
        found[f"{name} cut"] = nd(source, payload[: 23 if name != "router solicitation" else 7], target)
    return found | {
        "another's mac in a solicitation": nd(ONE, solicit(TWO, option(SLLAO, THIRD))),
        "another's mac in an advertisement": nd(ONE, advertise(ONE, theirs), ALL_NODES),
        "another's mac in a router solicitation": nd(LOCAL[1], icmp(RS, option(SLLAO, THIRD)), "ff02::2"),
        "the wrong option in a solicitation": nd(ONE, solicit(TWO, option(TLLAO, ME))),
        "the wrong option in an advertisement": nd(ONE, advertise(ONE, option(SLLAO, ME))),
        "detection with a mac": dad(FREE, mine),
        "detection to one": nd("::", solicit(FREE), TWO),
        "router solicitation of nobody with a mac": nd("::", icmp(RS, mine), "ff02::2"),
        "report from afar": nd(LOCAL[1], icmp(REPORT2, bytes(20)), "ff02::16", (HOP,), 64),
        "report by a global address": nd(ONE, icmp(REPORT2, bytes(20)), "ff02::16", (HOP,), 1),
    }


def gateways() -> dict[str, bytes | list[bytes]]:
    """Whatever would make one everybody's router, server, or listener; in all the ways of hiding it (RFC 7113)."""
    found: dict[str, bytes | list[bytes]] = {}
    kinds: dict[str, tuple[int, bytes]] = {
        "router advertisement": (ICMP6, router()),
        "redirect": (ICMP6, icmp(REDIRECT, bytes(32))),
        "query": (ICMP6, icmp(QUERY, bytes(20))),
        "server's answer": (UDP, udp(547, 546, b"\2\0\0\1" + bytes(60))),
        **{f"type {kind}": (ICMP6, icmp(kind, bytes(32))) for kind in (0, 138, 141, 142, 151, 152, 153)},
    }
    mine = LOCAL[1]
    for name, (last, payload) in kinds.items():
        for target in (ALL_NODES, LOCAL[2]):
            src, dst = ip_address(mine).packed, ip_address(target).packed
            whole = summed(src, dst, last, payload)

            def add(how: str, case: bytes | list[bytes], name: str = name, target: str = target) -> None:
                found[f"{name} {how} to {target}"] = case

            add("plain", packet(mine, target, last, payload))
            add("near", packet(mine, target, last, payload, hops=1))
            for kind in (HOP, OPTIONS, ROUTING, AH, FRAGMENT):
                if (kind, last) != (AH, UDP):  # needs a key that the receiver has
                    add(f"behind {kind}", packet(mine, target, last, payload, (kind,)))
            add("behind all", packet(mine, target, last, payload, (HOP, OPTIONS, ROUTING, OPTIONS)))
            add("behind all and twice", packet(mine, target, last, payload, (HOP, OPTIONS, AH, AH)))
            add("behind twenty", packet(mine, target, last, payload, (HOP, *(OPTIONS,) * 20)))
            add("behind a fragment and options", packet(mine, target, last, payload, (FRAGMENT, OPTIONS)))
            add("behind two fragments", packet(mine, target, last, payload, (FRAGMENT, FRAGMENT)))
            for size in (8, 16, 48):
                add(f"in pieces of {size}", fragments(mine, target, last, whole, size))
                add(f"in pieces of {size}, upside down", fragments(mine, target, last, whole, size)[::-1])
                add(
                    f"in pieces of {size} behind options",
                    fragments(mine, target, last, whole, size, before=OPTIONS),
                )
                for inner in ((OPTIONS,), (OPTIONS, OPTIONS), (AH,), (ROUTING,)):
                    number, data = behind(inner, last, whole)
                    add(
                        f"in pieces of {size} with {inner} in them",
                        fragments(mine, target, number, data, size),
                    )
            pieces = fragments(mine, target, last, whole, 16)
            # What the first says counts (RFC 8200, 4.5); the others may say that they are something else.
            add(
                "with another rest",
                [pieces[0], *(each[:40] + bytes([TCP]) + each[41:] for each in pieces[1:])],
            )
    return found


@isolated
def test_honest_hosts_are_heard() -> None:
    async def run(bridge: Bridge) -> None:
        check(bridge, True, honest())

    on_a_bridge(run)


@pytest.mark.parametrize("lies", [sources, discovery, gateways])
def test_lies_are_not(lies: Callable[[], dict[str, bytes | list[bytes]]]) -> None:
    async def run(bridge: Bridge) -> None:
        check(bridge, False, lies())
        # Nor does anything of it keep honest ones from being heard.
        check(bridge, True, honest())

    isolated(on_a_bridge, timeout=120)(run)


@isolated
def test_without_ipv6_nobody_is_a_router_either() -> None:
    """Applications of a network without IPv6 have link-local addresses, and would believe whoever gave them others."""

    async def run(bridge: Bridge) -> None:
        lies = {
            name: case
            for name, case in gateways().items()
            if name.startswith(("router advertisement", "redirect", "server's answer"))
        }
        check(bridge, False, lies)
        check(bridge, True, honest())

    on_a_bridge(run, ipv6=False)
