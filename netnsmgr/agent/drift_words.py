"""Drift in words of ``ip`` and ``nft``: what was expected, and what was found.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from netnsmgr.core.drift import Drift
from netnsmgr.core.item import Item, Ref
from netnsmgr.items.file import File
from netnsmgr.items.link import Foreign
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.process import Process
from netnsmgr.items.wireguard import Wireguard

WORDS = {"link-up": "link", "nft-table": "table", "nft-set": "set", "nft-part": "part", "process": "helper"}
FIELDS = {
    "mac": "address",
    "far_mac": "peer's address",
    "far_path": "peer in",
    "link": "dev",
    "forward_delay": "forward-delay",
}
QUIET = {"name", "parameter", "after"}
MOST = 8
"""How many things of a kind are named before they are only counted."""
TOGETHER = 3
"""So many things of one kind that were removed, or changed, at once are told as one."""


@dataclass(frozen=True)
class Told:
    """Something to be told of an object, such as ``NetworkInstance/ni1``; ``reason`` is CamelCase."""

    object: str
    reason: str
    message: str
    warning: bool = True
    found: dict[str, Any] | None = None


def name_of(ref: Ref) -> str:
    """Return what people call an item."""
    return f"{WORDS.get(ref.kind, ref.kind)} {ref.key}"


def sentence(drift: Drift, details: Sequence[str] = ()) -> str:
    """Say what has happened to an item: "link bn0 was changed: mtu 1300 instead of mtu 1500"."""
    name = name_of(drift.ref)
    if drift.expected is None:
        return f"{name} was added"
    if drift.found is None and drift.ref.kind == "link-up":
        return f"{name} was set down"
    if drift.found is None:
        return f"{name} has ended" if drift.ref.kind == "process" else f"{name} was removed"
    expected, found = differences(drift.expected, drift.found, details)
    if not expected:
        return f"{name} was changed" + (f": {_listed(found)}" if found else "")
    return f"{name} was changed: {_listed(found)} instead of {_listed(expected)}"


def differences(expected: Item, found: Item, details: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return what was expected and what was found, where they differ; ``details`` are nftables' of an item."""
    if isinstance(found, Foreign) and type(expected) is not Foreign:
        return [f"a {type(expected).__name__.lower()}"], ["another link"]
    if isinstance(expected, File):
        return [], [_lines(expected.text, found.text if isinstance(found, File) else "")]
    if isinstance(expected, NftSet) and isinstance(found, NftSet) and expected.spec == found.spec:
        want, have = expected.elements or frozenset(), found.elements or frozenset()
        return [], [f"- {each}" for each in sorted(want - have)] + [
            f"+ {each}" for each in sorted(have - want)
        ]
    if expected.ref.kind.startswith("nft-"):
        return [], list(details)
    if isinstance(expected, Process):
        return [], ["another command line"]
    if isinstance(expected, Wireguard):
        return [], ["its keys or peers"]
    if type(expected) is not type(found):
        return [_all(expected)], [_all(found)]
    pairs = [
        (_word(each.name, was), _word(each.name, now))
        for each in fields(expected)  # type: ignore[arg-type]
        if each.compare
        and each.name not in QUIET
        and (was := getattr(expected, each.name)) != (now := getattr(found, each.name))
    ]
    return [was for was, _ in pairs], [now for _, now in pairs]


def _all(item: Item) -> str:
    return type(item).__name__


def _word(name: str, value: object) -> str:
    if name == "up":
        return "up" if value else "down"
    if name == "value":
        return str(value)
    name = FIELDS.get(name, name)
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, (frozenset, tuple)) and not hasattr(value, "_fields"):
        return f"{name} {_listed(sorted(map(str, value))) or 'none'}"
    return f"{name} {'none' if value in (None, '') else value}"


def _lines(expected: str, found: str) -> str:
    # Never the text: a file may hold what an application was given in confidence.
    was, now = expected.splitlines(), found.splitlines()
    at = next(
        (n for n, (a, b) in enumerate(zip(was, now, strict=False), 1) if a != b), min(len(was), len(now)) + 1
    )
    return f"{len(now)} lines instead of {len(was)}, the first difference in line {at}"


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    return ", ".join(words[:MOST]) + more


def along(drift: Drift) -> str:
    """Say what went with it, if anything did."""
    return f"; with it went {_listed([name_of(ref) for ref in drift.along])}" if drift.along else ""


def facts(drift: Drift, details: Sequence[str] = ()) -> dict[str, Any]:
    """Return the same for programs."""
    found: dict[str, Any] = {"item": str(drift.ref)}
    if drift.expected is not None and drift.found is not None:
        expected, now = differences(drift.expected, drift.found, details)
        found |= {"expected": expected, "found": now}
    else:
        found |= {"expected": drift.expected is not None, "found": drift.found is not None}
    if drift.along:
        found["along"] = [str(ref) for ref in drift.along[:100]]
    return found


def several(drifts: Sequence[Drift]) -> str:
    """Say in one sentence what has happened in the same way to several items of one kind."""
    first = drifts[0]
    if first.expected is None:
        how = "were added"
    elif first.found is not None:
        how = "were changed"
    elif first.ref.kind == "link-up":
        how = "were set down"
    else:
        how = "have ended" if first.ref.kind == "process" else "were removed"
    word = WORDS.get(first.ref.kind, first.ref.kind)
    plural = "directories" if word == "directory" else word + ("es" if word.endswith("s") else "s")
    return f"{len(drifts)} {plural} {how}: {_listed([each.ref.key for each in drifts])}"


def mended(drifts: Sequence[Drift]) -> str:
    """Say that what had happened is undone."""
    if len(drifts) > 1:
        return f"{len(drifts)} items are as intended again"
    return f"{name_of(drifts[0].ref)} is {'gone' if drifts[0].expected is None else 'as intended'} again"


def again(drift: Drift) -> str:
    """Say what is done about something that drifts again and again."""
    if drift.ref.kind == "process":
        return "again and again: it is started again with pauses of 1 s to 30 s"
    return "again and again: another program wants it otherwise, so that it is put back with pauses of 1 s to 30 s"
