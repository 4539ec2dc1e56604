"""Configuration files of ``wg`` and ``wg-quick``: read with every value's place, and written.  Pure.

The format is wg(8)'s CONFIGURATION FILE FORMAT with wg-quick(8)'s additions; ``#`` begins a comment wherever it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from netnsmgr.config.messages import suggest
from netnsmgr.config.values import link_name
from netnsmgr.errors import Problem

INTERFACE, PEER = "Interface", "Peer"
KEYS = {
    INTERFACE: (
        "PrivateKey",
        "ListenPort",
        "FwMark",
        "Address",
        "DNS",
        "MTU",
        "Table",
        "PreUp",
        "PostUp",
        "PreDown",
        "PostDown",
        "SaveConfig",
        "IncludedApplications",
        "ExcludedApplications",
    ),
    PEER: ("PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive"),
}
"""The keys of each section, as the manuals write them; the last two of an interface are of the application for Android."""
ONCE = {"PrivateKey", "ListenPort", "FwMark", "MTU", "Table", "PublicKey", "PresharedKey", "Endpoint"}
"""Of these the last one counts, as for ``wg``."""


@dataclass(frozen=True)
class Entry:
    """One ``Key = value``, and where the value begins (line and column from 1)."""

    key: str
    value: str
    line: int
    column: int


@dataclass
class Section:
    """``[Interface]`` or ``[Peer]`` with what follows it, and the comments at its head."""

    name: str
    line: int
    entries: list[Entry] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def all(self, key: str) -> list[Entry]:
        """Return the entries of one key, in order."""
        return [entry for entry in self.entries if entry.key == key]

    def last(self, key: str) -> Entry | None:
        """Return the entry of a key that counts, if there is one."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)

    def words(self, key: str) -> Iterator[tuple[str, Entry]]:
        """Yield the values of a key that may be a list, and may be repeated."""
        for entry in self.all(key):
            yield from ((word, entry) for word in map(str.strip, entry.value.split(",")) if word)


def read(text: str, file: str) -> tuple[list[Section], list[Problem]]:
    """Return the sections of a file, and all that is wrong with its form; no problem repeats a value, which may be a key."""
    sections: list[Section] = []
    problems: list[Problem] = []
    before: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped, hash_, comment = line.partition("#")
        said = comment.strip("# \t") if hash_ else ""
        content = stripped.strip()
        column = len(stripped) - len(stripped.lstrip()) + 1
        if content.startswith("["):
            found = _section(content, number)
            if isinstance(found, str):
                problems.append(Problem(found, file=file, line=number, column=column))
                found = Section("", number)
            found.comments += [said, *reversed(before)] if said else list(reversed(before))
            before = []
            sections.append(found)
        elif content:
            before = []
            entry = _entry(stripped, number, sections)
            if isinstance(entry, str):
                problems.append(Problem(entry, file=file, line=number, column=column))
            elif entry is not None:
                sections[-1].entries.append(entry)
        elif said:
            if sections and not sections[-1].entries:
                # Said right below the section's head: nearer than what was said before it.
                sections[-1].comments.insert(0, said)
            else:
                before.append(said)
    return [section for section in sections if section.name], problems


def _section(content: str, number: int) -> Section | str:
    for name in KEYS:
        if content.lower() == f"[{name.lower()}]":
            return Section(name, number)
    shown = content if len(content) < 40 else content[:36] + " …"
    return f"{shown} is no section of a WireGuard file; there are [Interface] and [Peer]"


def _entry(line: str, number: int, sections: list[Section]) -> Entry | str | None:
    key, equals, value = line.partition("=")
    key = key.strip()
    if not equals or not re.fullmatch(r"[A-Za-z]+", key):
        return "is neither a section such as [Peer] nor 'Key = value'"
    if not sections:
        return f"'{key}' stands before the first section; a WireGuard file begins with [Interface]"
    section = sections[-1].name
    if not section:
        return None  # the section was refused
    known = {each.lower(): each for each in KEYS[section]}
    if key.lower() not in known:
        return _unknown(key, section)
    column = len(line) - len(line.partition("=")[2].lstrip()) + 1
    return Entry(known[key.lower()], value.strip(), number, column)


def _unknown(key: str, section: str) -> str:
    for other, keys in KEYS.items():
        if other != section and key.lower() in map(str.lower, keys):
            return f"'{key}' belongs to [{other}], not to [{section}]"
    return f"'{key}' is no key of [{section}] that wg or wg-quick know{suggest(key, KEYS[section])}"


def write(sections: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> str:
    """Return a file of sections, each a name and its entries; a key that begins with ``#`` is a comment."""
    parts = []
    for name, entries in sections:
        lines = [
            f"[{name}]",
            *(f"{key} {value}" if key == "#" else f"{key} = {value}" for key, value in entries),
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def link_of(file: str, name: str) -> str:
    """Return the name of the tunnel's interface: as wg-quick has it, that of the file, or else ``name`` where it can be."""
    for each in (os.path.basename(file).removesuffix(".conf"), name):
        try:
            return link_name(each)
        except ValueError:
            pass
    return "wg0"
