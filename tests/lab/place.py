"""Where hosts of the lab are: what is needed to run programs there, and to read their files."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.process import Process, run


class Place(ABC):
    """A lab's namespaces (``Holder``), or a container (``poc/docker.py``)."""

    #: Whether root inside is an ordinary user outside.
    rootless = False
    #: The interpreter for the lab's own scripts, inside.
    python = sys.executable

    def script(self, file: Path) -> str:
        """Where one of the lab's own scripts is found inside."""
        return str(file)

    @abstractmethod
    def path(self, inside: str | Path) -> Path:
        """Where a path of the lab is reached from outside."""

    @abstractmethod
    def enter(self, netns: str | None = None) -> list[str]:
        """The start of a command line that runs its rest there, in the network namespace pinned at ``netns``
        (none: the device's own, or the container's).
        """

    def run(
        self,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        timeout: float = 10.0,
        check: bool = True,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program behind ``prefix``, which ``enter`` gave, to its end."""
        return run(prefix, argv, timeout=timeout, check=check, text=text, env=env)

    def start(
        self,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Process:
        """Start a program behind ``prefix`` that keeps running."""
        return Process(prefix, argv, env=env, log=log)
