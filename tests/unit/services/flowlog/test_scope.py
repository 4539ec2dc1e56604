"""Marks become applications and rules."""

from __future__ import annotations

from pathlib import Path

from netnsmgr.services.flowlog.scope import Decision, Rules, read

RULES = Rules.of(
    {
        "blocks": [
            {"base": 32, "app": "app2", "interface": "eth0", "ids": [None]},
            {"base": 16, "app": "app1", "interface": "eth1", "ids": [1, 2, 5]},
        ]
    }
)


def test_a_mark_names_application_rule_and_verdict() -> None:
    """Index, action and epoch are told apart; position 0 is the default, an interface without a list has rule None."""
    assert RULES.decision(1 << 20 | 16 + 3) == Decision("app1", "eth1", 5, "allow")
    assert RULES.decision(4095 << 20 | 1 << 18 | 16) == Decision("app1", "eth1", 0, "drop")
    assert RULES.decision(2 << 18 | 17) == Decision("app1", "eth1", 1, "reject")
    assert RULES.decision(3 << 18 | 18) == Decision("app1", "eth1", 2, "limit")
    for position in (0, 1):
        assert RULES.decision(32 + position) == Decision("app2", "eth0", None, "allow")


def test_what_belongs_to_nobody() -> None:
    """Not decided, the device itself, and an index between or beyond the blocks."""
    assert [RULES.decision(index) for index in (0, 1, 15, 20, 31, 34, 1 << 17)] == [None] * 7
    assert Rules().decision(16) is None


def test_files_that_are_missing_or_broken_are_empty(tmp_path: Path) -> None:
    """The program does not end for a file that is not there yet."""
    assert read(str(tmp_path / "none")) == {}
    for text in ("", "{", "[1]"):
        (tmp_path / "file").write_text(text)
        assert read(str(tmp_path / "file")) == {}
