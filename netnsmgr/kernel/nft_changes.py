"""What somebody else has changed in a table or part of ours, in words of nft."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import nftables

from netnsmgr.kernel.nft_listing import Entry, Objects, part_key, stable, table_key

Listing = Callable[[str], str]
"""Returns what ``nft -a list chain …`` prints; empty where that fails."""


class Intact:
    """How tables and parts were listed when they were last what was loaded, by the keys of the memory of listings."""

    def __init__(self, nft: nftables.Nftables) -> None:
        self._nft = nft
        self._intact: dict[str, Objects] = {}
        self._changed: dict[str, Objects] = {}

    def note(self, key: str, objects: Objects, *, same: bool) -> bool:
        """Hear whether what is listed now is still what was loaded; returns ``same``."""
        if same:
            self._intact[key] = objects
            self._changed.pop(key, None)
        else:
            self._changed[key] = objects
        return same

    def forget(self, key: str) -> None:
        """Hear that it is another one now."""
        self._intact.pop(key, None)
        self._changed.pop(key, None)

    def changes(self, name: str) -> list[str]:
        """Say what has been changed in ``family table``, or in ``family table part``, as far as that is known."""
        family, table, *part = name.split(" ")
        beginning = part_key(family, table, f"{part[0]}_") if part else table_key(family, table)
        key = next((key for key in self._changed if key.startswith(beginning)), "")
        return changes(self._intact.get(key), self._changed[key], self._printed) if key else []

    def _printed(self, chain: str) -> str:
        self._nft.set_json_output(False)
        self._nft.set_handle_output(True)
        try:
            code, output, _ = self._nft.cmd(f"list chain {chain}")
            return str(output) if code == 0 else ""
        finally:
            self._nft.set_handle_output(False)
            self._nft.set_json_output(True)


def changes(before: Objects | None, now: Objects, listing: Listing) -> list[str]:
    """Return a line for each change: ``+ chain forward: drop`` and ``- chain forward: 1 rule``; nothing if all are unknown."""
    if before is None:
        return []
    old, new = _by_text(before.entries), _by_text(now.entries)
    found: list[str] = []
    removed: dict[str, int] = {}
    for text in old.keys() - new.keys():
        kind, body = old[text]
        if kind == "rule":
            removed[body["chain"]] = removed.get(body["chain"], 0) + 1
        elif not any(k == kind and b["name"] == body["name"] for k, b in new.values() if k != "rule"):
            found.append(f"- {kind} {body['name']}")
    found += [f"- chain {chain}: {count} rule{'s' * (count > 1)}" for chain, count in removed.items()]
    listed: dict[str, dict[int, str]] = {}
    for text in new.keys() - old.keys():
        kind, body = new[text]
        if kind != "rule":
            there = any(k == kind and b["name"] == body["name"] for k, b in old.values() if k != "rule")
            found.append(f"{'' if there else '+ '}{kind} {body['name']}{' is another one' if there else ''}")
            continue
        chain = body["chain"]
        if chain not in listed:
            listed[chain] = _by_handle(listing(f"{body['family']} {body['table']} {chain}"))
        found.append(f"+ chain {chain}: {listed[chain].get(body['handle'], 'a rule')}")
    return sorted(found)


def _by_text(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the objects by their whole texts, equal ones numbered."""
    found: dict[str, Entry] = {}
    for kind, body in entries:
        text = json.dumps([kind, stable(body)], sort_keys=True)
        number = 0
        while f"{text}{number}" in found:
            number += 1
        found[f"{text}{number}"] = kind, body
    return found


def _by_handle(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in text.splitlines():
        rule, mark, handle = line.strip().rpartition(" # handle ")
        if mark and handle.isdigit():
            found[int(handle)] = rule
    return found
