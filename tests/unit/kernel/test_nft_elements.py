"""Elements of sets and maps as nft lists them in JSON, and their text."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.kernel.nft_elements import elements, entries

CONCAT = {"concat": [{"prefix": {"addr": "10.0.0.0", "len": 24}}, 6, {"range": [80, 90]}]}
FIELDS = ["ipv4_addr", "inet_proto", "inet_service"]


@pytest.mark.parametrize(
    ("type_", "listed", "text"),
    [
        ("ipv4_addr", "10.0.0.1", "10.0.0.1"),
        ("ipv4_addr", {"prefix": {"addr": "10.0.0.0", "len": 24}}, "10.0.0.0/24"),
        ("ipv4_addr", {"range": ["10.0.0.5", "10.0.0.9"]}, "10.0.0.5-10.0.0.9"),
        ("ipv6_addr", {"prefix": {"addr": "fe80::", "len": 64}}, "fe80::/64"),
        ("inet_service", {"range": [1000, 2000]}, "1000-2000"),
        (
            "ipv4_addr",
            {"elem": {"val": "10.0.0.2", "timeout": 300, "expires": 299, "comment": "x"}},
            "10.0.0.2",
        ),
        (FIELDS, CONCAT, "10.0.0.0/24 . tcp . 80-90"),
        (
            FIELDS,
            {"elem": {"val": CONCAT, "counter": {"packets": 1, "bytes": 2}}},
            "10.0.0.0/24 . tcp . 80-90",
        ),
        ("inet_proto", 17, "udp"),
        ("inet_proto", 132, "132"),
        ("inet_service", 17, "17"),
        ("mark", 262149, "262149"),
        ("icmp_type", 8, "8"),
        ("ether_addr", "02:00:00:00:00:01", "02:00:00:00:00:01"),
    ],
)
def test_elements_of_sets(type_: str | list[str], listed: Any, text: str) -> None:
    """One text for each element, whatever else the kernel says of it."""
    assert elements({"type": type_, "elem": [listed]}) == {text}


@pytest.mark.parametrize(
    ("type_", "data", "listed", "text"),
    [
        ("mark", "mark", [{"prefix": {"addr": 16, "len": 30}}, 5], "16-19 : 5"),
        ("mark", "verdict", [5, {"jump": {"target": "a_b"}}], "5 : jump a_b"),
        ("mark", "verdict", [5, {"goto": {"target": "a"}}], "5 : goto a"),
        ("mark", "verdict", [{"elem": {"val": 5, "comment": "x"}}, {"drop": None}], "5 : drop"),
        ("mark", "ipv4_addr . inet_service", [5, {"concat": ["10.0.0.1", 80]}], "5 : 10.0.0.1 . 80"),
        (["ipv4_addr", "inet_proto"], "mark", [{"concat": ["10.0.0.1", 6]}, 5], "10.0.0.1 . tcp : 5"),
        ("mark", "inet_proto", [5, 6], "5 : tcp"),
    ],
)
def test_elements_of_maps(type_: str | list[str], data: str, listed: Any, text: str) -> None:
    """Key and value."""
    assert elements({"type": type_, "map": data, "elem": [listed]}) == {text}


def test_comments_of_elements() -> None:
    """An element's comment tells to whom it belongs."""
    body = {
        "type": "mark",
        "map": "verdict",
        "elem": [[{"elem": {"val": 5, "comment": "app1_12345678"}}, {"drop": None}], [6, {"accept": None}]],
    }
    assert list(entries(body)) == [("5", "drop", "app1_12345678"), ("6", "accept", "")]


def test_empty() -> None:
    """An empty set has no list of elements."""
    assert elements({"type": "mark"}) == frozenset()


def test_names_within_a_part() -> None:
    """The token stands for the part's prefix, in a reference to a set as well."""
    part = NftPart(
        "inet",
        "netnsmgr_acl",
        "a",
        "set @@_s { type mark; }\nchain @@_c { meta mark @@@_s drop; }",
        (("m", "5", "jump @@_c"),),
    )
    p = part.prefix
    assert part.text() == f"set {p}_s {{ type mark; }}\nchain {p}_c {{ meta mark @{p}_s drop; }}"
    assert part.elements() == {("m", "5", f"jump {p}_c")}


def test_what_a_part_is_known_by() -> None:
    """Another body or another link is another part; the order of links and what it needs are not."""
    links = (("m", "5", "jump @@_c"), ("n", "5", "drop"))
    part = NftPart("inet", "netnsmgr_acl", "a", "chain @@_c { }", links)
    same = NftPart("inet", "netnsmgr_acl", "a", "chain @@_c { }", links[::-1], part.deps())
    assert part == same
    assert part != NftPart("inet", "netnsmgr_acl", "a", "chain @@_c { }", links[:1])
    assert part != NftPart("inet", "netnsmgr_acl", "a", "chain @@_d { }", links)


def test_sets_and_maps() -> None:
    """A colon makes it a map; the declaration carries the mark by which it is known again."""
    one = NftSet("inet", "netnsmgr_acl", "s", "type ipv4_addr; flags interval;")
    assert one.declaration() == (
        f'set s {{ type ipv4_addr; flags interval; comment "netnsmgr {one.fingerprint}"; }}'
    )
    assert NftSet("inet", "netnsmgr_acl", "s", "type mark : verdict").type == "map"
