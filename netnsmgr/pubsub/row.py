"""A row and its parts: names, values, their JSON, and the bounds of each.

Everything that comes from somebody else passes through here; what is not as it should be raises ``WireError``
and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from netnsmgr.errors import NetnsmgrError

MAX_FRAME = 16 << 20
"""Bytes of a frame; a bound against errors, not a quota: a transaction of 5000 documents has about 5 MB."""
MAX_ROW = 1 << 20
"""Bytes of a row's value."""
MAX_NAME = 255
"""Bytes of a table's, key's or writer's name."""
MAX_CHANGES = 20_000
"""Rows of a transaction."""

Row = dict[str, Any]
"""A row's value: always a JSON object."""


class WireError(NetnsmgrError):
    """A message that does not follow the form; the text says where."""


class Change(NamedTuple):
    """One row to be set, or deleted if the value is None."""

    table: str
    key: str
    value: Row | None


def dump(value: object, limit: int = MAX_FRAME) -> bytes:
    """Canonical JSON: equal values give equal bytes, on which "an equal value is not news" rests."""
    try:
        # ASCII, because a lone surrogate, which JSON can spell, has no UTF-8.
        body = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as e:
        raise WireError(f"not representable as JSON: {e}") from None
    if len(body) > limit:
        raise WireError(f"{len(body)} bytes of JSON; at most {limit} are allowed")
    return body


def load(body: bytes, limit: int = MAX_FRAME) -> Any:
    """The value of a JSON text."""
    if len(body) > limit:
        raise WireError(f"{len(body)} bytes of JSON; at most {limit} are allowed")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise WireError(f"not JSON: {e}") from None


def load_row(body: bytes) -> Row:
    """The value of a row."""
    value = load(body, MAX_ROW)
    if not isinstance(value, dict):
        raise WireError("a row's value is a JSON object")
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def check_name(what: str, name: object) -> str:
    """``name`` if it can name a table, key or writer: printable, not empty, at most 255 bytes."""
    # Printable excludes lone surrogates, so that encode() cannot fail.
    if isinstance(name, str) and name and name.isprintable() and len(name.encode()) <= MAX_NAME:
        return name
    raise WireError(f"{what} has to be 1 to {MAX_NAME} printable bytes")


def check_changes(changes: Iterable[object], *, least: int = 1) -> tuple[Change, ...]:
    """The rows of a transaction, each checked; ``least`` is how many there have to be."""
    checked = []
    for change in changes:
        if not isinstance(change, (list, tuple)) or len(change) != 3:
            raise WireError("a change is [table, key, value]")
        table, key, value = change
        if value is not None and not isinstance(value, dict):
            raise WireError("a row's value is a JSON object, or null")
        # Now and not when it is stored: half a transaction must not fail.  JSON can be read that cannot be
        # written: 1e999 is infinity.
        dump(value, MAX_ROW)
        checked.append(Change(check_name("a table", table), check_name("a key", key), value))
    if not least <= len(checked) <= MAX_CHANGES:
        raise WireError(f"a put has {least:d} to {MAX_CHANGES} rows, this one has {len(checked)}")
    return tuple(checked)
