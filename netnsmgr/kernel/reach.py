"""Python for users who have no way to it: an interpreter, a package or a checkout below a directory of root's alone.

Whoever holds a descriptor of a directory needs no way to it.  The fork server opens the places that others cannot reach,
under fixed numbers that its children inherit, and ``python/`` in the run directory is an environment (as venv makes one)
whose links lead to those descriptors.  Where everything can be reached nothing of this is made.
"""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import netnsmgr
from netnsmgr.errors import KernelError

FIRST = 500
"""The first descriptor's number: above those that a program opens itself in its first moments."""
VARIABLE = "NETNSMGR_PYTHON"
"""In the environment of fork server and agents: where ``python/`` is, if there is one."""


def furnish(run_dir: str) -> None:
    """Make ``python/`` in the run directory, if others need it; KernelError where they could not read even so."""
    place = Path(run_dir, "python")
    shutil.rmtree(place, ignore_errors=True)
    os.environ.pop(VARIABLE, None)
    readable()
    home, package = sys.base_prefix, os.path.dirname(netnsmgr.__file__)
    entries = _entries()
    if all(map(_reachable, (home, package, *entries))):
        return
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "lib" / version / "site-packages"
    for directory in (place / "bin", place / "package", packages):
        directory.mkdir(parents=True)
    links = {"home": home, "package/netnsmgr": package}
    links |= {f"path{n}": each for n, each in enumerate(entries) if _open_to_all(each)}
    for number, (name, target) in enumerate(links.items(), FIRST):
        (place / name).symlink_to(f"/proc/self/fd/{number}")
        (place / f"place{number}").symlink_to(target)
    (place / "bin" / "python3").symlink_to(f"../home/bin/{version}")
    (place / "pyvenv.cfg").write_text(
        f"home = {place}/home/bin\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    named = [f"{place}/{name}" for name in ("package", *(each for each in links if each.startswith("path")))]
    (packages / "places.pth").write_text("".join(f"{each}\n" for each in named), encoding="utf-8")
    os.environ[VARIABLE] = str(place)


def readable() -> None:
    """Raise KernelError if others could not even read the code: then no way to it helps."""
    home, package = sys.base_prefix, os.path.dirname(netnsmgr.__file__)
    for each in (home, f"{home}/lib", os.__file__, package, netnsmgr.__file__):
        if not _open_to_all(each):
            raise KernelError(f"{each} can be read by its owner alone (chmod -R go+rX {each})")


def hold() -> None:
    """Open the places for this process and its children; in the fork server, as root."""
    for number, target in _places():
        opened = os.open(target, os.O_PATH | os.O_DIRECTORY)
        os.dup2(opened, number)
        os.close(opened)


def descriptors() -> tuple[int, ...]:
    """Return what a program in Python has to inherit (``pass_fds``)."""
    return tuple(number for number, _ in _places())


def python() -> str:
    """Return the interpreter for helpers."""
    place = os.environ.get(VARIABLE)
    return f"{place}/bin/python3" if place else sys.executable


def directories() -> list[str]:
    """Return the directories that a program in Python reads, in words that an agent can open: for Landlock."""
    if held := [f"/proc/self/fd/{number}" for number in descriptors()]:
        return [os.environ[VARIABLE], *held]
    # Beside the package itself what it lies in: an import begins with a list of that.
    found = os.path.dirname(os.path.dirname(netnsmgr.__file__))
    return [os.path.dirname(sys.executable), sys.prefix, sys.base_prefix, found, *_entries()]


def _entries() -> list[str]:
    """Return the directories of the libraries that are in use: not of all that Python would search, such as where we began."""
    files = (
        module.__file__
        for name, module in list(sys.modules.items())
        if "." not in name and name != "netnsmgr" and getattr(module, "__file__", None)
    )
    used = {
        os.path.dirname(os.path.dirname(each) if os.path.basename(each) == "__init__.py" else each)
        for each in files
        if each
    }
    return [each for each in dict.fromkeys(sys.path) if each in used and not _below(each, sys.base_prefix)]


def import_by_descriptors() -> None:
    """Have what this process has still to import be found by the descriptors; after it has become somebody else."""
    if places := _places():
        sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = _Finder(places)


class _Finder:
    """``PathFinder`` with other words for the same places."""

    def __init__(self, places: Sequence[tuple[int, str]]) -> None:
        self._places = places

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = [self._held(each) for each in (sys.path if path is None else path)]
        return importlib.machinery.PathFinder.find_spec(name, found, target)

    def _held(self, path: str) -> str:
        for number, target in sorted(self._places, key=lambda place: -len(place[1])):
            if _below(path, target):
                return f"/proc/self/fd/{number}{path[len(target) :]}"
        return path


def _places() -> list[tuple[int, str]]:
    if (place := os.environ.get(VARIABLE)) is None:
        return []
    found = [each for each in os.listdir(place) if each.startswith("place")]
    return sorted((int(each.removeprefix("place")), os.readlink(f"{place}/{each}")) for each in found)


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _open_to_all(path: str) -> bool:
    mode = os.stat(path).st_mode
    return bool(mode & 0o004) and (not os.path.isdir(path) or bool(mode & 0o001))


def _reachable(path: str) -> bool:
    return _open_to_all(path) and all(os.stat(each).st_mode & 0o001 for each in _ancestors(path))


def _ancestors(path: str) -> Iterator[str]:
    # Of the way that is written, and of the one that links make of it.
    yield from map(str, {*Path(os.path.abspath(path)).parents, *Path(os.path.realpath(path)).parents})
