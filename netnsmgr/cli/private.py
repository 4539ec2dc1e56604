"""Files that nobody but their owner reads: keys, and what holds them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

DIRECTORY = "/etc/netnsmgr/secrets"
"""Where keys are kept unless somebody says otherwise."""


def write_new(contents: Mapping[str, str]) -> list[str]:
    """Write files of mode 0600, all or none of them; return the paths of those that were not there.

    One that is there with the same content stays; one with another is not overwritten: raises UsageError.
    """
    made: list[str] = []
    try:
        for path, content in contents.items():
            if _write(path, content):
                made.append(path)
    except BaseException:
        for path in made:
            os.unlink(path)
        raise
    return made


def _write(path: str, content: str) -> bool:
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        # Born with its mode: a file that is narrowed later was open to all for a moment.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if read(path) == content:
            return False
        raise click.UsageError(
            f"{path} is there already, with another content; remove it, or choose another place"
        ) from None
    except OSError as error:
        raise _refused("write", path, error) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        os.unlink(path)
        raise _refused("write", path, error) from None
    return True


def read(path: str) -> str:
    """Return what is in a file; raises UsageError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError as error:
        raise _refused("read", path, error) from None


def _refused(verb: str, path: str, error: OSError) -> click.UsageError:
    hint = "; run it with sudo, or choose another place" if isinstance(error, PermissionError) else ""
    return click.UsageError(f"cannot {verb} {path}: {error.strerror}{hint}")
