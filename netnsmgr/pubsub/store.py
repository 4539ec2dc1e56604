"""Configuration on disk: a file for each accepted revision, of which the newest good one counts.

A file is written under another name, synced, and renamed, and then the directory is synced; so at every instant,
also one of power failure, there is a complete newest file, the old or the new.  A file that cannot be understood
is set aside as ``*.damaged`` for whoever wants to look, and the one before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.revision import (
    HEAD,
    Damaged,
    LaterForm,
    Meta,
    Revision,
    State,
    Stored,
    elsewhere,
    pack,
    unpack,
    unpack_form1,
    unpack_head,
)
from netnsmgr.pubsub.row import Row

__all__ = ["Meta", "Revision", "State", "Store", "Stored"]

REVISIONS = 50
"""How many are kept."""
BYTES = 64 << 20
"""How much of the disk they take together, at most; the newest two are kept however large."""
DAMAGED = 5
"""How many files that were set aside are kept."""
WRITER = "supervisor"
"""The writer of a revision that nobody asked for: migrated, or recovered."""

_NAME = re.compile(r"(\d{10})\.jsonl(\.damaged)?")

log = structlog.get_logger("netnsmgr.store")


class Store:
    """Owns the directory ``revisions`` in ``state_dir``, and ``rows.json*``, which an earlier version wrote.

    All methods block.  ``load`` and ``save`` are for one caller at a time; the others at any time.
    ``damage`` are the sentences about what ``load`` could not use; empty if there was nothing.
    """

    def __init__(
        self, state_dir: str | os.PathLike[str], fault: Callable[[Row], str] = lambda _value: ""
    ) -> None:
        """``fault`` says why a stored value cannot be used by this version; empty if it can."""
        self.directory = Path(state_dir) / "revisions"
        self.former = Path(state_dir) / "rows.json"
        self.damage: list[str] = []
        self._fault = fault
        self._made = False

    def load(self) -> State:
        """The last state saved; an empty one if none ever was.

        If a file that was newer is damaged, the state is not ``complete``, and it has a number of its own.
        Raises NetnsmgrError if a file is fine but cannot be read or is of a later version: to go on without
        it would mean to take every instance for deleted.
        """
        self.damage = []
        try:
            state = self._newest()
            former, at = (None, 0.0) if state else self._former()
            given = max((number for number, _ in self._files() + self._files(aside=True)), default=0)
        except OSError as e:
            raise NetnsmgrError(f"cannot read the stored configuration: {e}") from e
        if former:
            self._keep(former, Meta(at, WRITER, "migrated"))
        state = state or former or State()
        state = replace(state, rows=self._usable(state))
        if self.damage or given > state.revision:
            # The numbers above have been given away and must not name another state, or somebody waiting for the
            # one would be told about the other.
            state = replace(state, revision=max(given, state.revision) + 1, complete=False)
            self._keep(state, Meta(time.time(), WRITER, "recovered"))
        return state

    def save(self, state: State, meta: Meta) -> None:
        """Put the state on disk; when this returns, it will survive a power failure.

        A revision that is there already is replaced, atomically.  Raises OSError, and then the state before is
        the newest; of a replaced one, perhaps the new.
        """
        self._make_directory()
        path = self._path(state.revision)
        new = not path.exists()
        _write(self.directory / "new", pack(state, meta), path)
        try:
            _sync(self.directory)  # the rename itself
        except OSError:
            if new:
                with contextlib.suppress(OSError):
                    path.unlink()
                    _sync(self.directory)
            raise
        with contextlib.suppress(OSError):
            self._forget()
            self._leave_former()

    def revisions(self) -> list[Revision]:
        """What can be read, the newest first.  Only ``read`` finds out whether the rows are all right."""
        found = []
        for number, path in self._files():
            with contextlib.suppress(OSError, Damaged, LaterForm), open(path, "rb") as file:
                revision = unpack_head(file.read(HEAD), os.fstat(file.fileno()).st_size)
                if revision.number == number:
                    found.append(revision)
        return found

    def read(self, number: int) -> State:
        """The state of a revision; raises NetnsmgrError if it is unknown, damaged or cannot be read."""
        path = self._path(number)
        try:
            return _read(path, number)
        except FileNotFoundError:
            known = [revision.number for revision in self.revisions()]
            kept = f"kept are {known[-1]} to {known[0]}" if known else "none is kept"
            raise NetnsmgrError(f"there is no revision {number}; {kept}") from None
        except (Damaged, LaterForm, OSError) as e:
            raise NetnsmgrError(f"revision {number} cannot be used: {path}: {e}") from None

    # -- Files ---------------------------------------------------------------------------------------------

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:010}.jsonl"

    def _files(self, *, aside: bool = False) -> list[tuple[int, Path]]:
        """The revisions by falling number, or those that were set aside."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        matches = [match for match in map(_NAME.fullmatch, names) if match and bool(match[2]) == aside]
        return sorted(((int(match[1]), self.directory / match[0]) for match in matches), reverse=True)

    def _newest(self) -> State | None:
        """The newest revision that is not damaged; those that are and are newer are set aside."""
        for number, path in self._files():
            try:
                return _read(path, number)
            except Damaged as e:
                self._set_aside(path, e)
            except LaterForm as e:
                known = [revision.number for revision in self.revisions()]
                other = (
                    f", or move the files after revision {known[0]} away to go back to it" if known else ""
                )
                raise NetnsmgrError(
                    f"the stored configuration {path} is of a later version: {e}.  Install that version again{other}"
                ) from None
        return None

    def _usable(self, state: State) -> dict[str, dict[str, Stored]]:
        """The rows that this version can take in; an earlier one may have known other fields.

        A value that cannot be used is left out like one that is damaged: the others go on, and it stays in its
        revision.
        """
        rows: dict[str, dict[str, Stored]] = {}
        for table, stored in state.rows.items():
            rows[table] = {}
            for key, row in stored.items():
                if why := self._fault(row.value):
                    self.damage.append(
                        f"{table}/{key} of revision {state.revision} cannot be used by this version ({why})"
                    )
                    log.error("a stored row cannot be used", table=table, key=key, cause=why)
                else:
                    rows[table][key] = row
        return rows

    def _set_aside(self, path: Path, cause: Damaged) -> None:
        aside = path.with_name(path.name + ".damaged")
        # On a disk that cannot be written it stays where it is, and is found again at the next start.
        with contextlib.suppress(OSError):
            path.replace(aside)
        self.damage.append(f"{path} is damaged ({cause}); it is set aside as {aside.name}")
        log.error("stored configuration is damaged; set aside", file=str(aside), cause=str(cause))

    def _keep(self, state: State, meta: Meta) -> None:
        """Save what was found at the start; it is found again at the next one if that cannot be."""
        try:
            self.save(state, meta)
        except OSError as e:
            log.error("cannot store the configuration", what=meta.what, cause=str(e))

    def _make_directory(self) -> None:
        if not self._made:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            # The names of directories have to survive, too.
            for parent in self.directory.parents[:2]:
                _sync(parent)
            self._made = True

    def _forget(self) -> None:
        """Remove what is beyond the bounds."""
        left = BYTES
        for n, (_, path) in enumerate(self._files()):
            left -= path.stat().st_size
            if n >= REVISIONS or (left < 0 and n >= 2):
                path.unlink()
        for _, path in self._files(aside=True)[DAMAGED:]:
            path.unlink()

    # -- Form 1 --------------------------------------------------------------------------------------------

    def _former(self) -> tuple[State | None, float]:
        """What a version before the revisions has left, ``rows.json`` or its backup, and when it was written."""
        backup = self.former.with_name("rows.json.bak")
        for path in (self.former, backup):
            try:
                state, at = unpack_form1(_bytes(path)), path.stat().st_mtime
            except FileNotFoundError:
                continue
            except Damaged as e:
                self._set_aside(path, e)
                continue
            if state is None:
                if not self._files(aside=True):
                    self.damage.append(f"{self.directory} is empty, though revisions have been written to it")
                return None, 0.0
            if path == backup and not self.damage:
                self.damage.append(f"{self.former} is gone; its backup is used, which is one change older")
            return replace(state, complete=state.complete and not self.damage), at
        asides = [path.with_name(path.name + ".damaged") for path in (self.former, backup)]
        if not self.damage and any(aside.exists() for aside in asides):
            self.damage.append(f"{self.former} was found damaged before")
        return None, 0.0

    def _leave_former(self) -> None:
        """Have an earlier version refuse to start: it would find nothing, and take every instance for deleted."""
        with contextlib.suppress(FileNotFoundError):
            if self.former.read_bytes() == elsewhere():
                return
        _write(self.former.with_name("rows.json.tmp"), elsewhere(), self.former)
        _sync(self.former.parent)
        self.former.with_name("rows.json.bak").unlink(missing_ok=True)


def _read(path: Path, number: int) -> State:
    state = unpack(_bytes(path))
    if state.revision != number:
        raise Damaged(f"it holds revision {state.revision}")
    return state


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        # What the disk cannot give back is damaged; everything else may be better the next time.
        if e.errno == errno.EIO:
            raise Damaged(f"the disk cannot read it: {e.strerror}") from None
        raise


def _write(temporary: Path, text: bytes, path: Path) -> None:
    # 0600: configuration may hold keys.
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
