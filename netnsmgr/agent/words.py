"""What an agent says to its supervisor beside the hub, by a pipe: that it lives, and why it ends.

Lines of JSON and no objects of Python: the supervisor has all rights, and who has got hold of an agent shall have no more
than the agent's.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

MAX_TEXT = 1000
"""Characters of last words; with them a line is written as a whole or not at all (PIPE_BUF, pipe(7))."""
MAX_BYTES = 1 << 16
"""That are taken in at once, and of a line that does not end."""


def say(pipe: Connection, **said: Any) -> None:
    """Write a line: ``end`` is a text, ``counters`` numbers by name.  Waits for nobody."""
    if isinstance(end := said.get("end"), str):
        said["end"] = end[:MAX_TEXT]
    os.set_blocking(pipe.fileno(), False)
    with suppress(OSError):
        os.write(
            pipe.fileno(), json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")[:4095] + b"\n"
        )


class Listener:
    """The supervisor's end, which it owns.  ``heard`` returns what has come since the last time, and never waits."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._rest = b""
        os.set_blocking(pipe.fileno(), False)

    def heard(self) -> list[dict[str, Any]]:
        """Return the lines that are what lines should be."""
        data = b""
        with suppress(OSError):
            data = os.read(self._pipe.fileno(), MAX_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:MAX_BYTES]
        found = []
        for line in lines:
            with suppress(ValueError, RecursionError):
                if isinstance(said := json.loads(line), dict):
                    found.append(said)
        return found

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()
