"""What a trace proves, and when it differs from what was expected."""

from __future__ import annotations

from typing import Any

from netnsmgr.supervisor.proof import compare, judge, owner

BLOCKS = [
    {"group": "app1/eth0", "base": 16, "ids": [5, 7]},
    {"group": "app2/eth0", "base": 19, "ids": [None]},
]
ALLOW_7, DROP_DEFAULT, IN_OPEN = 18, 1 << 18 | 16, 20


def step(
    chain: str, verdict: str = "continue", mark: int = 0, table: str = "netnsmgr_acl", text: str = ""
) -> dict[str, Any]:
    family = "bridge" if table.endswith("vif") else "inet"
    return {
        "family": family,
        "table": table,
        "chain": chain,
        "kind": "rule",
        "verdict": verdict,
        "mark": mark,
        "text": text,
    }


BEGUN = [step("vif_a_01234567_from", "goto", table="netnsmgr_vif"), step("question")]
OUT = step("list_a_01234567_out", "goto", text="ct mark set 0x00000012 goto decided_out")


def expected(verdict: str = "allow", *rules: int | None, app: str = "app1") -> dict[str, Any]:
    lists = [
        {"app": app, "interface": "eth0", "direction": "out", "rule": rule, "asked": True} for rule in rules
    ]
    return {"verdict": verdict, "lists": lists}


def test_indices() -> None:
    assert [owner(n, BLOCKS) for n in (15, 16, 18, 20, 21)] == [
        None,
        ("app1/eth0", 0),
        ("app1/eth0", 7),
        ("app2/eth0", None),
        None,
    ]


def test_allowed_by_both_lists() -> None:
    """The flow's mark names the rule of direction out, the packet's that of direction in."""
    steps = [*BEGUN, OUT, step("decided_out"), step("decided_in", mark=IN_OPEN), step("allowed", "accept")]
    found = judge(steps, [(7 << 20 | ALLOW_7, IN_OPEN)], BLOCKS)
    assert found["verdict"] == "accept"
    assert found["chains"][:2] == ["vif/vif_a from", "acl/question"]
    assert [(said["app"], said["direction"], said["rule"]) for said in found["lists"]] == [
        ("app1", "out", 7),
        ("app2", "in", None),
    ]
    assert found["rules"] == [
        "inet netnsmgr_acl list_a_01234567_out: ct mark set 0x00000012 goto decided_out"
    ]
    assert compare(expected("allow", 7), [found]) == ""
    assert "rule 5 of app1/eth0 was expected to decide, rule 7 did" in compare(expected("allow", 5), [found])
    assert "list of app9/eth0 was expected to be asked" in compare(expected("allow", 7, app="app9"), [found])
    assert compare(expected("drop", 0), [found]) == "expected drop, the kernel says accept"


def test_dropped_by_default() -> None:
    steps = [
        *BEGUN,
        step("decided_out"),
        step("denied_out", mark=DROP_DEFAULT),
        step("denied", "drop", DROP_DEFAULT, text="drop"),
    ]
    found = judge(steps, [], BLOCKS)
    assert (found["verdict"], found["lists"][0]["rule"], found["lists"][0]["action"]) == ("drop", 0, "drop")
    assert found["rules"] == ["inet netnsmgr_acl denied: drop"]
    assert compare(expected("drop", 0), [found]) == ""
    assert compare(expected("limit", 7), [found]) == "", "above a limit"


def test_rejected_and_dropped_elsewhere_and_nothing() -> None:
    rejected = judge([*BEGUN, step("rejected_out"), step("rejected", "drop", 2 << 18 | 17)], [], BLOCKS)
    assert (rejected["verdict"], rejected["lists"][0]["rule"]) == ("reject", 5)
    spoofed = judge([step("vif_a_01234567_ip", "drop", table="netnsmgr_vif", text="drop")], [], BLOCKS)
    assert (spoofed["verdict"], spoofed["lists"]) == ("drop", [])
    assert judge([], [], BLOCKS)["verdict"] == "nothing"
