"""nftables through libnftables, in process: one transaction a call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nftables

from netnsmgr.errors import KernelError
from netnsmgr.items.system import TableInfo

VOLATILE = ("handle", "packets", "bytes", "comment")
"""What the kernel changes by itself in a listing; a table's comment is ours, a rule's is part of its text."""


class KernelNft:
    """libnftables' context for the namespace that the process lives in; see ``items.system.Nft``.

    ``memory`` is a file that remembers, for each fingerprint, how the kernel listed the table right after it was
    loaded.  A listing that differs later was changed by somebody else.  Without the file (it lies below ``/run``)
    every table counts as changed and is loaded once more, which disturbs nobody.
    """

    def __init__(self, memory: str) -> None:
        self._nft = nftables.Nftables()
        self._nft.set_json_output(True)
        self._memory = Path(memory)
        self._listings: dict[str, str] = {}
        with suppress(OSError, ValueError):
            self._listings = json.loads(self._memory.read_text())

    async def tables(self) -> Sequence[TableInfo]:
        listed = self._run("list ruleset")
        objects: list[dict[str, Any]] = json.loads(listed)["nftables"] if listed else []
        found: dict[tuple[str, str], tuple[str, list[Any]]] = {}
        for entry in objects:
            ((kind, body),) = entry.items()
            if kind == "table":
                found[body["family"], body["name"]] = (body.get("comment", ""), [])
            elif kind in ("chain", "rule", "set", "map"):
                found[body["family"], body["table"]][1].append(_stable(entry))
        result = []
        for (family, name), (comment, content) in found.items():
            listing = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
            remembered = self._listings.get(f"{family} {name} {comment}")
            result.append(TableInfo(family, name, comment, remembered in (listing, "new")))
            if remembered == "new":
                self._remember(f"{family} {name} {comment}", listing)
        return result

    async def load_table(self, family: str, name: str, fingerprint: str, body: str) -> None:
        # "add, delete, add" replaces the table whether or not it existed, in one transaction.
        table = f"table {family} {name}"
        self._run(f'{table}\ndelete {table}\n{table} {{\ncomment "{fingerprint}"\n{body}\n}}\n')
        self._forget(f"{family} {name} ")
        self._remember(f"{family} {name} {fingerprint}", "new")

    async def delete_table(self, family: str, name: str) -> None:
        table = f"table {family} {name}"
        self._run(f"{table}\ndelete {table}\n")
        self._forget(f"{family} {name} ")

    def _run(self, text: str) -> str:
        code, output, error = self._nft.cmd(text)
        if code != 0:
            first = next((line for line in error.splitlines() if line.strip()), "no reason given")
            raise KernelError(f"nftables: {first.removeprefix('internal:0:0-0: ')}")
        return str(output)

    def _forget(self, prefix: str) -> None:
        for key in [key for key in self._listings if key.startswith(prefix)]:
            del self._listings[key]

    def _remember(self, key: str, listing: str) -> None:
        self._listings[key] = listing
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        self._memory.write_text(json.dumps(self._listings))


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stable(part) for key, part in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_stable(part) for part in value]
    return value
