"""Answers that are held: which are sent on, which may fill sets, and streams of TCP in their order."""

from __future__ import annotations

import random
import struct
from ipaddress import IPv4Address

from dnslib import QTYPE, RR, A, DNSRecord

from netnsmgr.core.agreed import ASKED, COPIED, HELD
from netnsmgr.kernel.nflog import Packet
from netnsmgr.services.flowlog.held import NEAR, QUESTIONS, Held, Stream, Taken
from netnsmgr.services.flowlog.scope import Vif
from tests.unit.services.flowlog.test_flows import udp

SERVER, CLIENT = "10.20.0.2", "10.20.0.10"
APP1 = Vif("app1", "eth0", 1, "app1.eth0", "02:00:00:00:00:01", ())
APP2 = Vif("app2", "eth0", 2, "app2.eth0", "02:00:00:00:00:02", ())


def held() -> Held:
    return Held(lambda name: name == "github.com" or name.endswith(".github.com"))


def question(name: str, ident: int) -> bytes:
    asked = DNSRecord.question(name)
    asked.header.id = ident
    return bytes(asked.pack())


def answer(name: str, ident: int, records: int = 1) -> bytes:
    asked = DNSRecord.parse(question(name, ident)).reply()
    for n in range(records):
        asked.add_answer(RR(name, QTYPE.A, rdata=A(f"192.0.2.{n}"), ttl=60))
    return bytes(asked.pack())


def logged(prefix: str, message: bytes, *, port: int = 4000, back: bool = False) -> Packet:
    head = udp(SERVER, 53, CLIENT, port, 0) if back else udp(CLIENT, port, SERVER, 53, 0)
    whole = head[:2] + struct.pack("!H", 28 + len(message)) + head[4:] + message
    return Packet(2, prefix, 0, 0, 0, 0, 0, whole)


def ask(of: Held, name: str, ident: int, *, vif: Vif = APP1, port: int = 4000) -> None:
    assert of.packet(logged(ASKED, question(name, ident), port=port), vif, None, log=False) == Taken()


def get(
    of: Held, message: bytes, *, vif: Vif = APP1, port: int = 4000, prefix: str = HELD, log: bool = False
) -> Taken:
    return of.packet(logged(prefix, message, port=port, back=True), None, vif, log=log)


def test_what_was_asked_is_believed_once() -> None:
    """By interface, ports, number and name, in whatever letters; and never a second time."""
    of = held()
    ask(of, "API.github.com", 7)
    taken = get(of, answer("api.GitHub.com", 7))
    assert taken.passes
    (seen,) = taken.believed
    assert (seen.vif, seen.client, seen.name, seen.answers[0].data) == (
        1,
        CLIENT,
        "api.github.com",
        "192.0.2.0",
    )
    assert get(of, answer("api.github.com", 7)) == Taken()


def test_what_was_not_asked_is_dropped() -> None:
    of = held()
    ask(of, "api.github.com", 7)
    for taken in (
        get(of, answer("api.github.com", 8)),
        get(of, answer("www.github.com", 7)),
        get(of, answer("api.github.com", 7), port=4001),
        get(of, answer("api.github.com", 7), vif=APP2),
    ):
        assert taken == Taken()


def test_other_names_pass_unread() -> None:
    """Nobody's rule speaks of them; only a flow log reads them."""
    of = held()
    assert get(of, answer("example.org", 7)) == Taken(passes=True)
    logged_too = get(of, answer("example.org", 7), log=True)
    assert (logged_too.passes, logged_too.believed, len(logged_too.seen)) == (True, (), 1)
    copied = get(of, answer("api.github.com", 7), prefix=COPIED, log=True)
    assert (copied.passes, copied.believed, len(copied.seen)) == (False, (), 1)


def test_one_interface_s_questions_push_out_only_its_own() -> None:
    of = held()
    ask(of, "api.github.com", 7)
    for n in range(2 * QUESTIONS):
        ask(of, "api.github.com", n, vif=APP2)
    assert get(of, answer("api.github.com", 7)).passes
    assert not get(of, answer("api.github.com", 7), vif=APP2).passes
    assert get(of, answer("api.github.com", 2 * QUESTIONS - 1), vif=APP2).passes


def test_who_has_gone_is_forgotten() -> None:
    of = held()
    ask(of, "api.github.com", 7)
    of.keep({"app2.eth0"})
    assert not get(of, answer("api.github.com", 7)).passes


def test_what_cannot_be_read_fills_nothing() -> None:
    """Ten thousand mutilated answers: none raises, none that lies about its name is believed."""
    of, chance = held(), random.Random(5)
    whole = answer("api.github.com", 7, 3)
    for _ in range(10_000):
        ask(of, "api.github.com", 7)
        broken = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        taken = get(of, bytes(broken))
        assert all(seen.name == "api.github.com" for seen in taken.believed)


def segment(prefix: str, sequence: int, data: bytes, *, back: bool = False, acknowledged: int = 0) -> Packet:
    ends = (SERVER, CLIENT, 53, 4000) if back else (CLIENT, SERVER, 4000, 53)
    source, target, sport, dport = ends
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, sequence & 0xFFFFFFFF, acknowledged, 5 << 4, 0x18, 0, 0, 0)
    return Packet(
        2, prefix, 0, 0, 0, 0, 0, head + IPv4Address(source).packed + IPv4Address(target).packed + tcp + data
    )


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


def test_a_connection_is_held_in_its_order() -> None:
    """Segments before the last pass at once; one that comes too early is dropped, one that comes again passes again."""
    of = held()
    asked, found = framed(question("api.github.com", 7)), framed(answer("api.github.com", 7, 100))
    begin = 0xFFFFFF00  # the numbers wrap
    of.packet(segment(ASKED, 100, asked[:2], acknowledged=begin), APP1, None, log=False)
    of.packet(segment(ASKED, 102, asked[2:], acknowledged=begin), APP1, None, log=False)
    pieces = [(at, found[at : at + 500]) for at in range(0, len(found), 500)]

    def take(at: int, data: bytes) -> Taken:
        return of.packet(segment(HELD, begin + at, data, back=True), None, APP1, log=False)

    assert not take(*pieces[1]).passes
    for at, data in pieces[:-1]:
        assert take(at, data) == Taken(passes=True)
    assert take(*pieces[0]) == Taken(passes=True)
    last = take(*pieces[-1])
    assert last.passes
    assert [len(seen.answers) for seen in last.believed] == [64]
    assert of.packet(segment(HELD, begin, b"", back=True), None, APP1, log=False).passes


def test_of_a_connection_that_lies_nothing_passes_any_more() -> None:
    of = held()
    of.packet(
        segment(ASKED, 100, framed(question("api.github.com", 7)), acknowledged=500), APP1, None, log=False
    )
    lie = segment(HELD, 500, framed(answer("www.github.com", 7)), back=True)
    assert not of.packet(lie, None, APP1, log=False).passes
    assert not of.packet(lie, None, APP1, log=False).passes
    # The same ports, later: another connection.
    of.packet(
        segment(ASKED, 5 * NEAR, framed(question("api.github.com", 8)), acknowledged=900),
        APP1,
        None,
        log=False,
    )
    right = segment(HELD, 900, framed(answer("api.github.com", 8)), back=True)
    assert of.packet(right, None, APP1, log=False).believed


def test_a_stream_gives_whole_messages() -> None:
    stream = Stream(10)
    assert stream.feed(10, b"\0\3ab") == []
    assert stream.feed(12, b"ab") == []
    assert stream.feed(14, b"c\0\1x\0") == [b"abc", b"x"]
    assert stream.feed(20, b"late") is None
    assert stream.feed(19, b"\0") == [b""]
