"""The secret by which this device's netnsmgr knows its own records of ports (``items/port_record.py``)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from netnsmgr.errors import KernelError
from netnsmgr.kernel.secrets import make_once

FILE = "ports.key"
DIGITS = 64


def port_key(state_dir: str) -> bytes:
    """Return the secret kept in ``state_dir``; made now, once and for all, if there is none."""
    path = Path(state_dir, FILE)
    try:
        if (known := _read(path)) is not None:
            return known
        os.makedirs(state_dir, mode=0o755, exist_ok=True)
        make_once(str(path), secrets.token_hex(DIGITS // 2).encode("ascii"))
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
