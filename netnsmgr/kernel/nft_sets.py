"""Sets of nftables as others fill them: their elements with counters."""

from __future__ import annotations

import json
from typing import Any

from netnsmgr.errors import KernelError


def read(family: str, table: str, name: str) -> dict[str, tuple[int, int]] | None:
    """Return a set's elements, each with packets and bytes (0 where it has no counter); None if there is no such set."""
    import nftables

    nft = nftables.Nftables()
    nft.set_json_output(True)
    code, output, error = nft.cmd(f"list set {family} {table} {name}")
    if code != 0:
        if "No such file" in error:
            return None
        raise KernelError(
            f"nftables: {error.strip().splitlines()[0] if error.strip() else 'no reason given'}"
        )
    found: dict[str, tuple[int, int]] = {}
    for entry in json.loads(output)["nftables"]:
        for element in entry.get("set", {}).get("elem", ()):
            body: dict[str, Any] = (
                element["elem"] if isinstance(element, dict) and "elem" in element else {"val": element}
            )
            counter = body.get("counter") or {}
            found[_text(body["val"])] = counter.get("packets", 0), counter.get("bytes", 0)
    return found


def _text(value: Any) -> str:
    return (
        " . ".join(map(str, value["concat"])) if isinstance(value, dict) and "concat" in value else str(value)
    )
