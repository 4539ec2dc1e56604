"""Secrets, found where they are kept and taken out of whatever is to leave the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from netnsmgr.cli.changes import veiled
from netnsmgr.pubsub.row import Row

LEAST = 8
"""Characters of a secret that is looked for: a shorter one would take ordinary words with it."""
HIDDEN = "(secret)"


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the texts that may hold secrets."""
    return {key: veiled(key, value) for key, value in row.items()}


def secrets(documents: Iterable[Row]) -> Iterator[str]:
    """Yield every secret that the documents have or name: texts, their lines, contents of files."""
    for each in documents:
        yield from _pieces(each.get("spec", {}).get("metadata", {}).get("userData", ""))
        for path in _files(each.get("spec", {}).get("vpn")):
            try:
                yield from _pieces(Path(path).read_text(encoding="utf-8", errors="replace")[: 1 << 20])
            except OSError:
                continue  # it cannot be in what is gathered by whoever cannot read it


def without(text: str, known: Iterable[str]) -> str:
    """Return the text without these secrets."""
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return text


def _pieces(text: object) -> Iterator[str]:
    """Yield the text and its lines, as they stand in files and within JSON."""
    if not isinstance(text, str):
        return
    for piece in (text.strip(), *(line.strip() for line in text.splitlines())):
        # Lines around keys in PEM are no secrets, and words of YAML ("#cloud-config") stand everywhere.
        if len(piece) >= LEAST and not piece.startswith(("-----", "#")):
            yield piece


def _files(part: object) -> Iterator[str]:
    """Yield the files of secrets below a part of a document: ``{file: PATH}``."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "file" and isinstance(value, str):
                yield value
            else:
                yield from _files(value)
    elif isinstance(part, list):
        for value in part:
            yield from _files(value)
