"""What an agent has to remember: what it was told last, the numbers that it gave out, what it found before it began.

After a restart of the daemon an instance's agent is there before it is told anything about its way out.  Unknown is
not empty: without this it would take away its name servers and set its MTU to the default, only to put both back.
And flows carry the numbers of the rules that let them pass.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from netnsmgr.core.ip import VERSIONS, Version
from netnsmgr.features.acl.numbers import Numbers
from netnsmgr.features.link_facts import LinkFacts

UNKNOWN = LinkFacts.of(None)


class LinkMemory:
    """Owns the file ``link.json`` in the agent's run directory, which goes with the instance or at a reboot."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "link.json")
        self._row: dict[str, Any] | None = None
        with suppress(OSError, ValueError), open(self._path, encoding="utf-8") as file:
            self._row = json.load(file)

    def facts(self, row: dict[str, Any] | None) -> LinkFacts:
        """Return what is said now; while nothing is said, what was, and that it may be so no more."""
        if row is None:
            known = LinkFacts.of(self._row) if self._row else UNKNOWN
            return replace(known, revision=0, state=UNKNOWN.state, reasons=UNKNOWN.reasons)
        if row != self._row:
            self._row = row
            put(self._path, row)
        return LinkFacts.of(row)


class NumberMemory:
    """Owns the file ``numbers.json`` in the agent's run directory, which goes with the instance or at a reboot."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "numbers.json")
        self.numbers = Numbers.none()
        with suppress(OSError, ValueError, KeyError, TypeError):
            self.numbers = Numbers.of(json.loads(Path(self._path).read_text(encoding="utf-8")))

    def keep(self, numbers: Numbers) -> None:
        """Put the numbers on record, before anything of them is in the kernel."""
        if numbers != self.numbers:
            put(self._path, numbers.record())
            self.numbers = numbers


class ForwardingMemory:
    """Owns the file ``forwarding.json`` in the uplink agent's run directory: which versions of IP we made it forward.

    It goes at a reboot, as the parameters do.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "forwarding.json")
        self._found: dict[str, bool] = {}
        with suppress(OSError, ValueError, TypeError):
            self._found = dict(json.loads(Path(self._path).read_text(encoding="utf-8")))

    def switched_on(self, wanted: Mapping[Version, str | None]) -> frozenset[Version]:
        """Return the versions that were off before us; ``wanted`` are those that are needed now, with their parameter."""
        new = {str(v): value is not None and value.strip() == "0" for v, value in wanted.items()}
        found = new | self._found
        if found != self._found:
            put(self._path, found)
            self._found = found
        return frozenset(version for version in VERSIONS if self._found.get(str(version)))


def put(path: str, record: Any) -> None:
    """Write a record as JSON; who reads it meanwhile finds the old one."""
    temporary = f"{path}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(temporary, path)
