"""Configuration on disk: one file, replaced as a whole.

``rows.json`` holds the persistent tables and the revision.  It is written under another name, synced, and renamed
over the old one, so that at every instant, also one of power failure, there is a complete file; the one before
it is kept as ``rows.json.bak``.  A file that cannot be understood is set aside as ``*.damaged`` for whoever wants
to look, and the backup is used.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.row import Row, WireError, check_name
from netnsmgr.pubsub.tables import PERSISTENT

VERSION = 1
"""Of the file's form."""

log = structlog.get_logger("netnsmgr.store")


class Stored(NamedTuple):
    """A row on disk and the name of its writer."""

    writer: str
    value: Row


@dataclass
class State:
    """All that is kept: by table and key, the rows; and the revision, which counts the accepted transactions.

    ``complete`` is False if what was acknowledged once may be missing, because the file was damaged.  Then the
    absence of a row proves nothing, and nothing may be deleted on account of it.  The flag is stored, too.
    """

    revision: int = 0
    rows: dict[str, dict[str, Stored]] = field(default_factory=dict)
    complete: bool = True


class Store:
    """Owns the files ``rows.json*`` in ``state_dir``.  All methods block; one caller at a time."""

    def __init__(self, state_dir: str | os.PathLike[str]) -> None:
        self.path = Path(state_dir) / "rows.json"
        self.backup = self.path.with_name("rows.json.bak")

    def load(self) -> State:
        """The last state saved; an empty one if none ever was.

        Raises NetnsmgrError if the file is fine but cannot be read or is of a later version: to go on without
        it would mean to take every instance for deleted.
        """
        try:
            state = self._read(self.path)
            if state:
                return state
            state = self._read(self.backup)
        except OSError as e:
            raise NetnsmgrError(f"cannot read the stored configuration: {e}") from e
        damaged = [p.name for p in map(_aside, (self.path, self.backup)) if p.exists()]
        if state:
            # The backup is one transaction older than what was lost.  Its number has been given away and must not
            # name another state, or somebody waiting for the one would be told about the other.
            state.revision += 1
        elif damaged:
            log.error("stored configuration lost", directory=str(self.path.parent), damaged=damaged)
        return State(
            state.revision if state else 0, state.rows if state else {}, complete=not (state or damaged)
        )

    def save(self, state: State) -> None:
        """Put the state on disk; when this returns, it will survive a power failure.  Raises OSError."""
        document = {
            "version": VERSION,
            "revision": state.revision,
            "complete": state.complete,
            "rows": state.rows,
        }
        text = json.dumps(document).encode("ascii")
        directory = self.path.parent
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        temporary = self.path.with_name("rows.json.tmp")
        # 0600: configuration may hold keys.
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._keep_backup()
        temporary.replace(self.path)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)  # the rename itself
        finally:
            os.close(fd)

    def _keep_backup(self) -> None:
        """A second name for the present file; by a link, because a rename would leave a moment without one."""
        link = self.path.with_name("rows.json.bak.tmp")
        link.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.path, link)
            link.replace(self.backup)

    def _read(self, path: Path) -> State | None:
        """The state in this file; None if there is none or it is damaged."""
        try:
            return _parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, WireError) as e:
            aside = _aside(path)
            path.replace(aside)
            log.error("stored configuration is damaged; set aside", file=str(aside), cause=str(e))
            return None


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".damaged")


def _parse(text: bytes) -> State:
    match json.loads(text):
        case {"version": int(version)} if version > VERSION:
            raise NetnsmgrError(
                f"the stored configuration has form {version}, written by a later netnsmgr; this one knows {VERSION}"
            )
        case {"version": int(), "revision": int(revision), "complete": bool(complete), "rows": dict(tables)}:
            return State(
                revision, {t: _parse_rows(rows) for t, rows in tables.items() if t in PERSISTENT}, complete
            )
    raise ValueError("not the form of this file")


def _parse_rows(rows: object) -> dict[str, Stored]:
    parsed = {}
    for key, row in (rows if isinstance(rows, dict) else {"": rows}).items():
        match row:
            case [str(writer), dict(value)]:
                parsed[check_name("a key", key)] = Stored(check_name("a writer", writer), value)
            case _:
                raise ValueError(f"row {key!r}")
    return parsed
