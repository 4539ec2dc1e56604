"""A disk that has lost its power: what may be on it, if any part of what was not synced may be lost.

The rules are those of fsync(2) and no file system's own: what was written to a file is there if the file was synced
afterwards; a name is there, or gone, if its directory was.  Whatever else was done may be there or not, each step for
itself; a file that was not synced may be empty, cut off, or full of zeros.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.calls import LOOKING
from tests.faults.ptrace import Call, content, text

Tree = dict[str, bytes | None]
"""Files with their content and directories (None), by their path below the disk's root."""


@dataclass
class File:
    now: bytes = b""
    synced: bytes = b""

    def variants(self) -> set[bytes]:
        if self.now == self.synced:
            return {self.synced}
        return {self.synced, self.now, self.now[: len(self.now) // 2], bytes(len(self.now))}


@dataclass
class Directory:
    now: dict[str, Node] = field(default_factory=dict)
    synced: dict[str, Node] = field(default_factory=dict)
    steps: list[tuple[str | None, str | None, Node]] = field(default_factory=list)
    """Names that were not synced: (the name that goes, the name that comes, what it names)."""

    def step(self, goes: str | None, comes: str | None, node: Node) -> None:
        self.steps.append((goes, comes, node))
        _take(self.now, self.steps[-1])

    def variants(self) -> Iterator[dict[str, Node]]:
        for taken in itertools.product((False, True), repeat=len(self.steps)):
            names = dict(self.synced)
            for step in itertools.compress(self.steps, taken):
                _take(names, step)
            yield names

    def sync(self) -> None:
        self.synced, self.steps = dict(self.now), []


Node = File | Directory


def _take(names: dict[str, Node], step: tuple[str | None, str | None, Node]) -> None:
    goes, comes, node = step
    if goes is not None:
        names.pop(goes, None)
    if comes is not None:
        names[comes] = node


class Disk:
    """Follows a child's system calls below a directory; ``before`` and ``after`` are for ``ptrace.traced``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = _read(root)
        self._fds: dict[int, Node | None] = {}
        self._new = False

    def before(self, pid: int, call: Call) -> None:
        """Find out what will not be seen afterwards: whether a file that is opened is there."""
        if call.name == "openat":
            path = text(pid, call.arguments[1])
            self._new = not os.path.lexists(path)

    def after(self, pid: int, call: Call) -> None:
        """Take in what was done."""
        if call.result < 0:
            return
        a = call.arguments
        match call.name:
            case "openat":
                self._fds[call.result] = self._open(text(pid, a[1]), a[2])
            case "write":
                if (file := self._fds.get(a[0])) is not None:
                    assert isinstance(file, File)
                    file.now += content(pid, a[1], call.result)
            case "fsync" | "fdatasync":
                node = self._fds[a[0]]
                if isinstance(node, Directory):
                    node.sync()
                elif node is not None:
                    node.synced = node.now
            case "mkdir":
                self._step(None, text(pid, a[0]), Directory())
            case "mkdirat":
                self._step(None, text(pid, a[1]), Directory())
            case "rename":
                self._rename(text(pid, a[0]), text(pid, a[1]))
            case "renameat" | "renameat2":
                self._rename(text(pid, a[1]), text(pid, a[3]))
            case "link":
                self._step(None, text(pid, a[1]), self._found(text(pid, a[0])))
            case "linkat":
                self._step(None, text(pid, a[3]), self._found(text(pid, a[1])))
            case "unlink":
                self._step(text(pid, a[0]), None, File())
            case "unlinkat":
                self._step(text(pid, a[1]), None, File())
            case "fchmod" | "chmod" | "fchown" | "chown" | "fchownat" | "fchmodat":
                pass  # nobody relies on it
            case name if name not in LOOKING:
                raise AssertionError(f"nobody has said what {name} leaves behind")

    def trees(self) -> Iterator[Tree]:
        """Everything that may be there if power goes now."""
        return _trees(self.top, "")

    def _open(self, path: str, flags: int) -> Node | None:
        if not self._inside(path):
            return None
        if self._new:
            self._step(None, path, File())
        node = self._found(path)
        if flags & os.O_TRUNC and isinstance(node, File):
            node.now = b""
        return node

    def _rename(self, old: str, new: str) -> None:
        assert os.path.dirname(old) == os.path.dirname(new)
        directory = self._found(os.path.dirname(new))
        assert isinstance(directory, Directory)
        directory.step(os.path.basename(old), os.path.basename(new), self._found(old))

    def _step(self, goes: str | None, comes: str | None, node: Node) -> None:
        path = goes or comes or ""
        if self._inside(path):
            directory = self._found(os.path.dirname(path))
            assert isinstance(directory, Directory)
            directory.step(goes and os.path.basename(goes), comes and os.path.basename(comes), node)

    def _inside(self, path: str) -> bool:
        return Path(path).is_relative_to(self.root)

    def _found(self, path: str) -> Node:
        node: Node = self.top
        for part in Path(path).relative_to(self.root).parts:
            assert isinstance(node, Directory)
            node = node.now[part]
        return node


def build(tree: Tree, root: Path) -> None:
    """Make the tree below a directory that is empty."""
    for path, text_ in sorted(tree.items()):
        if text_ is None:
            (root / path).mkdir(mode=0o700)
        else:
            (root / path).write_bytes(text_)


def _read(path: Path) -> Directory:
    names: dict[str, Node] = {}
    for each in path.iterdir():
        names[each.name] = _read(each) if each.is_dir() else File(each.read_bytes(), each.read_bytes())
    return Directory(names, dict(names))


def _trees(directory: Directory, path: str) -> Iterator[Tree]:
    for names in directory.variants():
        below: list[list[Tree]] = []
        for name, node in names.items():
            where = f"{path}{name}"
            if isinstance(node, File):
                below.append([{where: text_} for text_ in node.variants()])
            else:
                below.append([{where: None, **tree} for tree in _trees(node, f"{where}/")])
        for choice in itertools.product(*below):
            yield {name: text_ for tree in choice for name, text_ in tree.items()}
