"""Try every point of every case; print what is wrong and the figures.  Ends with 1 if anything is wrong.

``--short`` leaves out the power cuts after an error, and what can hardly happen.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from tests.faults.calls import LOOKING
from tests.faults.cases import CASES, DONE, Case
from tests.faults.disk import Disk, Tree, build
from tests.faults.ptrace import Call, traced

ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS)

RARE = {"lseek", "ioctl", "fcntl", "fstat"}
"""They need no disk: the kernel knows the answer."""


class Trial:
    """Tries one case and counts."""

    def __init__(self, case: Case, *, short: bool) -> None:
        self.case = case
        self._short = short
        self.wrong: list[str] = []
        self.calls = self.kills = self.errors = self.cuts = 0
        self._places = 0
        self._judged: set[tuple[str, int | None]] = set()

    def run(self, scratch: Path) -> None:
        """Try all points."""
        self._scratch = scratch
        names = self._followed("", {})
        self.calls = len(names)
        for n, name in enumerate(names):
            if not self._short or name not in LOOKING:  # else the disk is as before the next call
                root = self._place()
                self.case.prepare(root)
                ended, _ = traced(lambda root=root: self.case.work(root), last=n)  # type: ignore[misc]
                self.kills += 1
                self._judge(f"killed before call {n} ({name})", root, ended, unread=False)
            if self._short and name in RARE:
                continue
            # What only looks does not find the disk full, or not to be written.
            for error in ERRORS[:1] if name in LOOKING else ERRORS:
                self.errors += 1
                self._followed(f"{errno.errorcode[error]} from call {n}", {n: error})

    def _followed(self, what: str, fail: dict[int, int]) -> list[str]:
        """Do the work; then, and after a power failure at any of its points, see what is left.  Its calls' names."""
        root = self._place()
        self.case.prepare(root)
        disk = Disk(root)
        cut = self.case.synced and not (fail and self._short)
        trees: dict[str, tuple[Tree, int | None, str]] = {}
        names: list[str] = []

        def after(pid: int, call: Call) -> None:
            disk.after(pid, call)
            names.append(call.name)
            for tree in disk.trees() if cut else ():
                trees.setdefault(repr(sorted(tree.items())), (tree, None, f"call {call.nth}, {call.name}"))

        ended, _ = traced(lambda: self.case.work(root), fail=fail, before=disk.before, after=after)
        for tree in disk.trees() if cut else ():
            # What was acknowledged is judged as such; after a failure power may go, too, and either is right.
            trees[repr(sorted(tree.items()))] = (tree, DONE if ended == DONE else None, "the end")
        unread = errno.EIO in fail.values()
        failed = "".join(f" ({names[n]})" for n in fail)
        self._judge(f"{what}{failed}", root, ended, unread=unread)
        for key, (tree, told, where) in trees.items():
            if unread or (key, told) not in self._judged:
                if not unread:
                    self._judged.add((key, told))
                self.cuts += 1
                place = self._place()
                build(tree, place)
                self._judge(f"{what} power cut after {where}", place, told, unread=unread)
        return names

    def _judge(self, what: str, root: Path, ended: int | None, *, unread: bool) -> None:
        try:
            wrong = self.case.judge(root, ended, unread)
        except Exception as e:
            wrong = f"{type(e).__name__}: {e}"
        if wrong:
            self.wrong.append(f"{self.case.name}: {what}: {wrong}")

    def _place(self) -> Path:
        self._places += 1
        place = self._scratch / str(self._places)
        place.mkdir()
        return place


def main(*, short: bool) -> Iterator[str]:
    """Yield what is to be printed; what is wrong begins with ``WRONG``."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])
    yield f"{'':32} {'calls':>6} {'killed':>7} {'errors':>7} {'power cuts':>11} {'seconds':>8}"
    total = [0, 0, 0, 0, 0.0]
    # What a disk does is modelled; to wait for a real one would find out nothing.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for case in CASES:
        trial, began = Trial(case, short=short), time.monotonic()
        with tempfile.TemporaryDirectory(dir=memory) as scratch:
            trial.run(Path(scratch))
        row = [trial.calls, trial.kills, trial.errors, trial.cuts, time.monotonic() - began]
        total = [a + b for a, b in zip(total, row, strict=True)]
        yield _line(case.name, row)
        yield from (f"WRONG: {each}" for each in trial.wrong)
    yield _line("together", total)


def _line(name: str, row: list[float]) -> str:
    calls, kills, errors, cuts, seconds = row
    return f"{name:32} {calls:6} {kills:7} {errors:7} {cuts:11} {seconds:8.1f}"


if __name__ == "__main__":
    wrong = False
    for line in main(short="--short" in sys.argv):
        wrong |= line.startswith("WRONG")
        print(line[:600], flush=True)
    sys.exit(wrong)
