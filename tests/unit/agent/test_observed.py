"""Which addresses of a switch's applications are known, for whom, and until when."""

from __future__ import annotations

import json
import math
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.agent import observed
from netnsmgr.agent.allowances import CLAIMED
from netnsmgr.agent.observed import Book, Question
from netnsmgr.core.ip import IPAddress
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

A, B = IPv4Address("192.168.0.10"), IPv4Address("192.168.0.11")
SIX, LOCAL, LOCAL4 = map(ip_address, ("fd00::10", "fe80::7", "169.254.3.4"))
DNS, DNS6 = IPv4Address("192.168.0.1"), IPv6Address("fd00::1")


def book(*there: int) -> Book:
    made = Book()
    made.restrict(there or (1, 2, 3))
    return made


def give(it: Book, told: Grant | Refusal | Servers, now: float) -> None:
    """A server tells what it is asked."""
    it.take(Request(told.vif, (4, 7)), now)
    it.take(Answer(told.vif, (4, 7), (told,)), now)


def holders(of: Book) -> dict[IPAddress, tuple[int, str]]:
    return {address: (entry.vif, entry.source) for address, entry in of.entries.items()}


def test_each_source() -> None:
    it = book()
    it.take(Claim(1, A), 0)
    it.take(Claim(1, SIX), 0)
    it.take(Claim(1, LOCAL, tentative=True), 0)
    give(it, Grant(2, B, 3600, "c"), 0)
    give(it, Grant(2, SIX + 1, 60, "d"), 0)
    assert holders(it) == {
        A: (1, "arp"), SIX: (1, "nd"), LOCAL: (1, "nd"), B: (2, "dhcp"), SIX + 1: (2, "dhcp6")
    }  # fmt: skip
    assert it.entries[B].lapses == 3600


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "169.254.169.254",
        "::",
        "::1",
        "ff02::1",
        "::ffff:1.2.3.4",
        "fe80::a9fe:a9fe",
    ],
)
def test_what_no_application_has(address: str) -> None:
    it = book()
    it.take(Claim(1, ip_address(address)), 0)
    give(it, Grant(1, ip_address(address), 60, ""), 0)
    assert holders(it) == {}


def test_who_is_not_there_is_not_heard_and_is_forgotten() -> None:
    it = book(1)
    it.take(Claim(2, A), 0)
    it.take(Claim(1, B), 0)
    give(it, Servers(1, (DNS,)), 0)
    assert holders(it) == {B: (1, "arp")}
    it.restrict([2])
    assert holders(it) == {}
    assert it.told == {}
    assert it.next_look() is None


def test_a_lease_ends() -> None:
    it = book()
    give(it, Grant(1, A, 60, "c"), 0)
    assert it.next_look() == 60
    give(it, Grant(1, A, 60, "c"), 30)
    it.look(60)
    assert A in it.entries
    assert it.entries[A].since == 0
    it.look(90)
    assert A not in it.entries


def test_a_lease_for_ever() -> None:
    it = book()
    give(it, Grant(1, A, None, "c"), 0)
    assert it.next_look() is None
    it.look(1e9)
    assert A in it.entries
    again = Book(json.loads(json.dumps(it.record())), 5)
    assert again.entries[A].lapses == math.inf


def test_a_client_has_one_lease_and_an_interface_may_have_several_clients() -> None:
    it = book()
    give(it, Grant(1, A, 60, "0 x"), 0)
    give(it, Grant(1, B, 60, "7 x"), 0)
    give(it, Grant(1, A + 9, 60, "0 x"), 1)
    assert set(it.entries) == {A + 9, B}
    # Of DHCPv6 a client may have several.
    give(it, Grant(1, SIX, 60, "0 x"), 1)
    give(it, Grant(1, SIX + 1, 60, "0 x"), 1)
    assert len(it.entries) == 4


def test_refused_given_back_taken_away() -> None:
    it = book()
    give(it, Grant(1, A, 60, "x"), 0)
    give(it, Refusal(1, "y"), 0)
    give(it, Refusal(2, "x"), 0)
    it.take(Return(2, A), 0)
    assert A in it.entries
    give(it, Refusal(1, "x"), 0)
    assert A not in it.entries
    give(it, Grant(1, A, 60, "x"), 0)
    it.take(Return(1, A), 0)
    assert A not in it.entries
    give(it, Grant(1, SIX, 60, "x"), 0)
    give(it, Grant(1, SIX, 0, "x"), 0)
    assert SIX not in it.entries


def test_the_network_s_word_counts_more_than_an_application_s() -> None:
    it = book()
    give(it, Grant(1, A, 60, "x"), 0)
    it.take(Claim(2, A), 1)
    it.take(Claim(1, A), 1)
    assert holders(it) == {A: (1, "dhcp")}
    assert it.next_look() == 60
    it.take(Claim(2, B), 1)
    give(it, Grant(1, B, 60, "z"), 2)
    assert holders(it)[B] == (1, "dhcp")
    give(it, Grant(2, B, 60, "z"), 3)
    assert holders(it)[B] == (2, "dhcp")


def test_who_gives_signs_is_not_asked() -> None:
    it = book()
    for now in range(0, 3000, 200):
        assert it.look(now) == []
        it.take(Claim(1, A), now)
    assert A in it.entries


def test_who_is_silent_is_asked_and_then_forgotten() -> None:
    it = book()
    it.take(Claim(1, A, tag=7), 0)
    now, asked = 0.0, 0
    while (moment := it.next_look()) is not None:
        now = moment
        questions = it.look(now)
        assert questions in ([Question(1, 7, A)], [])
        asked += len(questions)
    assert now == observed.LAPSE_SECONDS
    assert asked == 5


def test_an_answer_is_enough() -> None:
    it = book()
    it.take(Claim(1, A), 0)
    assert it.look(540)
    it.take(Claim(1, A), 541)
    assert it.look(600) == []
    assert it.next_look() == 541 + observed.QUIET_SECONDS


def test_an_address_that_another_has_is_not_taken() -> None:
    """A detection is no sign yet: nobody answers for an address that he did not get."""
    it = book()
    it.take(Claim(1, SIX, tentative=True), 0)
    assert it.look(3) == [Question(1, 0, SIX)]
    it.take(Claim(1, SIX, tentative=True), 4)
    while (moment := it.next_look()) is not None and moment < observed.TENTATIVE_SECONDS:
        it.look(moment)
    it.look(observed.TENTATIVE_SECONDS)
    assert SIX not in it.entries


def test_two_want_it() -> None:
    """Who had it first keeps it if he answers, and loses it to the other if not."""
    it = book()
    it.take(Claim(1, A), 0)
    it.take(Claim(2, A, tag=4), 10)
    assert it.look(10) == [Question(1, 0, A)]
    it.take(Claim(1, A), 10.1)
    assert it.look(20) == []
    assert holders(it) == {A: (1, "arp")}
    it.take(Claim(2, A, tag=4), 30)
    it.take(Claim(3, A), 30)
    for now in (30, 31, 32, 33):
        assert it.look(now) == [Question(1, 0, A)]
    it.look(33.5)
    assert holders(it) == {A: (2, "arp")}
    assert it.entries[A].tag == 4


def test_who_wants_what_others_have_again_and_again_is_still_heard() -> None:
    """While the holder is asked nothing is taken in, nor ever of a lease: so it is not counted."""
    it = book()
    it.take(Claim(1, A), 0)
    give(it, Grant(1, B, 1_000_000, "x"), 0)
    for n in range(2 * CLAIMED.burst):
        it.take(Claim(2, A), 1 + n / 100)
        it.take(Claim(2, B), 1 + n / 100)
    it.take(Claim(2, SIX), 2)
    assert holders(it)[SIX] == (2, "nd")


def test_a_rival_that_left() -> None:
    it = book()
    it.take(Claim(1, A), 0)
    it.take(Claim(2, A), 10)
    it.restrict((1, 3))
    it.look(14)
    assert it.entries == {}


def test_who_says_ever_new_ones_pushes_out_his_own_and_no_lease() -> None:
    it = book()
    give(it, Grant(1, B, 1_000_000, "x"), 0)
    it.take(Claim(2, SIX), 0)
    for n in range(60_000):
        it.take(Claim(1, SIX + 0x1000 + n), n / 100)
        it.take(Claim(1, LOCAL + 0x1000 + n), n / 100)
    it.take(Claim(3, A), 600)
    own = [a for a, e in it.entries.items() if e.vif == 1]
    assert len([a for a in own if not a.is_link_local]) == observed.MOST
    assert len([a for a in own if a.is_link_local]) == observed.MOST_LINK_LOCAL
    assert {B, SIX, A} <= it.entries.keys()


def test_leases_fill_an_interface() -> None:
    it = book()
    for n in range(observed.MOST):
        give(it, Grant(1, A + n, 600, str(n)), n * 2)
    it.take(Claim(1, SIX), 100)
    assert SIX not in it.entries
    give(it, Grant(1, SIX, 600, "x"), 100)
    assert SIX in it.entries
    assert A not in it.entries


def test_link_local_addresses_make_no_room_for_others() -> None:
    it = book()
    it.take(Claim(1, LOCAL4), 0)
    for n in range(100):
        it.take(Claim(1, A + n), n * 10)
    assert LOCAL4 in it.entries


def test_servers_of_both_versions() -> None:
    it = book()
    give(it, Servers(1, (DNS6,)), 0)
    give(it, Servers(1, (DNS, IPv4Address("127.0.0.1"))), 0)
    give(it, Servers(2, (IPv4Address("0.0.0.0"),)), 0)
    assert it.told == {1: (DNS, DNS6)}
    give(it, Servers(1, (DNS + 1,)), 0)
    assert it.told == {1: (DNS + 1, DNS6)}


def test_a_successor_goes_on_counting() -> None:
    it = book()
    give(it, Grant(1, B, 100, "x"), 0)
    give(it, Grant(2, B + 1, 1000, "x"), 0)
    it.take(Claim(1, A, tag=3), 0)
    give(it, Servers(1, (DNS,)), 0)
    again = Book(json.loads(json.dumps(it.record())), 150)
    again.restrict((1, 2, 3))
    assert again.record() == it.record()
    assert again.told == it.told
    assert again.look(150) == [Question(1, 3, A)]
    assert holders(again) == {A: (1, "arp"), B + 1: (2, "dhcp")}
    again.look(150 + observed.RETURN_SECONDS)
    assert A not in again.entries
    again.look(1000)
    assert again.entries == {}


VIFS = st.integers(0, 4)
ADDRESSES = st.one_of(
    st.integers(0, 40).map(lambda n: A + n),
    st.integers(0, 10).map(lambda n: SIX + n),
    st.integers(0, 8).map(lambda n: LOCAL + n),
    st.sampled_from([IPv4Address(0), IPv6Address(0), LOCAL4]),
)
TRANSACTIONS = st.tuples(st.sampled_from([4, 6]), st.integers(0, 3))


def answers(vif: int) -> st.SearchStrategy[Answer]:
    of = st.just(vif)
    told = st.one_of(
        st.builds(Grant, of, ADDRESSES, st.none() | st.integers(0, 500), st.sampled_from("xy")),
        st.builds(Refusal, of, st.sampled_from("xy")),
        st.builds(Servers, of, st.lists(st.sampled_from([DNS, DNS + 1]), max_size=2).map(tuple)),
    )
    return st.builds(Answer, of, TRANSACTIONS, st.lists(told, min_size=1, max_size=3).map(tuple))


SAID = st.one_of(
    st.builds(Claim, VIFS, ADDRESSES, st.integers(0, 3), st.booleans()),
    st.builds(Return, VIFS, ADDRESSES),
    st.builds(Request, VIFS, TRANSACTIONS),
    VIFS.flatmap(answers),
)
EVENTS = st.lists(st.one_of(SAID, st.floats(0, 400), st.frozensets(st.integers(1, 3))), max_size=80)


@given(EVENTS)
def test_whatever_happens(events: list[Observation | float | frozenset[int]]) -> None:
    """Nobody has too many, all are there, no claim changes a lease, what is over is forgotten, and the record says all."""
    it, now, there = book(), 0.0, frozenset({1, 2, 3})
    for event in events:
        before = dict(it.entries)
        if isinstance(event, float):
            now += event
            for question in it.look(now):
                assert it.entries[question.address].vif == question.vif
            assert all(entry.lapses > now for entry in it.entries.values())
            moment = it.next_look()
            assert moment is None or moment > now or len(it.entries) > observed.TOGETHER
        elif isinstance(event, frozenset):
            there = event
            it.restrict(there)
        else:
            it.take(event, now)
            if isinstance(event, Claim):
                leased = {a: e for a, e in before.items() if e.leased}
                assert all(it.entries.get(a) == e for a, e in leased.items())
                others = {a: e.vif for a, e in before.items() if e.vif != event.vif}
                assert all(it.entries[a].vif == vif for a, vif in others.items())
        assert {entry.vif for entry in it.entries.values()} <= there
        for vif in there:
            own = [a for a, e in it.entries.items() if e.vif == vif]
            assert len([a for a in own if a.is_link_local]) <= observed.MOST_LINK_LOCAL
            assert len([a for a in own if not a.is_link_local]) <= observed.MOST
        assert len(it._allowances._left) <= 3 * len(there)
        assert Book(json.loads(json.dumps(it.record())), now).record() == it.record()
