"""What has been changed in a table, in words of nft."""

from __future__ import annotations

from typing import Any

from netnsmgr.kernel.nft_changes import changes
from netnsmgr.kernel.nft_listing import Entry, Objects


def chain(name: str, **more: Any) -> Entry:
    return "chain", {"family": "inet", "table": "netnsmgr_nat", "name": name, "handle": 1, **more}


def rule(chain: str, handle: int, *expr: Any) -> Entry:
    return "rule", {
        "family": "inet",
        "table": "netnsmgr_nat",
        "chain": chain,
        "handle": handle,
        "expr": list(expr),
    }


BEFORE = [chain("forward"), rule("forward", 2, "a"), rule("forward", 3, "b"), chain("other")]


def told(*now: Entry, before: list[Entry] | None = None) -> list[str]:
    def listing(name: str) -> str:
        assert name == "inet netnsmgr_nat forward"
        return "table inet netnsmgr_nat {\n\tchain forward { # handle 1\n\t\tip saddr 10.0.0.1 drop # handle 9\n\t}\n}\n"

    return changes(Objects(before or BEFORE), Objects(list(now)), listing)


def test_nothing() -> None:
    """Handles and counters are no changes."""
    assert told(chain("forward"), rule("forward", 7, "a"), rule("forward", 8, "b"), chain("other")) == []


def test_rules() -> None:
    """What was added is told as nft prints it, of what was removed how many."""
    assert told(*BEFORE, rule("forward", 9, "c")) == ["+ chain forward: ip saddr 10.0.0.1 drop"]
    assert told(*BEFORE, rule("forward", 10, "c")) == ["+ chain forward: a rule"]
    assert told(BEFORE[0], BEFORE[3]) == ["- chain forward: 2 rules"]
    assert told(*BEFORE[:2], BEFORE[3], rule("forward", 9, "c")) == [
        "+ chain forward: ip saddr 10.0.0.1 drop",
        "- chain forward: 1 rule",
    ]


def test_the_same_rule_twice() -> None:
    assert told(*BEFORE, rule("forward", 9, "a")) == ["+ chain forward: ip saddr 10.0.0.1 drop"]


def test_objects() -> None:
    assert told(*BEFORE[:3]) == ["- chain other"]
    assert told(*BEFORE, chain("new")) == ["+ chain new"]
    assert told(*BEFORE[:3], chain("other", policy="drop")) == ["chain other is another one"]


def test_what_was_never_seen_as_it_should_be() -> None:
    assert changes(None, Objects(BEFORE), lambda name: "") == []
