"""Transactions as text of nft: what has to be said to replace tables, sets and parts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.kernel.nft_listing import CARRYING, FINGERPRINT, PART, Objects, Table

_NAME = re.compile(r"(?![0-9.\-]+$)[^:/\"]+")
"""What is neither a number or an address of IPv4, nor a range of these, nor has a colon or slash as other addresses."""


def whole(table: NftTable) -> str:
    """Replace the table whether or not it exists: "add, delete, add"."""
    name = f"table {table.family} {table.name}"
    return f"{name}\ndelete {name}\n{_skeleton(table)}"


def in_place(table: NftTable, found: Table, *, leave: bool = False) -> str:
    """Replace the skeleton's chains; named sets and maps that it still has keep their elements.

    ``leave``: what the skeleton has no longer stays for now, but for its fingerprint.

    A base chain that it still has is not deleted but filled anew: the kernel registers a new hook before
    the transaction counts, and a chain without rules has nothing but its policy.
    """
    names = {name for _, name in re.findall(r"\b(chain|set|map|counter)\s+([\w.\-]+)\s*\{", table.body)}
    staying = Objects([("chain", body) for body in found.skeleton.named("chain") if body["name"] in names])
    going = Objects(
        [
            (kind, body)
            for kind, body in found.skeleton.entries
            if kind not in {"table", "rule"} and body["name"] not in names
            if not leave or body["name"].startswith(CARRYING)
        ]
    )
    where = f"{table.family} {table.name}"
    flushed = [f"flush chain {where} {body['name']}" for body in staying.named("chain")]
    return "\n".join([*flushed, *_removal(where, going), _skeleton(table)])


def _skeleton(table: NftTable) -> str:
    mark = (CARRYING if table.carries else FINGERPRINT) + table.fingerprint
    return f"table {table.family} {table.name} {{\nchain {mark} {{ }}\n{table.body}\n}}\n"


def part_objects(new: NftPart) -> str:
    """Make a part's objects, to which nothing leads yet."""
    return f"table {new.family} {new.table} {{\nchain {new.prefix}{PART} {{ }}\n{new.text()}\n}}\n"


def part_links(new: NftPart, found: Table | None) -> str:
    """Have the links lead into this part: those of a former one, or of others in their place, go."""
    where = f"{new.family} {new.table}"
    links = new.elements()
    lines: list[str] = []
    if found is not None:
        taken = {(map_, key) for map_, key, _ in links}
        lines += _unlinking(found, taken, found.parts_called(new.name))
    for map_, key, verdict in sorted(links):
        lines.append(f'add element {where} {map_} {{ {_key(key)} comment "{new.prefix}" : {verdict} }}')
    return "\n".join(lines) + "\n" if lines else ""


def part_again(new: NftPart, found: Table) -> str:
    """Replace what is there of the same part: its objects have the same names, so that all happens at once."""
    lines = part_links(new, found).splitlines()
    unlinking = [line for line in lines if line.startswith("delete")]
    going = remove_parts(found, found.parts_called(new.name))
    return "\n".join([*unlinking, *going, part_objects(new), *lines[len(unlinking) :]]) + "\n"


def unlink_parts(found: Table, prefixes: Collection[str]) -> list[str]:
    """Remove the elements that lead into parts."""
    return _unlinking(found, set(), prefixes)


def remove_parts(found: Table, prefixes: Collection[str]) -> list[str]:
    """Remove the objects of parts, to which nothing leads any more."""
    where = f"{found.family} {found.name}"
    return [line for prefix in prefixes for line in _removal(where, found.parts[prefix])]


def _unlinking(found: Table, taken: set[tuple[str, str]], prefixes: Collection[str]) -> list[str]:
    going = {
        (map_, key)
        for prefix, links in found.links.items()
        for map_, key, _ in links
        if prefix in prefixes or (map_, key) in taken
    }
    where = f"{found.family} {found.name}"
    return [f"delete element {where} {map_} {{ {_key(key)} }}" for map_, key in sorted(going)]


def _key(text: str) -> str:
    """Return the fields of an element's key as nft reads them: a name without quotes may begin like a number (``3cx.eth0``),
    or be a word of its own (a port ``mark``).
    """
    return " . ".join(f'"{each}"' if _NAME.fullmatch(each) else each for each in text.split(" . "))


def _removal(where: str, objects: Objects) -> Iterator[str]:
    """Empty all before the first is deleted: they refer to each other."""
    chains = [body["name"] for body in objects.named("chain")]
    yield from (f"flush chain {where} {name}" for name in chains)
    for body in objects.named("map"):
        if body["map"] == "verdict":
            yield f"flush map {where} {body['name']}"
    yield from (f"delete chain {where} {name}" for name in chains)
    for kinds in ({"map"}, {"set"}):
        yield from (
            f"delete {kind} {where} {body['name']}" for kind, body in objects.entries if kind in kinds
        )
    for kind, body in objects.entries:
        if kind not in {"table", "chain", "rule", "map", "set"}:
            yield f"delete {kind} {where} {body['name']}"


def set_(item: NftSet, found: Table | None, present: frozenset[str]) -> str:
    """Make a set or bring its elements up to date; ``present`` are those it has, if it may stay as it is."""
    where = f"{item.family} {item.table}"
    lines: list[str] = []
    known = found.sets.get(item.name) if found is not None else None
    if known != item.fingerprint:
        present = frozenset()
        if found is not None:
            lines += remove_set(found, item.name)
        lines.append(f"table {where} {{\n{item.declaration()}\n}}")
    if item.elements is not None:
        # The key alone names an element of a map, so that a new value for it finds its place free.
        for verb, texts in ("delete", present - item.elements), ("add", item.elements - present):
            if texts:
                split = (text.partition(" : ") for text in sorted(texts))
                listed = ", ".join(
                    _key(key) if verb == "delete" else f"{_key(key)}{colon}{value}"
                    for key, colon, value in split
                )
                lines.append(f"{verb} element {where} {item.name} {{ {listed} }}")
    return "\n".join(lines)


def remove_set(found: Table, name: str) -> list[str]:
    """Remove a set or map, if it is there; one that the skeleton asks is emptied, and goes with its table."""
    where = f"{found.family} {found.name}"
    kind = found.kinds.get(name)
    if kind is None:
        return []
    lines = [f"flush {kind} {where} {name}", f"delete {kind} {where} {name}"]
    return lines[:1] if name in found.skeleton.used else lines
