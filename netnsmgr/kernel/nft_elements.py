"""Elements of sets and maps: from the JSON of nft 1.0.6 to the text that ``items.nft_set.NftSet`` documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netnsmgr.core.protocols import TCP, UDP

PROTOCOLS = {TCP: "tcp", UDP: "udp"}
"""Names that the canonical text has; all others depend on the machine's /etc/protocols."""


def elements(body: dict[str, Any]) -> frozenset[str]:
    """Return the elements of a listed set or map, without timeouts, counters and comments."""
    if "map" not in body:
        return frozenset(_key(body, value) for value in body.get("elem", ()))
    return frozenset(f"{key} : {value}" for key, value, _ in entries(body))


def entries(body: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Return key, value and comment of each element of a listed map."""
    data = body["map"].split(" . ") if isinstance(body["map"], str) else body["map"]
    for key, value in body.get("elem", ()):
        comment = key["elem"].get("comment", "") if isinstance(key, dict) and "elem" in key else ""
        yield _key(body, key), _text(value, data), comment


def _key(body: dict[str, Any], value: Any) -> str:
    types = body["type"]
    return _text(value, [types] if isinstance(types, str) else types)


def _text(value: Any, types: list[str]) -> str:
    match value:
        case {"elem": {"val": inner}}:
            return _text(inner, types)
        case {"concat": [*fields]}:
            return " . ".join(_text(part, [type_]) for part, type_ in zip(fields, types, strict=True))
        case {"prefix": {"addr": int() as first, "len": length}} if types == ["mark"]:
            # nft's way to write a range of numbers that happens to end where a prefix of them would.
            return f"{first}-{first + 2 ** (32 - length) - 1}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{_text(first, types)}-{_text(last, types)}"
        case {"jump": {"target": chain}} | {"goto": {"target": chain}}:
            (verb,) = value
            return f"{verb} {chain}"
        case dict():
            (verb,) = value
            return str(verb)
        case int() if types == ["inet_proto"]:
            return PROTOCOLS.get(value, str(value))
        case _:
            return str(value)
