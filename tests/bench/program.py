"""A program of the benchmark that is started before the clock, and asked by lines: each has one line of answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab import Host, LabError


class Program:
    """``python -I -S NAME …`` of this directory, in a namespace of the lab; ends with the lab."""

    def __init__(self, host: Host, name: str, *arguments: str) -> None:
        self.host = host
        self._name = name
        argv = [sys.executable, "-I", "-S", str(Path(__file__).with_name(name)), *arguments]
        self._process = subprocess.Popen(
            [*host.enter(), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.answer("waiting")

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self, expected: str = "") -> str:
        """The next line; LabError if there is none, or not the expected one."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.endswith("\n") or said.startswith("Traceback") or expected not in said:
            raise LabError(f"{self._name} in {self.host.name}: {said}{self._process.communicate()[0]}")
        return said.strip()

    def end(self) -> None:
        self._process.communicate()
