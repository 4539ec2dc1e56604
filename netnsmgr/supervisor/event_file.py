"""``events.jsonl``: the events on disk, one JSON object a line, the newest last."""

from __future__ import annotations

import json
import os
from pathlib import Path

import structlog

from netnsmgr.core.event import Event, Ring, of_row

MAX_BYTES = 1 << 20
"""Of the file; beyond it (or twice what the ring needs, if that is more) it is written anew, with the ring alone."""

log = structlog.get_logger()


class EventFile:
    """Owns ``events.jsonl`` in the state directory.

    Not synced: an event is worth no wear of a flash disk and no waiting, so a power cut may take the newest.  What is
    cut or damaged costs the lines concerned.  What cannot be written is logged, once, and kept in memory.
    """

    def __init__(self, state_dir: str) -> None:
        self._path = Path(state_dir, "events.jsonl")
        self._fd = -1
        self._size = 0
        self._bound = MAX_BYTES
        self._whole = False  # whether the file ends in a whole line, as far as we know
        self._failed = False

    def load(self) -> Ring:
        """Return what was kept; an empty ring if there is nothing that can be read."""
        ring, damaged = Ring(), 0
        try:
            with self._path.open("rb") as file:
                # However long a line somebody has put there: no more than this of it.
                while line := file.readline(MAX_BYTES):
                    try:
                        document = json.loads(line)
                        number = document.pop("number")
                        if not isinstance(number, int) or not 0 < number < 10**10:
                            raise ValueError("no number")
                        ring.add(of_row(document), number)
                    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
                        damaged += bool(line.strip())
                self._size = file.tell()
        except FileNotFoundError:
            pass
        except OSError as error:
            self._complain(error)
        if damaged:
            log.warning("events were damaged", file=str(self._path), lines=damaged)
        return ring

    def append(self, number: int, event: Event, ring: Ring) -> None:
        """Write one event down; ``ring`` is all there are, which takes the place of the file when that is too long."""
        line = _line(number, event)
        try:
            if self._size + len(line) > self._bound:
                self._rewrite(ring)
            else:
                self._write(line)
            self._failed = False
        except OSError as error:
            self._whole = False
            self._complain(error)

    def close(self) -> None:
        """Close the file; the next event opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._whole = False

    def _write(self, line: bytes) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # After a cut line, of now or of a former life: a new one begins at the beginning of a line.
        line = line if self._whole or not self._size else b"\n" + line
        written = os.write(self._fd, line)
        self._size += written
        self._whole = written == len(line)

    def _rewrite(self, ring: Ring) -> None:
        self.close()
        text = b"".join(_line(number, event) for number, event in ring)
        temporary = self._path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name with nothing in it
        temporary.replace(self._path)
        self._size, self._bound = len(text), max(MAX_BYTES, 2 * len(text))

    def _complain(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            log.warning("events cannot be kept on disk", file=str(self._path), cause=str(error))


def _line(number: int, event: Event) -> bytes:
    return json.dumps({"number": number, **event.row()}).encode("ascii") + b"\n"
