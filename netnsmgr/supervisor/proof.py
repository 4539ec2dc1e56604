"""What a traced packet proves: the kernel's verdict, the rules that decided, and whether that was expected.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netnsmgr.core.agreed import FILTER, INDEX_MASK, decided

Step = Mapping[str, Any]
DENIED = ("denied", "rejected")
_DIGEST = re.compile(r"_[0-9a-f]{8}_")
OUT_DENIED = ("denied_out", "rejected_out")


def judge(
    steps: Sequence[Step], passed: Iterable[Sequence[int]], blocks: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what became of a packet in one instance: verdict, chains, the rules that passed judgement, and which lists said it.

    ``passed`` are the marks of flow and packet after the filter; ``blocks`` say whose rules the indices in marks are.
    """
    blocks = list(blocks)
    inside = [step for step in steps if step["table"] == FILTER]
    chains = list(dict.fromkeys(map(_chain, steps)))
    dropped = next((step for step in steps if step["verdict"] == "drop"), None)
    visited = {step["chain"] for step in inside}
    lists: list[dict[str, Any]] = []
    if dropped is not None and dropped["chain"] in DENIED and dropped["table"] == FILTER:
        direction = "out" if visited & set(OUT_DENIED) else "in"
        lists.append(_said(dropped["mark"], direction, blocks))
    else:
        answered = [step["mark"] for step in inside if step["chain"] == "decided_in"]
        known = {mark & INDEX_MASK for mark in answered}
        begun = [flow for flow, _ in passed if flow & INDEX_MASK and flow & INDEX_MASK not in known]
        if begun and "decided_out" in visited:
            lists.append(_said(begun[0], "out", blocks))
        lists += [_said(mark, "in", blocks) for mark in answered[:1]]
    if dropped is None:
        verdict = "accept" if steps else "nothing"
    else:
        verdict = "reject" if dropped["chain"] == "rejected" and dropped["table"] == FILTER else "drop"
    rules = [
        f"{step['family']} {step['table']} {step['chain']}: {step['text'] or step['kind']}"
        for step in steps
        if step["kind"] == "rule" and step["verdict"] in {"drop", "goto"} and "decided_" in step["text"]
    ]
    if dropped is not None:
        what = dropped["text"] or dropped["kind"]
        rules.append(f"{dropped['family']} {dropped['table']} {dropped['chain']}: {what}")
    return {"verdict": verdict, "chains": chains, "rules": list(dict.fromkeys(rules)), "lists": lists}


def compare(expected: Mapping[str, Any], seen: Sequence[Mapping[str, Any]]) -> str:
    """Say in what the kernel's judgement differs from what was expected; nothing if it does not."""
    wanted = [said for said in expected["lists"] if said["asked"]]
    stopped = next((each["verdict"] for each in seen if each["verdict"] in {"drop", "reject"}), "accept")
    should = expected["verdict"] if expected["verdict"] in {"drop", "reject"} else "accept"
    if expected["verdict"] == "limit" and stopped == "drop":
        return ""  # above the limit
    if stopped != should:
        return f"expected {should}, the kernel says {stopped}"
    found = [said for each in seen for said in each["lists"] if said["app"]]
    for said in wanted:
        key = (said["app"], said["interface"], said["direction"])
        there = [s for s in found if (s["app"], s["interface"], s["direction"]) == key]
        if not there and stopped == "accept":
            return f"the list of {key[0]}/{key[1]} was expected to be asked, direction {key[2]}; the packet did not get there"
        if there and there[0]["rule"] != said["rule"]:
            return f"rule {_number(said['rule'])} of {key[0]}/{key[1]} was expected to decide, rule {_number(there[0]['rule'])} did"
    return ""


def owner(index: int, blocks: Iterable[Mapping[str, Any]]) -> tuple[str, int | None] | None:
    """Return the interface (``app/interface``) and the rule's own number (0: default, None: no list) of an index."""
    for block in blocks:
        if block["base"] <= index <= block["base"] + len(block["ids"]):
            position = index - block["base"]
            return block["group"], block["ids"][position - 1] if position else 0
    return None


def _chain(step: Step) -> str:
    """Name a chain as people know it: without the digest in the names of parts."""
    return f"{step['table'].removeprefix('netnsmgr_')}/{_DIGEST.sub(' ', step['chain'])}"


def _said(mark: int, direction: str, blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    action = decided(mark).name.lower()
    group, rule = owner(mark & INDEX_MASK, blocks) or ("", None)
    app, _, interface = group.partition("/")
    return {"app": app, "interface": interface, "direction": direction, "rule": rule, "action": action}


def _number(rule: int | None) -> str:
    return "(no list)" if rule is None else "0 (the default)" if rule == 0 else str(rule)
