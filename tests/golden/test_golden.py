"""YAML in; plans, commands, rule sets and files out, as text to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cases import AS_FOUND, CASES, CHANGES
from tests.golden.conftest import Golden
from tests.golden.intent import Agents, Found
from tests.golden.render import terminal

COLLISIONS = Path(__file__).with_name("collisions.yaml")


def written(text: str, found: Found | None = None) -> str:
    agents = Agents(text, found)
    parts = ["".join(f"# {line}\n" if line else "#\n" for line in text.splitlines())]
    for name in agents:
        todo = agents.plan(name)
        parts += [f"\n==== agent {name}: plan ====\n{todo}\n"]
        parts += [f"\n==== agent {name}: as it shall be ====\n{terminal(agents.items(name).values())}\n"]
    return "".join(parts)


@pytest.mark.parametrize("name", CASES)
def test_from_nothing(name: str, golden: Golden) -> None:
    """This is what the agents do with this YAML, in this order, and what is there afterwards."""
    golden(name, written(CASES[name], AS_FOUND))


def test_collisions(golden: Golden) -> None:
    """This is what the agents do where subnets of instances and ports are the same."""
    golden("collisions", written(COLLISIONS.read_text(encoding="utf-8")))


def test_changes(golden: Golden) -> None:
    """These are the operations for one change at a time, and nothing else is touched."""
    parts = []
    for what, (before, after) in CHANGES.items():
        old = Agents(before, AS_FOUND)
        new = Agents(after, AS_FOUND, old)
        parts.append(f"==== {what} ====\n")
        for name in sorted({*old, *new}):
            if todo := new.plan(name, old):
                replaced = ", ".join(map(str, todo.replaced()))
                parts.append(f"agent {name}:\n" + "".join(f"  {op}\n" for op in todo.order()))
                parts.append(f"  (interrupts: {replaced})\n" if replaced else "")
        parts.append("\n")
    golden("changes", "".join(parts))


@pytest.mark.parametrize("name", [*CASES, "collisions"])
def test_every_item_has_its_foundations(name: str) -> None:
    """Nothing stands on something that no feature makes and nobody else owns: no item is blocked where every
    fact holds, and the same text gives the same plan."""
    text = COLLISIONS.read_text(encoding="utf-8") if name == "collisions" else CASES[name]
    agents, again = Agents(text, AS_FOUND), Agents(text, AS_FOUND)
    for agent in agents:
        assert agents.plan(agent).blocked == {}
        assert str(agents.plan(agent)) == str(again.plan(agent))
        assert str(agents.plan(agent, again)) == ""
