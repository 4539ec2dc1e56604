"""The controller's files: configuration, and the secrets that come with one of EVE."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from netnsmgr.client import ConfigError, Documents, Problem, read


def take(paths: Sequence[str], attach: str) -> Documents:
    """Read files; say what is not carried over, and put secrets where the documents say that they are."""
    documents = read(*paths, attach=attach)
    for note in documents.notes:
        print(f"note: {note}", file=sys.stderr, flush=True)
    for path, secret in documents.secrets.items():
        try:
            _keep(Path(path), secret)
        except OSError as error:
            what = f"a secret cannot be written here: {error.strerror}"
            raise ConfigError([Problem(what, file=path, line=1, column=1)]) from None
    return documents


def _keep(path: Path, secret: str) -> None:
    """Write a secret unless it is there already: a file that changes is news to whoever uses it."""
    try:
        if path.read_text() == secret:
            return
    except (OSError, ValueError):
        pass
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w") as file:
        file.write(secret)
    temporary.replace(path)
