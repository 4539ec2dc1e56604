"""What the uplink agent said last, for the time until it speaks again.

After a restart of the daemon an instance's agent is there before it is told anything about its way out.  Unknown is
not empty: without this it would take away its name servers and set its MTU to the default, only to put both back.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from typing import Any

from netnsmgr.features.scope import LinkFacts

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
            temporary = f"{self._path}.tmp"
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(row, file)
            os.replace(temporary, self._path)
        return LinkFacts.of(row)
