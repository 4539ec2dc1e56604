"""Small text files: helpers' configuration below ``etc``, and kernel parameters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

from netnsmgr.errors import KernelError
from netnsmgr.items.file import PRIVATE


class KernelFiles:
    """See ``items.system.Files``; below ``etc``, and ``private`` beside it, everything is ours."""

    def __init__(self, etc: str) -> None:
        self.etc = etc
        self._tops = etc, os.path.join(os.path.dirname(etc), PRIVATE)

    def files(self) -> Iterable[str]:
        return [os.path.join(where, name) for where, _, names in self._walk() for name in names]

    def directories(self) -> Iterable[str]:
        return [where for where, _, _ in self._walk()]

    def _walk(self) -> Iterator[tuple[str, list[str], list[str]]]:
        return chain.from_iterable(map(os.walk, self._tops))

    def read(self, path: str) -> str | None:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise KernelError(f"{path}: {error.strerror}") from error

    def write(self, path: str, text: str, mode: int) -> None:
        # Written beside and renamed: a helper that watches the directory never reads half a file.
        # The leading dot keeps dnsmasq from reading the unfinished one.
        temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, mode)
            file.write(text)
        os.replace(temporary, path)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)

    def make_directory(self, path: str) -> None:
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)

    def remove_directory(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.rmdir(path)

    def poke(self, path: str, text: str) -> None:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            raise KernelError(f"cannot set {path} to {text}: {error.strerror}") from error


def keep_short(path: str, limit: int = 1 << 20) -> None:
    """Keep a helper's log below ``limit`` bytes or so: what is in it goes to ``<path>.1``, in place of what was there.

    The helper goes on writing to the same file, so it has to have opened it to append.
    """
    try:
        with open(path, "r+b") as log:
            if os.fstat(log.fileno()).st_size <= limit:
                return
            with open(f"{path}.1", "wb") as old:
                shutil.copyfileobj(log, old)
            log.truncate(0)
    except FileNotFoundError:
        return
    except OSError as error:
        raise KernelError(f"{path}: {error.strerror}") from error
