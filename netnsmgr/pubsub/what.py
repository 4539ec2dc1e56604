"""What a revision did, in a line: how it is written on disk with the revision, and read again.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import Revision, Stored
from netnsmgr.pubsub.tables import KIND_TABLE

NAMED = 3
"""So many objects are named; the rest is counted."""
LONGEST = 100
"""Characters of a name that are written."""

_TRIED = re.compile(r"(apply|publish|delete|rollback to \d+) --confirm ")
_CONFIRMED = re.compile(r"; (?:(\d+) )?confirmed(?=;|$)")
_TAKEN_BACK = re.compile(r"(\d+) taken back: ")
_ROLLBACK = re.compile(r"rollback to (\d+)\b")


class Put(NamedTuple):
    """A row as it shall be, with its writer; None: it shall not be there."""

    table: str
    key: str
    stored: Stored | None

    @property
    def change(self) -> Change:
        """The same without its writer."""
        return Change(self.table, self.key, self.stored.value if self.stored else None)


def verb(*, replace: bool, changes: Iterable[Change]) -> str:
    """What kind of change this is, in the words of the command line and of the client library."""
    if replace:
        return "publish"
    return "apply" if any(change.value is not None for change in changes) else "delete"


def rollback(number: int) -> str:
    """The same of a change that puts an earlier revision back."""
    return f"rollback to {number}"


def of(did: str, before: Sequence[Put], rows: Sequence[Put], confirm: float) -> str:
    """What a change did to which objects; ``confirm`` is how many seconds it waits for that, or 0."""
    said = [
        f"{name(new.table, new.key)} {'created' if old.stored is None else 'deleted' if new.stored is None else 'changed'}"
        for old, new in zip(before, rows, strict=True)
        if old.change != new.change
    ]
    more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
    asked = f" --confirm {confirm:g}s" if confirm else ""
    return f"{did}{asked}: {', '.join(said[:NAMED])}{more}"


def confirmed(said: str, number: int, newest: int) -> str:
    """Add to what the newest revision did that a revision, this one or one before it, was confirmed."""
    return f"{said}; confirmed" if number == newest else f"{said}; {number} confirmed"


def taken_back(number: int, why: str) -> str:
    """What a revision did that takes back the one that waited."""
    return f"{number} taken back: {why}"


def name(table: str, key: str) -> str:
    """An object as revisions and events name it: ``NetworkInstance/ni1``."""
    kind = next((kind for kind, its in KIND_TABLE.items() if its == table), table)
    return f"{kind}/{key if len(key) <= LONGEST else key[:LONGEST] + '…'}"


def is_rollback(revision: Revision) -> bool:
    """Whether it put an earlier revision back because somebody asked for that."""
    return bool(_ROLLBACK.match(revision.what))


def outcomes(revisions: Iterable[Revision]) -> dict[int, str]:
    """What became of the revisions that had to be confirmed: ``confirmed``, or why one was taken back."""
    found: dict[int, str] = {}
    tried = []
    for revision in revisions:
        if _TRIED.match(revision.what):
            tried.append(revision.number)
        for match in _CONFIRMED.finditer(revision.what):
            found[int(match[1] or revision.number)] = "confirmed"
        if back := _TAKEN_BACK.match(revision.what):
            found[int(back[1])] = f"taken back: {revision.what[back.end() :]}"
    return {number: found.get(number, "") for number in tried} | found
