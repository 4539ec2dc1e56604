"""Rules that are never reached, and because of which."""

from __future__ import annotations

from netnsmgr.features.acl.covered import covered
from tests.unit.features.acl.lists import rule


def test_covered_by_an_earlier_one() -> None:
    rules = [
        rule(1, match={"ip": "10.0.0.0/8"}),
        rule(2, match={"ip": "10.1.0.0/16", "protocol": "tcp", "fport": 80}),
        rule(3, match={"ip": ["10.2.0.0/16", "192.0.2.0/24"]}),
        rule(4, match={"ip": ["10.3.0.0/16", "192.0.2.7"]}),
    ]
    assert covered(rules, {}) == {2: (1,), 4: (1, 3)}


def test_a_direction_less_is_enough() -> None:
    """A rule lives as long as one of its directions does; conditions cover nothing."""
    rules = [
        rule(1, direction="in"),
        rule(2, match={"protocol": "tcp"}),
        rule(3, match={"protocol": "tcp"}, direction="in"),
    ]
    assert covered(rules, {}) == {3: (1,)}
    named = [rule(1, match={"host": "example.com"}), rule(2, match={"host": "example.com"})]
    assert covered(named, {}) == {}


def test_what_matches_nothing_at_all() -> None:
    """ICMP is of IPv4: with a prefix of IPv6 there is no such packet."""
    assert covered([rule(1, match={"protocol": "icmp", "ip": "2001:db8::/32"})], {}) == {1: ()}
