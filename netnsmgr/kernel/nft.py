"""nftables through libnftables, in process: one transaction a call."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nftables
import structlog

from netnsmgr.errors import KernelError
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.system import PartInfo, SetInfo, TableInfo
from netnsmgr.kernel import nft_text
from netnsmgr.kernel.nft_changes import Intact
from netnsmgr.kernel.nft_elements import elements
from netnsmgr.kernel.nft_generation import Generation
from netnsmgr.kernel.nft_listing import Objects, Table, part_key, part_name, table_key, tables

log = structlog.get_logger()


def rehearse() -> None:
    """Have the library and what it needs loaded and linked."""
    ctypes.CDLL("libnftables.so.1", mode=os.RTLD_NOW | os.RTLD_GLOBAL)


class KernelNft:
    """libnftables' context for the namespace that the process lives in; see ``items.system.Nft``.

    ``memory`` is a file that remembers, for each fingerprint, how the kernel listed the table or part right after it
    was loaded.  A listing that differs later was changed by somebody else.  Without the file (it lies below ``/run``)
    everything counts as changed and is loaded once more, which disturbs nobody.
    While the ruleset's generation stays the same, nothing is listed again.
    """

    def __init__(self, memory: str) -> None:
        self._nft = nftables.Nftables()
        self._nft.set_json_output(True)
        # Names of protocols and the like depend on files in /etc.
        self._nft.set_numeric_proto_output(True)
        self._nft.set_numeric_symbol_output(True)
        self._generation = Generation()
        self._listed_at: int | None = None
        self._followed_to: int | None = None
        """The generation up to which what we wrote ourselves was entered in what was listed."""
        self._tables: dict[tuple[str, str], Table] = {}
        self._elements: dict[tuple[str, str, str], frozenset[str]] = {}
        self.intact = Intact(self._nft)
        self._memory = Path(memory)
        self._listings: dict[str, str] = {}
        with suppress(OSError, ValueError):
            self._listings = json.loads(self._memory.read_text())

    async def tables(self) -> Sequence[TableInfo]:
        return [
            TableInfo(
                table.family,
                table.name,
                table.fingerprint,
                self._intact(table_key(table.family, table.name) + table.fingerprint, table.skeleton),
                table.carries,
            )
            for table in self._ours().values()
        ]

    async def load_table(self, table: NftTable) -> None:
        key = table.family, table.name
        listing = "new"
        if key in self._known():
            listing = self._replace_table(table, self._ours()[key])
        else:
            self._write(nft_text.whole(table))
            self._tables[key] = Table(table.family, table.name, table.fingerprint, table.carries)
            self._forget(part_key(*key, ""))
        self._forget(table_key(*key))
        self._remember(table_key(*key) + table.fingerprint, listing)

    def _replace_table(self, table: NftTable, found: Table) -> str:
        refused = "the text has elements"
        # Elements in the text would be added to those of the old text.
        if found.carries and table.carries and "elements" not in table.body:
            # Parts may still lead to what goes; then it goes in the next pass, when they do so no longer.
            for listing, leave in ("new", False), ("leftovers", True):
                try:
                    self._run(nft_text.in_place(table, found, leave=leave))
                    return listing
                except KernelError as error:
                    refused = str(error)
        self._run(nft_text.whole(table))
        self._forget(part_key(table.family, table.name, ""))
        if found.parts:
            log.warning("table replaced with all its parts", table=table.name, reason=refused)
        return "new"

    async def delete_table(self, family: str, name: str) -> None:
        self._write(f"table {family} {name}\ndelete table {family} {name}\n")
        self._tables.pop((family, name), None)
        self._forget(table_key(family, name), part_key(family, name, ""))

    async def sets(self) -> Sequence[SetInfo]:
        return [
            SetInfo(table.family, table.name, name, fingerprint)
            for table in self._ours().values()
            for name, fingerprint in table.sets.items()
        ]

    async def elements(self, family: str, table: str, name: str) -> frozenset[str]:
        found = self._ours().get((family, table))
        return frozenset() if found is None or name not in found.kinds else self._elements_of(found, name)

    def _elements_of(self, found: Table, name: str) -> frozenset[str]:
        key = found.family, found.name, name
        if key not in self._elements:
            self._elements[key] = elements(self._content(found, name))
        return self._elements[key]

    async def load_set(self, item: NftSet) -> None:
        found = self._known().get((item.family, item.table))
        present: frozenset[str] = frozenset()
        if item.elements is not None and found is not None and item.name in found.sets:
            present = self._elements_of(found, item.name)
        if text := nft_text.set_(item, found, present):
            self._write(text)
            if found is not None:
                found.sets[item.name] = item.fingerprint
                found.kinds[item.name] = item.type
            if item.elements is not None:
                self._elements[item.family, item.table, item.name] = item.elements

    async def delete_set(self, family: str, table: str, name: str) -> None:
        known = self._known().get((family, table))
        found = known if known and known.skeleton.entries else self._ours().get((family, table))
        if found is not None and (lines := nft_text.remove_set(found, name)):
            self._write("\n".join(lines))
            if len(lines) > 1:
                found.sets.pop(name, None)
                found.kinds.pop(name, None)
            self._elements.pop((family, table, name), None)

    async def parts(self) -> Sequence[PartInfo]:
        return [
            PartInfo(
                table.family,
                table.name,
                *part_name(prefix),
                self._intact(part_key(table.family, table.name, prefix), part),
                frozenset(table.links[prefix]),
                frozenset(part.used & table.sets.keys()),
            )
            for table in self._ours().values()
            for prefix, part in table.parts.items()
        ]

    async def load_part(self, part: NftPart) -> None:
        found = self._with_parts(part.family, part.table, part.name)
        old = list(found.parts_called(part.name)) if found is not None else []
        if found is not None and part.prefix in old:
            self._write(nft_text.part_again(part, found))
        elif found is None or not old:
            # Nobody is led into it yet, so that it may come as a whole.
            self._write(nft_text.part_objects(part) + nft_text.part_links(part, found))
        else:
            self._load_beside(part, found, old)
        if found is not None:
            self._enter_part(found, old, part)
        self._remember(part_key(part.family, part.table, part.prefix), "new")

    def _load_beside(self, part: NftPart, found: Table, old: list[str]) -> None:
        """Make the new part, switch the links, remove the old one: each in a transaction.

        In one transaction packets would be lost.  A packet that is on its way through the rules while the generation
        changes finds the new link, but follows it in the old generation, where a new chain has no rules;
        and the elements of a new set with concatenated ranges are there only some time after the new rules are.
        """
        self._write(nft_text.part_objects(part))
        try:
            if text := nft_text.part_links(part, found):
                self._write(text)
        except KernelError:
            with suppress(KernelError):
                new = self._ours()[part.family, part.table]
                self._run("\n".join(nft_text.remove_parts(new, [part.prefix])))
            raise
        if lines := nft_text.remove_parts(found, old):
            self._write("\n".join(lines))

    async def delete_part(self, family: str, table: str, name: str) -> None:
        found = self._with_parts(family, table, name)
        if found is not None and (old := list(found.parts_called(name))):
            lines = [*nft_text.unlink_parts(found, old), *nft_text.remove_parts(found, old)]
            self._write("\n".join(lines))
            self._enter_part(found, old, None)

    def _with_parts(self, family: str, table: str, name: str) -> Table | None:
        """Return a table of which that part's objects are known, if it has such a part."""
        found = self._known().get((family, table))
        if found is not None and all(part.entries for part in found.parts_called(name).values()):
            return found
        return self._ours().get((family, table))

    def _enter_part(self, found: Table, old: Iterable[str], new: NftPart | None) -> None:
        taken = set() if new is None else {(map_, key) for map_, key, _ in new.elements()}
        for links in found.links.values():
            links -= {link for link in links if link[:2] in taken}
        for prefix in old:
            del found.parts[prefix]
            del found.links[prefix]
            self._forget(part_key(found.family, found.name, prefix))
        if new is not None:
            found.parts[new.prefix] = Objects()
            found.links[new.prefix] = set(new.elements())

    def _known(self) -> dict[tuple[str, str], Table]:
        """Return our tables as far as they have to be known to write: as listed, with what we have written since.

        Their skeletons and the objects of their parts may be incomplete; who needs those asks ``_ours``.
        """
        generation = self._generation()
        return self._tables if generation is not None and generation == self._followed_to else self._ours()

    def _write(self, text: str) -> None:
        """Run a transaction whose caller enters in ``_tables`` what it has changed."""
        before = self._listed_at if self._listed_at is not None else self._followed_to
        self._listed_at = self._followed_to = None
        self._run(text)
        if before is not None and self._generation() == before + 1:
            self._followed_to = before + 1

    def _ours(self) -> dict[tuple[str, str], Table]:
        """Return our tables; listed anew only if the ruleset changed."""
        while (generation := self._generation()) != self._listed_at or generation is None:
            self._elements.clear()
            self._listed_at = None
            try:
                # The one listing in which 1.0.6 leaves out elements in the kernel already, rather than in print.
                self._tables = tables(self._listed("list ruleset", terse=True))
                for table in self._tables.values():
                    self._fill(table)
            except KernelError:
                if generation is None or self._generation() == generation:
                    raise
                continue  # something vanished between two listings
            self._listed_at = generation
            if generation is None:
                break
        return self._tables

    def _fill(self, table: Table) -> None:
        """Add the elements that a terse listing left out and that belong to what is watched."""
        if table.carries:
            table.maps = {name: self._content(table, name) for name in table.maps}
            return
        table.skeleton.entries = [
            (kind, self._content(table, body["name"]) if kind in {"set", "map"} else body)
            for kind, body in table.skeleton.entries
        ]

    def _content(self, table: Table, name: str) -> dict[str, Any]:
        kind = table.kinds[name]
        (entry,) = self._listed(f"list {kind} {table.family} {table.name} {name}")
        body: dict[str, Any] = entry[kind]
        return body

    def _listed(self, command: str, *, terse: bool = False) -> list[dict[str, Any]]:
        self._nft.set_terse_output(terse)
        text = self._run(command)
        objects: list[dict[str, Any]] = json.loads(text)["nftables"] if text else []
        return [entry for entry in objects if "metainfo" not in entry]

    def _run(self, text: str) -> str:
        code, output, error = self._nft.cmd(text)
        if code != 0:
            first = next((line for line in error.splitlines() if line.strip()), "no reason given")
            raise KernelError(f"nftables: {first.removeprefix('internal:0:0-0: ')}")
        return str(output)

    def _intact(self, key: str, objects: Objects) -> bool:
        digest = objects.digest
        if self._listings.get(key) == "new":
            self._remember(key, digest)
        return self.intact.note(key, objects, same=self._listings.get(key) == digest)

    def _forget(self, *beginnings: str) -> None:
        for key in [key for key in self._listings if key.startswith(beginnings)]:
            del self._listings[key]
            self.intact.forget(key)

    def _remember(self, key: str, listing: str) -> None:
        self._listings[key] = listing
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        self._memory.write_text(json.dumps(self._listings))
