"""nftables through libnftables, in process: one transaction a call."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nftables

from netnsmgr.errors import KernelError
from netnsmgr.items.nft import PREFIX
from netnsmgr.items.system import TableInfo

VOLATILE = ("handle", "packets", "bytes")
"""What the kernel changes by itself in a listing."""

FINGERPRINT = "fingerprint_"
"""Name of the empty chain that holds a table's fingerprint.  A comment would be the place for it, but libnftables
1.0.6 leaves a table's comment out of its JSON."""


def rehearse() -> None:
    """Have the library and what it needs loaded and linked."""
    ctypes.CDLL("libnftables.so.1", mode=os.RTLD_NOW | os.RTLD_GLOBAL)


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
        result = []
        for body in self._listed("list tables"):
            family, name = body["table"]["family"], body["table"]["name"]
            if name.startswith(PREFIX):
                result.append(self._table(family, name))
        return result

    def _table(self, family: str, name: str) -> TableInfo:
        fingerprint = ""
        content = []
        for entry in self._listed(f"list table {family} {name}"):
            ((kind, body),) = entry.items()
            if kind == "chain" and body["name"].startswith(FINGERPRINT):
                fingerprint = body["name"].removeprefix(FINGERPRINT)
            content.append(_stable(entry))
        listing = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        key = f"{family} {name} {fingerprint}"
        if self._listings.get(key) == "new":
            self._remember(key, listing)
        return TableInfo(family, name, fingerprint, self._listings.get(key) == listing)

    def _listed(self, command: str) -> list[dict[str, Any]]:
        text = self._run(command)
        objects: list[dict[str, Any]] = json.loads(text)["nftables"] if text else []
        return [entry for entry in objects if "metainfo" not in entry]

    async def load_table(self, family: str, name: str, fingerprint: str, body: str) -> None:
        # "add, delete, add" replaces the table whether or not it existed, in one transaction.
        table = f"table {family} {name}"
        text = f"{table}\ndelete {table}\n{table} {{\nchain {FINGERPRINT}{fingerprint} {{ }}\n{body}\n}}\n"
        self._run(text)
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
