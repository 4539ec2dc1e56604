"""Revisions as a client is told of them: which there are, what is in one, what a rollback did.  No sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from netnsmgr.client.documents import Document, Published
from netnsmgr.client.kinds import BY_TABLE, Kind


class Revision(NamedTuple):
    """A revision on the daemon's disk.

    ``time`` is in seconds since 1970 by the device's clock, which may have been wrong; ``what`` says what it changed,
    ``size`` is in bytes.  ``outcome`` of one that had to be confirmed is ``confirmed``, ``taken back: …``, or empty
    while it waits, ``left`` seconds more.
    """

    number: int
    time: float
    writer: str
    what: str
    size: int
    outcome: str = ""
    left: float | None = None


class Kept(NamedTuple):
    """An object that a rollback left as it is; ``there`` is False if another ``writer`` has deleted it."""

    kind: Kind
    name: str
    there: bool
    writer: str


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did: ``target`` is the revision whose objects are back, ``undone`` the one that waited, if any.

    ``published`` is what ``applied`` waits for; ``changed`` says of each object whether it was ``restored`` or
    ``deleted``; ``kept`` differ from the target, and were left because they are another writer's.
    """

    target: int
    undone: int | None
    published: Published
    changed: tuple[tuple[Kind, str, str], ...]
    kept: tuple[Kept, ...]


def revisions(answer: Mapping[str, Any]) -> tuple[Revision, ...]:
    """Return the revisions in the answer to ``history``."""
    waits = answer["waits"] or {"revision": None, "left": None}
    return tuple(
        Revision(
            each["revision"],
            each["time"],
            each["writer"],
            each["what"],
            each["size"],
            each["outcome"],
            waits["left"] if each["revision"] == waits["revision"] else None,
        )
        for each in answer["revisions"]
    )


def documents(answer: Mapping[str, Any]) -> tuple[Document, ...]:
    """Return the documents in the answer to ``revision``, in the order in which one stands on the other."""
    return tuple(value for table in BY_TABLE for _, value in answer["rows"].get(table, {}).values())


def rolled_back(answer: Mapping[str, Any]) -> RolledBack:
    """Return what the answer to ``rollback`` says."""
    waits = answer["waits"] or {"revision": 0, "left": 0.0}
    rows = [(BY_TABLE[table], key, value) for table, key, value, _ in answer["rows"]]
    published = Published(
        answer["revision"],
        tuple(value for _, _, value in rows if value is not None),
        tuple((kind, key) for kind, key, value in rows if value is None),
        waits["revision"],
        waits["left"],
    )
    changed = tuple((kind, key, "deleted" if value is None else "restored") for kind, key, value in rows)
    kept = tuple(Kept(BY_TABLE[table], *others) for table, *others in answer["kept"])
    return RolledBack(answer["target"], answer["undone"], published, changed, kept)
