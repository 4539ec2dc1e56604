"""What is read of packets that tell of addresses, and that none of them breaks anything."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.core.observation import (
    Answer,
    Claim,
    Grant,
    Observation,
    Refusal,
    Request,
    Return,
    Servers,
)
from netnsmgr.kernel.nflog import Packet
from netnsmgr.kernel.observations import MOST_OPTIONS, MOST_SERVERS, observations
from netnsmgr.kernel.questions import Whom, frame

MAC = bytes.fromhex("020000000001")
A, DNS, SIX = IPv4Address("192.168.0.10"), IPv4Address("192.168.0.1"), IPv6Address("fd00::12:3456")
FROM, TO = 5, 0
"""Marks."""


def packet(prefix: str, payload: bytes, mark: int = FROM, tag: int = 0) -> Packet:
    return Packet(5, prefix, mark, 1, 0, 2, 0, payload, MAC + bytes(8), tag)


def arp(address: IPv4Address = A, operation: int = 1) -> bytes:
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + MAC + address.packed + bytes(6) + DNS.packed


def ip6(source: IPv6Address, target: IPv6Address, following: int, body: bytes, limit: int = 255) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), following, limit) + source.packed + target.packed + body


def nd(
    kind: int, source: str = "::", to: str = "ff02::1:ff12:3456", target: IPv6Address = SIX, **more: int
) -> bytes:
    body = struct.pack("!BBHI", kind, more.pop("code", 0), 0, 0) + target.packed
    return ip6(IPv6Address(source), IPv6Address(to), 58, body, **more)


def dhcp(
    kind: int | None,
    options: bytes = b"",
    *,
    op: int = 2,
    yiaddr: str = "192.168.0.10",
    ciaddr: str = "0.0.0.0",
) -> bytes:
    head = struct.pack("!BBBBIHH", op, 1, 6, 0, 7, 0, 0)
    head += IPv4Address(ciaddr).packed + IPv4Address(yiaddr).packed + bytes(8) + MAC + bytes(10 + 192)
    told = bytes([53, 1, kind]) if kind is not None else b""
    body = head + b"\x63\x82\x53\x63" + told + options + b"\xff"
    udp = struct.pack("!HHHH", 67, 68, 8 + len(body), 0) + body
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + DNS.packed + A.packed
    return ip + udp


LEASE = bytes([51, 4, 0, 0, 0x0E, 0x10])


def option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def dhcp6(kind: int, *options: bytes) -> bytes:
    body = bytes([kind, 1, 2, 3]) + b"".join(options)
    udp = struct.pack("!HHHH", 547, 546, 8 + len(body), 0) + body
    return ip6(IPv6Address("fe80::1"), IPv6Address("fe80::2"), 17, udp, 64)


def ia(address: IPv6Address, valid: int, code: int = 3) -> bytes:
    inner = option(5, address.packed + struct.pack("!II", valid, valid))
    return option(code, b"\0\0\0\7" + (bytes(8) if code == 3 else b"") + inner)


CLIENT = option(1, b"\0\3\0\1" + MAC)


def said(prefix: str, payload: bytes, mark: int = FROM, tag: int = 0) -> list[Observation]:
    """Of DHCP what a server answers is told by another prefix."""
    if mark == TO:
        prefix = prefix.replace("dhcp", "answer")
    return observations(packet(prefix, payload, mark, tag), {MAC.hex(":"): 5})


def told(prefix: str, payload: bytes, tag: int = 0) -> list[Grant | Refusal | Servers]:
    """Return what a server's message tells; its number is that of the builders here."""
    (answer,) = said(prefix, payload, TO, tag)
    assert isinstance(answer, Answer)
    assert (answer.vif, answer.transaction) == (5, (4, 7) if prefix == "dhcp" else (6, 0x010203))
    return list(answer.told)


def test_arp() -> None:
    for operation in (1, 2):
        assert said("arp", arp(operation=operation), tag=7) == [Claim(5, A, 7)]


@pytest.mark.parametrize(
    ("payload", "mark"),
    [(arp(operation=3), FROM), (arp()[:27], FROM), (b"\0\2" + arp()[2:], FROM), (arp(), TO), (b"", FROM)],
)
def test_arp_that_says_nothing(payload: bytes, mark: int) -> None:
    assert said("arp", payload, mark) == []


def test_neighbour_discovery() -> None:
    assert said("nd", nd(135)) == [Claim(5, SIX, tentative=True)]
    assert said("nd", nd(135, "fd00::9", "fd00::1")) == [Claim(5, IPv6Address("fd00::9"))]
    assert said("nd", nd(136, "fe80::9", "ff02::1"), tag=3) == [Claim(5, SIX, 3)]


@pytest.mark.parametrize(
    "payload",
    [
        nd(135, limit=254),
        nd(135, code=1),
        nd(135, to="ff02::1:ff12:3457"),
        nd(134),
        nd(135)[:63],
        b"\x45" + nd(135)[1:],
        ip6(SIX, SIX, 17, bytes(24)),
    ],
)
def test_neighbour_discovery_that_says_nothing(payload: bytes) -> None:
    assert said("nd", payload) == []


def test_an_acknowledgement() -> None:
    servers = bytes([6, 8]) + DNS.packed + A.packed
    assert told("dhcp", dhcp(5, LEASE + servers), 2) == [
        Grant(5, A, 3600, "2 "),
        Servers(5, (DNS, A)),
    ]
    ever = bytes([51, 4, 255, 255, 255, 255])
    assert told("dhcp", dhcp(5, ever)) == [Grant(5, A, None, "0 ")]
    long = bytes([51, 4, 0x80, 0, 0, 0])
    assert told("dhcp", dhcp(5, long)) == [Grant(5, A, 1 << 31, "0 ")]


def test_clients_are_told_apart() -> None:
    ids = [bytes([61, 7, 1]) + MAC, bytes([61, 3, 255, 1, 2]), b""]
    found = {told("dhcp", dhcp(5, LEASE + each))[0] for each in ids}
    assert len(found) == 3
    refused = told("dhcp", dhcp(6, ids[0]))
    (given,) = told("dhcp", dhcp(5, LEASE + ids[0]))
    assert isinstance(given, Grant)
    assert refused == [Refusal(5, given.client)]


def test_what_servers_really_send_beside_it() -> None:
    odd = bytes([43, 4, 0xFF, 0xFE, 0x80, 1, 12, 2, 0xFF, 0xFE, 252, 1, 9, 224, 0, 0, 0])
    assert told("dhcp", dhcp(5, odd + LEASE)) == [Grant(5, A, 3600, "0 ")]


def test_an_answer_to_inform_gives_servers_only() -> None:
    servers = bytes([6, 4]) + DNS.packed
    assert told("dhcp", dhcp(5, servers, yiaddr="0.0.0.0")) == [Servers(5, (DNS,))]


def test_release_and_decline() -> None:
    assert said("dhcp", dhcp(7, op=1, ciaddr=str(A), yiaddr="0.0.0.0")) == [Return(5, A)]
    asked = bytes([50, 4]) + A.packed
    assert said("dhcp", dhcp(4, asked, op=1, yiaddr="0.0.0.0")) == [Return(5, A)]


@pytest.mark.parametrize(
    ("payload", "mark"),
    [
        (dhcp(5, LEASE), FROM),
        (dhcp(7, op=1, ciaddr=str(A)), TO),
        (dhcp(2, LEASE), TO),
        (dhcp(None, LEASE), TO),
        (dhcp(5), TO),
        (dhcp(1, op=1), FROM),
        (dhcp(3, op=1), TO),
        (dhcp(3), FROM),
        (dhcp(4, op=1), FROM),
        (dhcp(5, LEASE)[:100], TO),
        (b"\x45" + bytes(19), TO),
        (b"", TO),
    ],
)
def test_messages_that_say_nothing(payload: bytes, mark: int) -> None:
    assert said("dhcp", payload, mark) == []


REQUESTS = [
    ("dhcp", dhcp(3, op=1)),
    ("dhcp", dhcp(8, op=1)),
    ("dhcp", dhcp(1, bytes([80, 0]), op=1)),
    *(("dhcp6", dhcp6(kind, CLIENT)) for kind in (3, 4, 5, 6, 11)),
    ("dhcp6", dhcp6(1, CLIENT, option(14, b""))),
]


@pytest.mark.parametrize(("kind", "payload"), REQUESTS)
def test_what_asks_for_an_acknowledgement(kind: str, payload: bytes) -> None:
    assert said(kind, payload) == [Request(5, (4, 7) if kind == "dhcp" else (6, 0x010203))]
    assert said(kind, payload, TO) == []


def test_what_clients_really_send_beside_it() -> None:
    odd = bytes(
        [60, 2, 0xFF, 0xFE, 12, 2, 0xFF, 0xFE, 81, 4, 0, 0, 0, 0xFF, 55, 3, 1, 3, 6, 0, 0, 119, 1, 0xFF]
    )
    assert said("dhcp", dhcp(3, odd, op=1)) == [Request(5, (4, 7))]


def test_who_only_looks_for_servers_asks_for_nothing() -> None:
    assert said("dhcp6", dhcp6(1, CLIENT)) == []


def test_a_reply() -> None:
    servers = option(23, IPv6Address("fd00::1").packed + IPv6Address("fd00::2").packed)
    whose = CLIENT[4:].hex()
    found = told("dhcp6", dhcp6(7, CLIENT, ia(SIX, 600), ia(SIX + 1, 0xFFFFFFFF, 4), servers), 6)
    assert found == [
        Grant(5, SIX, 600, f"6 {whose} 00000007"),
        Grant(5, SIX + 1, None, f"6 {whose} 00000007"),
        Servers(5, (IPv6Address("fd00::1"), IPv6Address("fd00::2"))),
    ]


def test_release_and_decline_of_dhcp6() -> None:
    for kind in (8, 9):
        assert said("dhcp6", dhcp6(kind, CLIENT, ia(SIX, 0))) == [Return(5, SIX)]
        assert said("dhcp6", dhcp6(kind, CLIENT, ia(SIX, 0)), TO) == []
    assert said("dhcp6", dhcp6(7, CLIENT, ia(SIX, 600))) == []


def test_a_prefix_is_no_address() -> None:
    prefix = option(26, struct.pack("!IIB", 600, 600, 56) + SIX.packed)
    assert said("dhcp6", dhcp6(7, CLIENT, option(25, bytes(12) + prefix)), TO) == []


def test_messages_are_read_so_far() -> None:
    assert len(told("dhcp6", dhcp6(7, *[ia(SIX + n, 9) for n in range(200)]))) == MOST_OPTIONS
    (servers,) = told("dhcp6", dhcp6(7, option(23, bytes(16 * 50))))
    assert isinstance(servers, Servers)
    assert len(servers.addresses) == MOST_SERVERS


SEEDS = {
    "arp": [arp()],
    "nd": [nd(135), nd(136, "fe80::9", "ff02::1")],
    "dhcp": [
        dhcp(5, LEASE + bytes([6, 4, 1, 2, 3, 4, 61, 7, 1]) + MAC),
        dhcp(4, LEASE, op=1),
        dhcp(6),
        dhcp(3, op=1),
    ],
    "dhcp6": [dhcp6(7, CLIENT, ia(SIX, 600), ia(SIX, 6, 4), option(23, SIX.packed)), dhcp6(8, ia(SIX, 0))],
}


@given(
    st.sampled_from([(kind, seed) for kind, seeds in SEEDS.items() for seed in seeds]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=12),
    st.integers(0, 400),
    st.binary(max_size=40),
    st.sampled_from([FROM, TO]),
)
def test_whatever_comes(
    seed: tuple[str, bytes], changes: list[tuple[int, int]], keep: int, more: bytes, mark: int
) -> None:
    """Mutilated packets raise nothing, and say nothing of anybody but whom their mark names, nor much."""
    kind, payload = seed[0], bytearray(seed[1])
    for at, value in changes:
        payload[at % len(payload)] = value
    found = said(kind, bytes(payload[:keep]) + more, mark)
    assert all(each.vif == 5 for each in found)
    parts = [part for each in found if isinstance(each, Answer) for part in each.told]
    assert len(found) + len(parts) <= MOST_OPTIONS * MOST_OPTIONS
    assert all(part.vif == 5 for part in parts)
    assert all(len(part.client) < 1000 for part in parts if isinstance(part, Grant | Refusal))


@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=400), st.sampled_from([FROM, TO]))
def test_whatever_else_comes(kind: str, payload: bytes, mark: int) -> None:
    assert all(each.vif == 5 for each in said(kind, payload, mark))


def test_questions() -> None:
    """One is asked by ARP without a sender, or by a solicitation from the link-local address of who asks."""
    whom, own = Whom("v", "02:00:00:00:00:01", 0, A), "02:00:00:00:00:99"
    asked = frame(whom, own)
    assert asked[:14].hex() == "020000000001020000000099" + "0806"
    assert said("arp", asked[14:]) == [Claim(5, IPv4Address(0))]
    assert asked[38:42] == A.packed
    tagged = frame(whom._replace(tag=100), own)
    assert tagged[12:18].hex() == "8100" + "0064" + "0806"
    six = frame(whom._replace(address=SIX), own)
    assert said("nd", six[14:]) == [Claim(5, IPv6Address("fe80::ff:fe00:99"))]
    assert six[62:78] == SIX.packed
