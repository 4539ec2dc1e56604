"""Of what DHCP servers say only that counts for an application which it has asked for."""

from __future__ import annotations

import math

from hypothesis import given

from netnsmgr.agent import requests
from netnsmgr.agent.allowances import TOLD
from netnsmgr.core.observation import Answer, Grant, Observation, Refusal, Request, Servers
from tests.unit.agent.test_observed import DNS, EVENTS, A, B, book, give, holders


@given(EVENTS)
def test_no_answer_counts_that_was_not_asked_for(events: list[Observation | float | frozenset[int]]) -> None:
    """Each counts once for a request of the same interface and number in the last minute; a refusal leaves it open."""
    it, now = book(1, 2, 3), 0.0
    waiting: dict[tuple[int, tuple[int, int]], float] = {}
    for event in events:
        before = it.record()
        match event:
            case float():
                now += event
                it.look(now)
            case Request(vif, transaction):
                it.take(event, now)
                waiting[vif, transaction] = now
                assert it.record() == before
            case Answer(vif, transaction, told):
                it.take(event, now)
                if now - waiting.get((vif, transaction), -math.inf) > requests.ANSWER_SECONDS:
                    assert it.record() == before
                elif not all(isinstance(each, Refusal) for each in told):
                    del waiting[vif, transaction]


def test_the_first_answer_counts() -> None:
    """Who comes later, with the right number even, changes nothing until the application asks again."""
    it = book()
    it.take(Answer(1, (4, 9), (Servers(1, (DNS + 5,)),)), 0)
    it.take(Request(1, (4, 9)), 0)
    for wrong in ((4, 8), (6, 9)):
        it.take(Answer(1, wrong, (Servers(1, (DNS + 5,)),)), 1)
    it.take(Answer(2, (4, 9), (Servers(2, (DNS + 5,)),)), 1)
    assert it.told == {}
    it.take(Answer(1, (4, 9), (Grant(1, A, 60, "c"), Servers(1, (DNS,)))), 1)
    it.take(Answer(1, (4, 9), (Grant(1, B, 60, "c"), Servers(1, (DNS + 5,)))), 1)
    it.take(Answer(1, (4, 9), (Refusal(1, "c"),)), 1)
    assert (holders(it), it.told) == ({A: (1, "dhcp")}, {1: (DNS,)})
    it.take(Request(1, (4, 9)), 30)
    it.take(Answer(1, (4, 9), (Grant(1, A, 60, "c"), Servers(1, (DNS + 1,)))), 31)
    assert it.told == {1: (DNS + 1,)}
    assert it.entries[A].lapses == 91


def test_one_server_refuses_what_another_gives() -> None:
    it = book()
    give(it, Grant(1, A, 60, "c"), 0)
    it.take(Request(1, (4, 9)), 1)
    it.take(Answer(1, (4, 9), (Refusal(1, "c"),)), 1)
    assert holders(it) == {}
    it.take(Answer(1, (4, 9), (Grant(1, A, 60, "c"),)), 1)
    assert holders(it) == {A: (1, "dhcp")}


def test_an_answer_that_comes_too_late() -> None:
    it = book()
    it.take(Request(1, (4, 9)), 0)
    it.take(Answer(1, (4, 9), (Servers(1, (DNS,)),)), requests.ANSWER_SECONDS + 1)
    assert it.told == {}
    it.take(Request(1, (4, 9)), 100)
    it.restrict((2,))
    it.restrict((1,))
    it.take(Answer(1, (4, 9), (Servers(1, (DNS,)),)), 101)
    assert it.told == {}


def test_who_asks_ever_anew_pushes_out_his_own_requests() -> None:
    it = book()
    it.take(Request(2, (4, 1)), 0)
    for number in range(1000):
        it.take(Request(1, (4, number)), number / 100)
    it.take(Answer(1, (4, 999 - requests.MOST), (Servers(1, (DNS,)),)), 10)
    assert it.told == {}
    it.take(Answer(1, (4, 1000 - requests.MOST), (Servers(1, (DNS,)),)), 10)
    it.take(Answer(2, (4, 1), (Servers(2, (DNS,)),)), 10)
    assert it.told == {1: (DNS,), 2: (DNS,)}


def test_servers_do_not_flap() -> None:
    """The same ones cost nothing; others are told so many times at once, then one in a minute."""
    it, changes = book(), 0
    for second in range(600):
        for _ in range(3):
            before = it.told
            give(it, Servers(1, (DNS + second // 2,)), second)
            changes += it.told != before
    give(it, Servers(2, (DNS,)), 600)
    assert it.told[2] == (DNS,)
    assert changes <= TOLD.burst + 600 / TOLD.refill
    give(it, Servers(1, (DNS,)), 700)
    assert it.told[1] == (DNS,)
