"""What stands in our tables, sorted by whom it belongs to: the skeleton, the parts and the sets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from netnsmgr.items.nft import PREFIX
from netnsmgr.items.nft_set import COMMENT
from netnsmgr.kernel.nft_elements import entries

FINGERPRINT = "fingerprint_"
"""Name of the empty chain that holds a table's fingerprint.  A comment would be the place for it, but libnftables
1.0.6 leaves a table's comment out of its JSON."""

CARRYING = "carrying_"
"""The same for a table that carries parts and sets."""

PART = "_part"
"""What the name of the chain that makes objects a part ends with."""

VOLATILE = ("handle", "packets", "bytes", "used")
"""What the kernel changes by itself in a listing."""

VARYING = {"timeout", "dynamic"}
"""Flags of sets whose elements come and go by themselves."""

_OF_A_PART = re.compile(r"_[0-9a-f]{8}_")
_MARK = re.compile(r"(.+)_([0-9a-f]{8})" + PART)

Entry = tuple[str, dict[str, Any]]
"""A listed object: its kind (chain, rule, set, map …) and what is said of it."""


@dataclass
class Objects:
    """Objects that belong together: the skeleton of a table, or one part of it."""

    entries: list[Entry] = field(default_factory=list)

    @cached_property
    def digest(self) -> str:
        """Tells two listings apart, counters and handles left aside."""
        told = [[kind, stable(body)] for kind, body in self.entries]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def named(self, *kinds: str) -> Iterable[dict[str, Any]]:
        """Return the objects of these kinds."""
        return (body for kind, body in self.entries if kind in kinds)

    @cached_property
    def used(self) -> set[str]:
        """The names of the sets that its rules ask."""
        rules = json.dumps([body["expr"] for body in self.named("rule")])
        return set(re.findall(r'"@([^"]+)"', rules))


@dataclass
class Table:
    """One table of ours; ``parts`` by the prefix of their objects, ``sets`` by name with their fingerprint."""

    family: str
    name: str
    fingerprint: str = ""
    carries: bool = False
    skeleton: Objects = field(default_factory=Objects)
    parts: dict[str, Objects] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    """``set`` or ``map`` for the name of each, whosever it is."""

    maps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Maps outside of parts whose values are verdicts, with their elements: links lead from them."""

    @cached_property
    def links(self) -> dict[str, set[tuple[str, str, str]]]:
        """The elements (map, key, verdict) of ``maps`` by the prefix of the part that they lead into.

        Those that lead into none have an empty one.
        """
        found: dict[str, set[tuple[str, str, str]]] = {prefix: set() for prefix in ["", *self.parts]}
        for map_, body in self.maps.items():
            for key, verdict, comment in entries(body):
                prefix = comment if comment in self.parts else _owner(self, verdict.partition(" ")[2])
                found[prefix].add((map_, key, verdict))
        return found

    def parts_called(self, name: str) -> dict[str, Objects]:
        """Return the part of that name; were it there twice, both."""
        return {prefix: part for prefix, part in self.parts.items() if part_name(prefix)[0] == name}


def part_name(prefix: str) -> tuple[str, str]:
    """Split ``<name>_<fingerprint>``."""
    name, _, fingerprint = prefix.rpartition("_")
    return name, fingerprint


def tables(listed: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Table]:
    """Sort a listing of the ruleset; tables of others are left out."""
    found: dict[tuple[str, str], Table] = {}
    later: list[tuple[Table, Entry]] = []
    for entry in listed:
        ((kind, body),) = entry.items()
        name = body.get("name" if kind == "table" else "table", "")
        if kind == "metainfo" or not name.startswith(PREFIX):
            continue
        table = found.setdefault((body["family"], name), Table(body["family"], name))
        if kind == "chain":
            _read_mark(table, body["name"])
        later.append((table, (kind, body)))
    # A table's sets are listed before the chains that say whose they are.
    for table, (kind, body) in later:
        owner = _owner(table, body["chain"] if kind == "rule" else body["name"])
        if kind in {"set", "map"}:
            table.kinds[body["name"]] = kind
            if not owner and body.get("map") == "verdict":
                table.maps[body["name"]] = body
            comment = str(body.get("comment", ""))
            if table.carries and comment.startswith(COMMENT):
                table.sets[body["name"]] = comment.removeprefix(COMMENT)
                continue
        (table.parts[owner] if owner else table.skeleton).entries.append((kind, body))
    return found


def _read_mark(table: Table, chain: str) -> None:
    if chain.startswith(CARRYING):
        table.fingerprint, table.carries = chain.removeprefix(CARRYING), True
    elif chain.startswith(FINGERPRINT):
        table.fingerprint = chain.removeprefix(FINGERPRINT)
    elif _MARK.fullmatch(chain):
        table.parts[chain.removesuffix(PART)] = Objects()


def _owner(table: Table, name: str) -> str:
    prefixes = (name[: match.end() - 1] for match in _OF_A_PART.finditer(name))
    return next((prefix for prefix in prefixes if prefix in table.parts), "")


def stable(value: Any) -> Any:
    """Return a part of a listing without what the kernel changes by itself."""
    if isinstance(value, dict):
        dropped = {*VOLATILE, "elem"} if VARYING.intersection(value.get("flags", ())) else VOLATILE
        return {key: stable(part) for key, part in value.items() if key not in dropped}
    if isinstance(value, list):
        return [stable(part) for part in value]
    return value


def table_key(family: str, name: str) -> str:
    """How a table's listing is called in the memory; its fingerprint follows."""
    return f"{family} {name} "


def part_key(family: str, name: str, prefix: str) -> str:
    """How the listing of a table's part is called in the memory."""
    return f"{family} {name}/{prefix}"
