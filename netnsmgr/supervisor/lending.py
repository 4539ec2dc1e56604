"""Copies of the files with secrets that documents name: each instance's agent gets those of its own instance, in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from netnsmgr.config.secret_files import SecretFile, secret_files
from netnsmgr.config.whole import Config
from netnsmgr.errors import KernelError
from netnsmgr.kernel.secrets import WHY, content_of, lent_name
from netnsmgr.kernel.watch import DirectoryWatch

AGAIN_SECONDS = 2.0
"""How often is looked for a directory that is not there, and so cannot be watched."""


class Lending:
    """Owns ``given/<ni>/secrets``: a copy of each file, or in words why there is none.

    ``given`` makes the directory of an instance and returns it with its agent's group: root writes there, the group reads.
    """

    def __init__(self, given: Callable[[str], tuple[str, int]]) -> None:
        self._given = given
        self._wanted: dict[str, tuple[SecretFile, ...]] = {}
        self._watches: dict[str, DirectoryWatch] = {}
        self._timer: asyncio.TimerHandle | None = None

    def want(self, config: Config, agents: Iterable[str]) -> None:
        """Lend what the tunnels of these agents' instances name now, and again whenever one of the files changes."""
        self._wanted = {}
        for name in agents:
            instance = config.instances.get(name)
            vpn = instance.spec.vpn if instance is not None else None
            if files := tuple(secret_files(vpn)) if vpn is not None else ():
                self._wanted[name] = files
            elif instance is not None:
                shutil.rmtree(f"{self._given(name)[0]}/secrets", ignore_errors=True)
        self._look()

    def close(self) -> None:
        """Look no more; what is lent stays."""
        self._wanted = {}
        self._look()

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        places = {os.path.dirname(file.path) for files in self._wanted.values() for file in files}
        for place in self._watches.keys() - places:
            self._watches.pop(place).close()
        for place in places - self._watches.keys():
            with suppress(OSError):
                self._watches[place] = DirectoryWatch(place, self._look)
        for name, files in self._wanted.items():
            self._lend(name, files)
        if places - self._watches.keys():
            self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._look)

    def _lend(self, name: str, files: Iterable[SecretFile]) -> None:
        place, group = self._given(name)
        directory = Path(place, "secrets")
        directory.mkdir(mode=0o750, exist_ok=True)
        os.chown(directory, 0, group)
        there: dict[str, bytes] = {}
        for file in files:
            try:
                there[lent_name(file.path)] = content_of(file.path, file.kind)
            except KernelError as error:
                there[lent_name(file.path) + WHY] = str(error).encode()
        _keep(directory, there, group)


def _keep(directory: Path, wanted: Mapping[str, bytes], group: int) -> None:
    """Have these files and no others; one that is the same stays what it is, so that nobody takes it for news."""
    for path in directory.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = directory / name
        if path.exists() and path.stat().st_gid == group and path.read_bytes() == content:
            continue
        temporary = directory / f".{name}"
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o440)
        with open(fd, "wb") as file:
            os.fchown(fd, 0, group)
            file.write(content)
        os.replace(temporary, path)
