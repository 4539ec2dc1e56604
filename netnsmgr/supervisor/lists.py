"""The access list of an interface as people read it: rules in words, how often each was asked, which are never reached.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netnsmgr.config.acl_words import action_words, contradiction, direction_words, match_words
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import INDEX_MASK
from netnsmgr.features.acl.covered import covered
from netnsmgr.features.names import static_addresses
from netnsmgr.supervisor.site import Site

Hits = Mapping[str, tuple[int, int]]
"""Elements of the set ``hits``: mark of a verdict → packets and bytes."""


def access_list(
    site: Site, app: App, interface: AppInterface, numbers: Mapping[str, Any], hits: Hits | None
) -> list[dict[str, Any]]:
    """Return the rules in order, and the default at the end (rule 0); without a list, the one that stands for it (None).

    ``packets`` and ``bytes`` are None where nobody could look.  ``covered`` are the rules because of which one is never
    reached; an empty list means that it matches nothing at all, and ``nothing`` says why, where that can be said.
    """
    group = f"{app.name}/{interface.name}"
    base = next((block["base"] for block in numbers.get("blocks") or () if block["group"] == group), None)
    counted = _by_index(hits) if hits is not None and base is not None else None

    def count(*positions: int) -> dict[str, Any]:
        if counted is None:
            return {"packets": None, "bytes": None}
        assert base is not None
        found = [counted.get(base + position, (0, 0)) for position in positions]
        return {"packets": sum(packets for packets, _ in found), "bytes": sum(size for _, size in found)}

    rules = interface.acl
    if rules is None:
        return [
            {
                "rule": None,
                "match": "everything (no list)",
                "action": "allow",
                "direction": "both",
                **count(1),
            }
        ]
    scope = site.scope(interface.network)
    hosts = {rule.match.host for rule in rules if rule.match.host is not None}
    # With NAT64 a written rule may be two.
    told = next(i.acl for a, i in scope.interfaces if (a.name, i.name) == (app.name, interface.name)) or ()
    never = covered(told, {host: static_addresses(scope, host) for host in hosts})
    found = []
    for rule in rules:
        positions = [position for position, each in enumerate(told, 1) if each.id == rule.id]
        row = {
            "rule": rule.id,
            "match": match_words(rule),
            "action": action_words(rule),
            "direction": direction_words(rule),
            **count(*positions),
        }
        if never.keys() >= set(positions):
            others = dict.fromkeys(told[other - 1].id for position in positions for other in never[position])
            row["covered"] = list(others)
            if not others and (why := contradiction(rule)):
                row["nothing"] = why
        found.append(row)
    return [
        *found,
        {"rule": 0, "match": "everything else", "action": "drop", "direction": "both", **count(0)},
    ]


def _by_index(hits: Hits) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for mark, (packets, size) in hits.items():
        before = found.get(int(mark) & INDEX_MASK, (0, 0))
        found[int(mark) & INDEX_MASK] = (before[0] + packets, before[1] + size)
    return found
