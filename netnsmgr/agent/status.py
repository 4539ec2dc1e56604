"""What an agent says about itself: rows of the status tables, from the outcome of its passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netnsmgr.agent.reconciler import ItemState, Outcome
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.scope import InstanceScope

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
        elif state.state == "drifted":
            if (words := f"changed by hand: {state.error}") not in found:
                found.append(words)
        elif state.state == "pending" and not state.lacks and not state.error:
            words = (names or {}).get(ref) or f"{EXTERNAL_WORDS.get(ref.kind, ref.kind)} {ref.key}"
            found.append(f"pending: {words}")
    return found


def troubled(outcome: Outcome, refs: Iterable[Ref]) -> bool:
    """Say whether one of these failed, or is left as somebody else has changed it."""
    return any(outcome.states[ref].state in ("failed", "drifted") for ref in refs if ref in outcome.states)


def complete(outcome: Outcome, items: Iterable[Item]) -> bool:
    """Say whether all the items are there."""
    done = ("created", "external")
    return all(outcome.states.get(item.ref, ItemState("pending")).state in done for item in items)


def addresses(scope: InstanceScope, app: App, interface: AppInterface) -> list[dict[str, Any]]:
    """Return the addresses of an interface: who gave each, and when that ends (seconds since the epoch; None: never).

    An IPv4 address is named when it is leased, a fixed one too; link-local ones come last.  On a switch all are learned:
    what only the application says (`arp`, `nd`, `link-local`) has no end, as it is asked before it is forgotten.
    """
    mac, number = interface.mac_for(app.name), scope.numbers.vifs.get(vif.group(app, interface))
    if scope.instance.is_switch:
        own = sorted((x for x in scope.learned if x.vif == number), key=lambda x: x.source == "link-local")
        return [{"address": str(x.address), "source": x.source, "expires": x.expires} for x in own]
    found = {
        lease.address: ("dhcp" if lease.address.version == 4 else "dhcp6", lease.expires or None)
        for lease in scope.leases_now
        if lease.mac == mac and any(lease.address in net.subnet for net in scope.nets)
    }
    if interface.address6 is not None:
        found.setdefault(interface.address6, ("static", None))
    local = []
    for learned in scope.learned:
        if learned.vif == number and learned.address in LINK_LOCAL:
            local.append(learned.address)
        elif learned.vif == number:
            found.setdefault(learned.address, ("slaac", None))
    found |= dict.fromkeys(local, ("link-local", None))
    return [
        {"address": str(address), "source": source, "expires": expires}
        for address, (source, expires) in found.items()
    ]
