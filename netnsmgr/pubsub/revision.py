"""A revision of the configuration, and the bytes that it is on disk.  No files, no clock.

A revision's file is three lines of JSON:

1. ``{"sha256": …}`` of the bytes after this line.  So it is in every form, also in those of later versions,
   because that is how a later form is told from a damaged file.
2. What is known of the revision without its rows: ``form``, ``number``, ``time``, ``writer``, ``what``,
   ``complete``, and ``version``, that of the netnsmgr that wrote it.
3. ``rows``: ``{table: {key: [writer, value]}}``; and ``trial``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netnsmgr import __version__
from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.migrations import FORM, migrate
from netnsmgr.pubsub.row import Row, WireError, check_name
from netnsmgr.pubsub.tables import PERSISTENT

HEAD = 4096
"""Bytes of the first two lines, at most."""


class Damaged(NetnsmgrError):
    """These bytes are not what was written; the text says how one sees that."""


class LaterForm(NetnsmgrError):
    """These bytes are fine, and written by a later netnsmgr; the text says what to do."""


class Stored(NamedTuple):
    """A row on disk and the name of its writer."""

    writer: str
    value: Row


@dataclass
class State:
    """All that is configured: by table and key, the rows; and the revision, which counts the accepted transactions.

    ``complete`` is False if what was acknowledged once may be missing, because a file was damaged.  Then the
    absence of a row proves nothing, and nothing may be deleted on account of it.  The flag is stored, too.
    ``trial`` is what is known of a change that waits for its confirmation; its form is that of who keeps it.
    """

    revision: int = 0
    rows: dict[str, dict[str, Stored]] = field(default_factory=dict)
    complete: bool = True
    trial: dict[str, Any] | None = None


class Meta(NamedTuple):
    """How a revision came about: when (seconds since 1970), by whom, and by what: ``apply``, ``delete``, …"""

    time: float
    writer: str
    what: str


class Revision(NamedTuple):
    """What is known of a revision on disk without its rows.  ``size`` is in bytes, of its file.

    ``time`` is the device's clock, which may have been wrong; only ``number`` says which one is newer.
    ``version`` is that of the netnsmgr that wrote it.
    """

    number: int
    time: float
    writer: str
    what: str
    complete: bool
    version: str
    size: int


def pack(state: State, meta: Meta) -> bytes:
    """The bytes of a revision's file, in the present form."""
    head = {
        "form": FORM,
        "number": state.revision,
        "time": meta.time,
        "writer": meta.writer,
        "what": meta.what,
        "complete": state.complete,
        "version": __version__,
    }
    body = {"rows": state.rows, "trial": state.trial}
    # ASCII, because a lone surrogate, which JSON can spell, has no UTF-8.
    rest = b"".join(json.dumps(line).encode("ascii") + b"\n" for line in (head, body))
    return json.dumps({"sha256": hashlib.sha256(rest).hexdigest()}).encode("ascii") + b"\n" + rest


def unpack(text: bytes) -> State:
    """The state in a revision's file.  Raises Damaged and LaterForm."""
    first, _, rest = text.partition(b"\n")
    if _object(first).get("sha256") != hashlib.sha256(rest).hexdigest():
        raise Damaged("its content does not agree with its check sum")
    head, _, body = rest.partition(b"\n")
    return _state(migrate({**_known(head), **_object(body)}))


def unpack_head(text: bytes, size: int) -> Revision:
    """What the first two lines say, without a look at the rest.  Raises Damaged and LaterForm."""
    _, head, *_ = (*text.split(b"\n"), b"", b"")
    match _known(head):
        case {
            "number": int(number),
            "time": int() | float() as time,
            "writer": str(writer),
            "what": str(what),
            "complete": bool(complete),
            "version": str(version),
        }:
            return Revision(number, time, writer, what, complete, version, size)
    raise Damaged("its second line is not the head of a revision")


def unpack_form1(text: bytes) -> State | None:
    """The state in a ``rows.json``, which was form 1; None if it says that its content is elsewhere now.

    Raises Damaged.
    """
    document = _object(text)
    match document:
        case {"version": 1}:
            return _state(migrate({**document, "form": 1}))
        case {"version": int()}:
            return None
    raise Damaged("not the form of this file")


def elsewhere() -> bytes:
    """A ``rows.json`` which makes a netnsmgr that knows form 1 alone refuse to start.

    Without it, it would take every instance for deleted.
    """
    return json.dumps({"version": FORM, "see": "revisions"}).encode("ascii") + b"\n"


def _object(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise Damaged(f"it is not JSON: {e}") from None
    if isinstance(document, dict):
        return document
    raise Damaged("it is not an object of JSON")


def _known(head: bytes) -> dict[str, Any]:
    known = _object(head)
    form = known.get("form")
    if not isinstance(form, int) or form < 2:
        raise Damaged("its second line is not the head of a revision")
    if form > FORM:
        raise LaterForm(
            f"it has form {form}, written by netnsmgr {known.get('version', 'of a later version')}; "
            f"this one is {__version__} and knows the forms up to {FORM}"
        )
    return known


def _state(document: Mapping[str, Any]) -> State:
    match document:
        case {
            "number": int(number),
            "complete": bool(complete),
            "rows": dict(tables),
            "trial": dict() | None as trial,
        }:
            try:
                rows = {table: _rows(rows) for table, rows in tables.items() if table in PERSISTENT}
            except WireError as e:
                raise Damaged(str(e)) from None
            return State(number, rows, complete, trial)
    raise Damaged("not the form of this file")


def _rows(rows: object) -> dict[str, Stored]:
    parsed = {}
    for key, row in (rows if isinstance(rows, dict) else {"": rows}).items():
        match row:
            case [str(writer), dict(value)]:
                parsed[check_name("a key", key)] = Stored(check_name("a writer", writer), value)
            case _:
                raise Damaged(f"row {key!r} is not [writer, value]")
    return parsed
