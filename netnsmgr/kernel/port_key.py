"""The secret by which this device's netnsmgr knows its own records of ports (``items/port_record.py``)."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from netnsmgr.errors import KernelError

FILE = "ports.key"
DIGITS = 64


def port_key(state_dir: str) -> bytes:
    """Return the secret kept in ``state_dir``; made now if there is none.

    Whoever comes first makes it, once and for all: it is whole from the moment it has its name, also if power fails,
    and the name is never taken by a second one.
    """
    path = Path(state_dir, FILE)
    try:
        if (known := _read(path)) is not None:
            return known
        os.makedirs(state_dir, mode=0o755, exist_ok=True)
        temporary = path.with_name(f".{FILE}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(DIGITS // 2))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        known = _read(path)
    except OSError as error:
        raise KernelError(f"{path}, the secret of the records of ports: {error.strerror}") from error
    assert known is not None
    return known


def _read(path: Path) -> bytes | None:
    try:
        known = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    if len(known) != DIGITS:
        raise KernelError(
            f"{path}, the secret of the records of ports, is damaged: put back the file that was there, or, if no "
            f"port of the device is at a switch, remove it"
        )
    return known
