"""The numbers of instances on record, where neither a full disk nor a damaged file costs an instance its number."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

FILE = "numbers.json"

log = structlog.get_logger()


class NumbersFile:
    """Owns two files called ``numbers.json``: in the run directory what the kernel's links and tables are numbered by,
    for the next daemon; in the state directory the same for after a reboot.

    The newer one that is whole counts: the run directory has room when the disk has none, and an earlier version
    writes the other one alone.  Neither is synced: after a power failure no namespace is left that a lost number
    could belong to.
    """

    def __init__(self, run_dir: str, state_dir: str) -> None:
        self._paths = Path(run_dir, FILE), Path(state_dir, FILE)

    def read(self) -> dict[str, int]:
        """Return the number of each instance that is there, or was when they were written."""
        found = [(at, numbers) for at, numbers in map(_read, self._paths) if numbers is not None]
        return max(found, key=lambda each: each[0])[1] if found else {}

    def write(self, numbers: Mapping[str, int]) -> None:
        """Put the numbers on record.  A disk that refuses is logged: it is no reason to hold up an instance."""
        text = json.dumps(numbers)
        for path in self._paths:
            temporary = path.with_suffix(".tmp")
            try:
                temporary.unlink(missing_ok=True)
                temporary.touch(mode=0o600)  # which instances there are is nobody else's
                temporary.write_text(text, encoding="ascii")
                os.replace(temporary, path)
            except OSError as error:
                log.error("cannot write down the numbers of instances", file=str(path), cause=str(error))


def _read(path: Path) -> tuple[int, dict[str, int] | None]:
    try:
        at, record = path.stat().st_mtime_ns, json.loads(path.read_bytes())
    except FileNotFoundError:
        return 0, None
    except (OSError, ValueError, RecursionError) as error:
        _set_aside(path, str(error))
        return 0, None
    if isinstance(record, dict) and all(type(number) is int and number >= 0 for number in record.values()):
        return at, record
    _set_aside(path, "it is not a number for each name")
    return 0, None


def _set_aside(path: Path, cause: str) -> None:
    log.error("the numbers of instances are damaged; set aside", file=str(path), cause=cause)
    with suppress(OSError):
        path.replace(path.with_name(f"{FILE}.damaged"))
