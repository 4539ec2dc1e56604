"""Directories that somebody else has filled, taken away as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress

import structlog

REMOVE_SECONDS = 10.0

log = structlog.get_logger()


def remove_tree(path: str) -> None:
    """Remove a tree however deep it is: rmtree goes down as deep as Python can, and others can go deeper.

    What cannot be removed is left, and logged.
    """
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    try:
        subprocess.run(["rm", "-rf", "--", path], check=True, capture_output=True, timeout=REMOVE_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("cannot be removed", path=path, cause=str(error))
