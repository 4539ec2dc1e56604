"""Which addresses are learned, for whom, and when they are forgotten."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.agent import learned
from netnsmgr.agent.allowances import CLAIMED
from netnsmgr.agent.learned import Book, Refusal
from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.features.learnable import Ground
from netnsmgr.kernel.neighbours import Neighbour

NET, OLD = IPv6Network("fd00:1::/64"), IPv6Network("fd00:2::/64")
LOCAL = IPv6Address("fe80::7")
MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02", 3: "02:00:00:00:00:03"}
GROUND = Ground(MACS, frozenset({NET, OLD}), frozenset({OLD}), {NET[1]: None, NET[7]: 2})
A, B = NET[0xA], NET[0xB]


def book() -> Book:
    made = Book()
    made.restrict(GROUND)
    return made


def answer(vif: int, at: float) -> Neighbour:
    return Neighbour(MACS[vif], at)


def silence(of: Book, now: float) -> float:
    """Nobody answers the next question; returns when that is known."""
    moment = of.next_look()
    assert moment is not None
    now = max(now, moment)
    changed, ask = of.look({}, now)
    assert not changed
    assert ask
    return now + learned.ANSWER_SECONDS


def test_first_come() -> None:
    it = book()
    assert it.announced(1, A, 0)
    assert it.announced(1, LOCAL, 0)
    assert not it.announced(1, A, 1)
    assert not it.announced(2, A, 1)
    assert it.holders == {A: 1, LOCAL: 1}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (NET[1], True),
        (NET[7], True),
        (IPv6Address("2001:db8::1"), False),
        (IPv6Address("ff02::1"), False),
        (IPv6Address("::1"), False),
    ],
)
def test_what_is_nobodys_to_take(address: IPv6Address, told: bool) -> None:
    """The gateway's, a given one, and foreign ones."""
    it = book()
    assert not it.announced(1, address, 0)
    assert it.holders == {}
    assert it.refusals() == ([Refusal(address, MACS[1], None)] if told else [])
    assert it.refusals() == []


def test_who_detects_duplicates_of_what_he_was_given_is_not_refused() -> None:
    it = book()
    assert not it.announced(2, NET[7], 0)
    assert it.refusals() == []


def test_an_unknown_interface_is_not_heard() -> None:
    it = book()
    assert not it.announced(9, A, 0)
    assert Book().announced(1, A, 0) is False


def test_what_a_host_makes_of_its_mac_address_is_its_own() -> None:
    it = Book()
    it.restrict(replace(GROUND, made={A: 1}))
    assert not it.announced(2, A, 0)
    assert it.refusals() == [Refusal(A, MACS[2], None)]
    assert it.announced(1, A, 0)
    assert it.announced(2, B, 0)
    assert it.restrict(replace(GROUND, made={A: 1, B: 1}))
    assert it.holders == {A: 1}


def test_a_holder_who_answers_keeps_it() -> None:
    """Not by what was known of him before; and who wanted it, is told."""
    it = book()
    it.announced(1, A, 0)
    it.announced(2, A, 10)
    it.announced(3, A, 10)
    assert it.next_look() == 10
    assert it.look({A: answer(1, 9.9)}, 10) == (False, [(A, MACS[1])])
    assert it.next_look() == 10 + learned.ANSWER_SECONDS
    assert it.look({A: answer(1, 10.5)}, 14) == (False, [])
    assert it.holders == {A: 1}
    assert it.refusals() == [Refusal(A, MACS[2], MACS[1])]
    assert it.next_look() == 10.5 + learned.CONFIRM_SECONDS


@pytest.mark.parametrize("signs", [{}, {A: answer(1, 9.9)}, {A: answer(2, 10.5)}])
def test_a_holder_who_is_silent_loses_it_to_the_next(signs: dict[IPv6Address, Neighbour]) -> None:
    it = book()
    it.announced(1, A, 0)
    it.announced(2, A, 10)
    assert it.look(signs, 10)[1] == [(A, MACS[1])]
    assert it.look(signs, 14) == (True, [])
    assert it.holders == {A: 2}


def test_without_rival_it_takes_two_silences() -> None:
    it = book()
    it.announced(1, A, 0)
    now = silence(it, 0)
    assert now == learned.CONFIRM_SECONDS + learned.ANSWER_SECONDS
    assert it.look({}, now) == (False, [])
    assert it.next_look() == now + learned.AGAIN_SECONDS
    now = silence(it, now)
    assert it.look({}, now) == (True, [])
    assert it.holders == {}
    assert it.next_look() is None


def test_one_answer_is_enough() -> None:
    it = book()
    it.announced(1, A, 0)
    now = silence(it, 0)
    it.look({}, now)
    now = silence(it, now)
    it.look({A: answer(1, now - 2)}, now)
    assert it.holders == {A: 1}
    assert it.next_look() == now - 2 + learned.CONFIRM_SECONDS
    now = silence(it, now)
    it.look({}, now)
    assert it.holders == {A: 1}


def test_who_talks_to_the_gateway_is_not_asked() -> None:
    it = book()
    it.announced(1, A, 0)
    for now in range(0, 3000, 100):
        assert it.look({A: answer(1, now - 1)}, now) == (False, [])
    assert it.holders == {A: 1}


def test_a_question_that_could_not_be_asked_counts_for_nothing() -> None:
    it = book()
    it.announced(1, A, 0)
    now = 300.0
    for _ in range(5):
        _, ask = it.look({}, now)
        assert ask == [(A, MACS[1])]
        it.not_asked(ask, now)
        now += learned.ANSWER_SECONDS
    assert it.holders == {A: 1}


def test_what_is_due_soon_is_asked_together_and_not_too_many_at_once() -> None:
    it = book()
    for n in range(10):
        for vif in MACS:
            it.announced(vif, NET[0x100 * vif + n], n)
    it.announced(1, NET[0x999], 12)
    it.announced(1, LOCAL, 200)
    asked: set[IPv6Address] = set()
    now = 300.0
    while len(asked) < 31:
        _, ask = it.look({}, now)
        assert 0 < len(ask) <= learned.TOGETHER
        asked |= {address for address, _ in ask}
        now += 1
    assert LOCAL not in asked


def test_old_prefixes_make_room_first() -> None:
    it = book()
    it.announced(1, A, 0)
    it.announced(1, OLD[5], 100)
    now = 100.0
    for n in range(learned.MOST - 1):
        now += 10
        assert it.announced(1, NET[0x100 + n], now)
    assert OLD[5] not in it.holders
    assert A in it.holders
    assert it.announced(1, NET[0x200], now + 10)
    assert A not in it.holders
    assert len(it.holders) == learned.MOST


def test_who_makes_addresses_in_a_flood_costs_nobody_else_anything() -> None:
    it = book()
    assert it.announced(2, B, 0)
    changes = sum(it.announced(1, NET[0x10000 + n], n / 1000) for n in range(60_000))
    assert changes == CLAIMED.burst + int(60 / CLAIMED.refill) - 1
    assert it.announced(3, A, 60)
    assert it.holders[B] == 2
    assert len(it.holders) == learned.MOST + 2


def test_who_tries_an_address_of_another_again_and_again_may_still_take_one_of_his_own() -> None:
    """While its holder is being asked, and nobody's are foreign ones: they cost nothing that would be counted."""
    it = book()
    it.announced(1, A, 0)
    for n in range(2 * CLAIMED.burst):
        assert not it.announced(2, A, n / 100)
        assert not it.announced(2, IPv6Address("2001:db8::1"), n / 100)
    assert it.announced(2, B, 1)


def test_questions_that_one_has_others_asked_are_counted() -> None:
    it = book()
    for n in range(learned.MOST):
        it.announced(1, NET[0x100 + n], 0)
        it.announced(3, NET[0x300 + n], 0)
    for address in it.holders:
        it.announced(2, address, 0)
    assert len(it.look({}, 0)[1]) == CLAIMED.burst < len(it.holders)


def test_what_there_is_no_ground_for_is_forgotten() -> None:
    it = book()
    for vif, address in ((1, A), (2, B), (3, NET[0xC]), (3, OLD[0xC]), (3, LOCAL)):
        it.announced(vif, address, 0)
    it.announced(1, B, 0)
    assert not it.restrict(GROUND)
    assert it.restrict(Ground({2: MACS[2], 3: MACS[3]}, frozenset({NET}), given={NET[0xC]: 2}))
    assert it.holders == {B: 2, LOCAL: 3}
    # The rival has left, too.
    now = silence(it, 0)
    assert it.look({}, now) == (False, [])


def test_a_successor_knows_and_asks_soon() -> None:
    it = book()
    it.announced(1, A, 0)
    it.announced(2, LOCAL, 5)
    again = Book(it.record(), 1000)
    again.restrict(GROUND)
    assert again.holders == it.holders
    assert again.record() == it.record()
    assert again.look({}, 1000 + learned.GATHER_SECONDS)[1] == [(A, MACS[1]), (LOCAL, MACS[2])]


ADDRESSES = st.sampled_from(
    [*(NET[n] for n in range(0x40)), *(OLD[n] for n in range(0x10)), LOCAL, LOCAL + 1]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("announced"), st.sampled_from([1, 2, 3, 9]), ADDRESSES),
        st.tuples(
            st.just("look"),
            st.floats(0, 400),
            st.frozensets(st.tuples(ADDRESSES, st.sampled_from([1, 2, 3]))),
        ),
        st.tuples(st.just("gone"), st.sampled_from([1, 2, 3]), st.none()),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens(events: list[tuple[str, float, object]]) -> None:
    """An address has one holder, who is there; nobody has too many; who answers is not robbed; something is always due."""
    it, now, macs = book(), 0.0, dict(MACS)
    for what, argument, more in events:
        before = it.holders
        if what == "announced":
            assert isinstance(more, IPv6Address)
            changed = it.announced(int(argument), more, now)
            assert all(it.holders.get(a) == v for a, v in before.items() if a in it.holders)
        elif what == "look":
            assert isinstance(more, frozenset)
            now += argument
            signs = {address: Neighbour(MACS[vif], now) for address, vif in more}
            changed, ask = it.look(signs, now)
            assert all(before.get(address) is not None for address, _ in ask)
            kept = {a: v for a, v in before.items() if a in signs and signs[a].mac == MACS[v]}
            robbed = {a for a in kept if it.holders.get(a) not in (None, kept[a])}
            assert not robbed
        else:
            macs.pop(int(argument), None)
            changed = it.restrict(Ground(dict(macs), GROUND.prefixes, GROUND.leaving, GROUND.given))
        held = it.holders
        assert changed == (held != before)
        assert set(held.values()) <= macs.keys()
        assert all(GROUND.fits(owner, address) for address, owner in held.items())
        for vif in macs:
            own = [address for address, owner in held.items() if owner == vif]
            assert len([a for a in own if a in LINK_LOCAL]) <= learned.MOST_LINK_LOCAL
            assert len([a for a in own if a not in LINK_LOCAL]) <= learned.MOST
        assert (it.next_look() is None) == (not held)
        assert {IPv6Address(row["address"]): row["vif"] for row in it.record()} == held
