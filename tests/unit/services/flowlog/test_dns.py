"""Questions and answers, whose they are, and for how long an address belongs to a host rule."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from ipaddress import IPv6Address

import pytest
from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord

from netnsmgr.kernel.nflog import Packet
from netnsmgr.pubsub.row import MAX_ROW, dump
from netnsmgr.services.flowlog.dns import (
    Answer,
    Conversations,
    Incomplete,
    Observation,
    covering,
    observation,
    record,
)
from netnsmgr.services.flowlog.hosts import GRACE, PAST, HostSets, commands
from netnsmgr.services.flowlog.ring import RECORDS, Book
from tests.unit.services.flowlog.test_flows import udp

HOSTS = {"github.com": {"set": "aa", "static": []}, "api.github.com": {"set": "bb", "static": ["192.0.2.9"]}}


def messages(name: str = "API.github.com", *, ident: int = 77) -> tuple[bytes, bytes]:
    """A question and its answer: an alias and two addresses."""
    asked = DNSRecord.question(name)
    asked.header.id = ident
    answer = asked.reply()
    answer.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME("lb.example.net"), ttl=500))
    for n, ttl in ((9, 60), (10, 70)):
        answer.add_answer(RR("lb.example.net", QTYPE.A, rdata=A(f"192.0.2.{n}"), ttl=ttl))
    return asked.pack(), answer.pack()


def logged(src: str, sport: int, dst: str, dport: int, message: bytes, mark: int = 0) -> Packet:
    return Packet(2, "", mark, 3 if dport == 53 else 0, 0, 0, 0, udp(src, sport, dst, dport, 0) + message)


def talk(talks: Conversations, mark: int) -> Observation | None:
    asked, answer = messages()
    assert talks.packet(logged("10.10.1.10", 4444, "10.10.1.1", 53, asked, mark)) is None
    return talks.packet(logged("10.10.1.1", 53, "10.10.1.10", 4444, answer))


def test_an_answer_is_whose_question_it_was() -> None:
    """The question's mark says who asked; nothing is guessed from a mark that is not there."""
    seen = talk(Conversations(), 3)
    assert seen is not None
    assert (seen.vif, seen.client, seen.name, seen.type, seen.status) == (
        3,
        "10.10.1.10",
        "api.github.com",
        "A",
        "NOERROR",
    )
    assert [(a.type, a.data, a.ttl) for a in seen.answers][1:] == [
        ("A", "192.0.2.9", 60),
        ("A", "192.0.2.10", 70),
    ]
    made = record(seen, "eth0", 5.0)
    assert (made["answers"], made["ttl"]) == (["lb.example.net", "192.0.2.9", "192.0.2.10"], 60)
    unmarked = talk(Conversations(), 0)
    assert unmarked is not None
    assert unmarked.vif == 0


def test_over_ipv6_and_of_aaaa() -> None:
    """The asker is told by the question over IPv6, too; addresses are written as everybody writes them (RFC 5952)."""
    asked = DNSRecord.question("api.github.com", "AAAA")
    answer = asked.reply()
    for data in ("2001:db8:0:0:1:0:0:0", "2001:db8::9"):
        answer.add_answer(RR("api.github.com", QTYPE.AAAA, rdata=AAAA(data), ttl=60))

    def over6(message: bytes, ports: tuple[int, int], link: int, mark: int = 0) -> Packet:
        addresses = (IPv6Address("fd00::10"), IPv6Address("fd00::1"))[:: 1 if ports[1] == 53 else -1]
        head = struct.pack("!IHBB", 6 << 28, 8 + len(message), 17, 64) + b"".join(a.packed for a in addresses)
        return Packet(
            2, "", mark, link, 0, 0, 0, head + struct.pack("!HHHH", *ports, 8 + len(message), 0) + message
        )

    talks = Conversations()
    assert talks.packet(over6(asked.pack(), (4444, 53), 3, 7)) is None
    seen = talks.packet(over6(answer.pack(), (53, 4444), 0))
    assert seen is not None
    assert (seen.vif, seen.client, seen.type) == (7, "fd00::10", "AAAA")
    assert [each.data for each in seen.answers] == ["2001:db8:0:0:1::", "2001:db8::9"]
    static = HOSTS | {"api.github.com": {"set": "bb", "static": ["2001:db8:0:0:1::"]}}
    found = HostSets().elements(seen, static, 0.0)
    assert {name for name, _ in found} == {"host_aa_6", "past_aa_6", "host_bb_6", "past_bb_6"}
    assert ("host_bb_6", "2001:db8:0:0:1::") not in found


def test_over_tcp_a_whole_answer_is_read_and_half_a_one_is_said() -> None:
    """Handshakes are nothing; an answer in several segments counts as lost."""
    _, answer = messages()
    head = bytearray(udp("10.10.1.1", 53, "10.10.1.10", 4444, 0)[:20])
    head[9] = 6
    tcp = b"\0\x35\x11\x5c" + b"\0" * 8 + b"\x50" + b"\0" * 7
    whole = bytes(head) + tcp + len(answer).to_bytes(2, "big") + answer
    seen = Conversations().packet(Packet(2, "", 0, 0, 0, 0, 0, whole))
    assert seen is not None
    assert seen.name == "api.github.com"
    assert Conversations().packet(Packet(2, "", 0, 0, 0, 0, 0, bytes(head) + tcp)) is None
    with pytest.raises(Incomplete):
        Conversations().packet(Packet(2, "", 0, 0, 0, 0, 0, whole[:-10]))


def test_whatever_an_application_sends() -> None:
    """Mutilated messages are refused in one way, and open questions are bounded."""
    _, answer = messages()
    chance = random.Random(1)
    for _ in range(3000):
        broken = bytearray(answer)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with suppress(Incomplete):
            observation(0, "10.10.1.10", bytes(broken[: chance.randrange(len(broken) + 1)]))
    talks = Conversations()
    for n in range(5000):
        talks.packet(logged("10.10.1.10", n, "10.10.1.1", 53, messages()[0], 3))
    assert len(talks._asked) <= 2048


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("github.com", ["github.com"]),
        ("x.api.github.com", ["api.github.com", "github.com"]),
        ("notgithub.com", []),
        ("com", []),
        ("", []),
    ],
)
def test_what_covers_a_name(name: str, found: list[str]) -> None:
    """A domain covers itself and what lies below it, at dots only."""
    assert list(covering(name, HOSTS)) == found


def test_elements_live_as_long_as_answers() -> None:
    """In the sets of all domains above the name, 30 s longer; a later answer with a shorter life takes nothing away; a
    static address is left alone."""
    sets = HostSets()
    seen = talk(Conversations(), 3)
    assert seen is not None
    first = sets.elements(seen, HOSTS, 1000.0)
    assert first == {
        ("host_aa_4", "192.0.2.9"): 60 + GRACE, ("past_aa_4", "192.0.2.9"): PAST,
        ("host_aa_4", "192.0.2.10"): 70 + GRACE, ("past_aa_4", "192.0.2.10"): PAST,
        ("host_bb_4", "192.0.2.10"): 70 + GRACE, ("past_bb_4", "192.0.2.10"): PAST,
    }  # fmt: skip
    shorter = seen._replace(answers=tuple(a._replace(ttl=5) for a in seen.answers))
    assert sets.elements(shorter, HOSTS, 1010.0)["host_aa_4", "192.0.2.9"] == 60 + GRACE - 10
    assert sets.elements(seen._replace(name="example.org"), HOSTS, 1000.0) == {}


def test_the_transaction_leaves_no_gap() -> None:
    """Added, so that it can be deleted, deleted, so that it can be added with its time."""
    assert commands([(("host_aa_4", "192.0.2.9"), 90)]).splitlines() == [
        "add element inet netnsmgr_acl host_aa_4 { 192.0.2.9 }",
        "delete element inet netnsmgr_acl host_aa_4 { 192.0.2.9 }",
        "add element inet netnsmgr_acl host_aa_4 { 192.0.2.9 timeout 90s }",
    ]


def test_a_row_of_the_longest_records_fits_into_the_hub() -> None:
    """Whatever names and texts an application asks for."""
    for letter in ("x", '"', "\u1234", "\0"):
        answers = tuple(Answer("TXT", letter * 4000, 1) for _ in range(50))
        seen = Observation(1, "10.10.1.10", letter * 300, "TXT", "NOERROR", answers)
        book = Book("ni1")
        for n in range(RECORDS):
            book.add("app1", n, record(seen, "eth0", 1e9))
        ((_, row),) = book.rows()
        dump(row, MAX_ROW)


def test_what_an_application_sends_is_no_answer() -> None:
    """Whatever it looks like: it would open its sender's own host rules."""
    message = bytes.fromhex(
        "0007818000010001000000000667697468756203636f6d0000010001c00c000100010000003c00040a000001"
    )
    forged = Packet(2, "", 1, 3, 0, 0, 0, udp("10.10.1.5", 53, "10.10.1.1", 53, 0) + message)
    assert Conversations().packet(forged) is None
    ours = forged._replace(link_in=0, link_out=3)
    assert Conversations().packet(ours) is not None


def test_what_the_library_cannot_read_is_counted() -> None:
    """An HTTPS record with a parameter that is longer than the record."""
    text = (
        "0007818000010001000000000667697468756203636f6d0000410001c00c004100010000003c000a00010000010003ff6832"
    )
    with pytest.raises(Incomplete):
        observation(0, "10.10.1.5", bytes.fromhex(text))
