"""What an agent says about itself: rows of the status tables, from the outcome of its passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netnsmgr.agent.reconciler import ItemState, Outcome
from netnsmgr.core.item import Item, Ref

EXTERNAL_WORDS = {"link": "link", "netns": "network namespace"}


def items_of(outcome: Outcome, refs: Iterable[Ref]) -> list[dict[str, Any]]:
    """Return the items' rows, in an order that does not change: equal states give equal rows."""
    rows = []
    for ref in sorted(refs):
        if (state := outcome.states.get(ref)) is None:
            continue
        row: dict[str, Any] = {"ref": str(ref), "state": state.state}
        if (item := outcome.items.get(ref)) is not None and (deps := item.deps()):
            row["deps"] = sorted(map(str, deps))
        if state.lacks:
            row["lacks"] = state.lacks
        if state.error:
            row["error"] = state.error
        rows.append(row)
    return rows


def reasons(outcome: Outcome, refs: Iterable[Ref], names: dict[Ref, str] | None = None) -> list[str]:
    """Say in words what keeps the items from being there: what is missing, and what failed.

    Only the roots are named: an item that waits for another one of ours says nothing of its own.
    """
    found: list[str] = []
    for ref in sorted(refs):
        state = outcome.states.get(ref)
        if state is None:
            continue
        if state.state == "failed":
            found.append(f"failed: {ref}: {state.error}")
        elif state.state == "pending" and not state.lacks and not state.error:
            words = (names or {}).get(ref) or f"{EXTERNAL_WORDS.get(ref.kind, ref.kind)} {ref.key}"
            found.append(f"pending: {words}")
    return found


def complete(outcome: Outcome, items: Iterable[Item]) -> bool:
    """Say whether all the items are there."""
    done = ("created", "external")
    return all(outcome.states.get(item.ref, ItemState("pending")).state in done for item in items)
