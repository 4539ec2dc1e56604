"""``run``: a supervisor that lives as long as the device: follows its files, and prints what netnsmgr says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

from netnsmgr.client import AsyncClient, ConfigError, NetnsmgrError
from zedbox_mock import WRITER
from zedbox_mock.files import take
from zedbox_mock.show import Printer, said
from zedbox_mock.zedbox import Zedbox

LOOK = 0.3
"""Seconds between two looks at the files.  Looked at and not listened to: a file may be exchanged, be on another machine's
disk or come by a mount, of which a watch on it does not tell."""
AGAIN = 1.0
"""Seconds until what could not be published is published again."""

Stamp = tuple[tuple[str, int, int, int], ...]


class Runner:
    """Publishes what the files say, again whenever they or the connection change; nothing that is refused ends it."""

    def __init__(
        self, client: AsyncClient, paths: Sequence[str], printer: Printer, *, takeover: bool, attach: str
    ) -> None:
        self._client = client
        self._paths = paths
        self._printer = printer
        self._takeover = takeover
        self._attach = attach
        self._zedbox = Zedbox()
        self._known = False
        self._due = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_files())
            tasks.create_task(self._follow_connection())
            tasks.create_task(self._follow_status())
            tasks.create_task(self._publish())

    async def _follow_files(self) -> None:
        async for _ in changed(self._paths):
            try:
                self._zedbox.zedagent.take(take(self._paths, self._attach))
            except ConfigError as error:
                self._refused(error)
            else:
                self._known = True
                self._due.set()

    async def _follow_connection(self) -> None:
        first = True
        async for connected in self._client.connections():
            if connected or not first:
                self._printer.say("connected" if connected else "the daemon has gone")
            first = False
            # A daemon that comes back has everything on its disk; but one whose disk was exchanged has not.
            self._due.set()

    async def _publish(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._known or not self._client.connected:
                continue
            try:
                published = await self._client.publish(
                    self._zedbox.documents(), replace=True, takeover=self._takeover
                )
            except ConfigError as error:
                self._refused(error)
            except NetnsmgrError as error:
                self._printer.say(str(error))
                self._due.set()
                await asyncio.sleep(AGAIN)
            else:
                self._printer.say(said(published), revision=published.revision)

    async def _follow_status(self) -> None:
        async for change in self._client.changes():
            self._printer.change(change)

    def _refused(self, error: ConfigError) -> None:
        print(error, file=sys.stderr, flush=True)
        self._printer.say("what the files say is refused; what was published before stays")


async def changed(paths: Sequence[str]) -> AsyncIterator[None]:
    """Yield now, and each time that the files have changed and are quiet again: a half of one must not be published."""
    known: Stamp | None = None
    before: Stamp | None = None
    while True:
        now = tuple(_stamps(paths))
        if known is None or (now == before and now != known):
            known = now
            yield
        before = now
        await asyncio.sleep(LOOK)


def _stamps(paths: Sequence[str]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        try:
            names = sorted(os.path.join(path, name) for name in os.listdir(path))
        except OSError:  # a file, or nothing any more
            names = [path]
        for name in names:
            try:
                status = os.stat(name)
            except OSError:
                continue
            yield name, status.st_mtime_ns, status.st_size, status.st_ino


def run(
    paths: Sequence[str],
    run_dir: str,
    *,
    takeover: bool,
    attach: str,
    as_json: bool,
    seconds: float | None = None,
) -> int:
    """Run until SIGINT or SIGTERM, or for some seconds."""

    async def live() -> None:
        async with AsyncClient(WRITER, run_dir) as client:
            runner = asyncio.create_task(
                Runner(client, paths, Printer(as_json=as_json), takeover=takeover, attach=attach).run()
            )
            for signum in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(signum, runner.cancel)
            await asyncio.wait([runner], timeout=seconds)
            runner.cancel()
            try:
                await runner
            except asyncio.CancelledError:
                pass

    asyncio.run(live())
    return 0
