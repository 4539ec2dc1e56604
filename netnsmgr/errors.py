"""What can be wrong, said once: problems of an input, and the exceptions that carry them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault of an input: where it is and what to do about it.

    ``where`` is the path inside the document (``("spec", "dhcp", "range")``), ``document`` the index
    of the document in its transaction.  File, line and column (both from 1) are known only to whoever
    read the text, and are filled in there.
    """

    what: str
    where: tuple[str | int, ...] = ()
    document: int = 0
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.where).lstrip(".")
        return f"{place}{path}: {self.what}" if path else f"{place}{self.what}"


class NetnsmgrError(Exception):
    """Base of every error that netnsmgr raises on purpose."""


class ConfigError(NetnsmgrError):
    """The user's input is wrong; nothing was done.  All faults found are in ``problems``."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Unreachable(NetnsmgrError):
    """The daemon does not answer: it is not running, or its socket is not ours to use."""


class KernelError(NetnsmgrError):
    """The kernel or a helper program refused an operation; the text says which and why."""
