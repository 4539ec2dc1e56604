"""``replay``: a timeline of changes, and a report of what became true when."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Mapping
from dataclasses import asdict
from typing import Any

from netnsmgr.client import STATUS_TABLES, AsyncClient, Document, NetnsmgrError, Published, Waiting
from zedbox_mock import WRITER, TimelineError
from zedbox_mock import timeline as verbs
from zedbox_mock.files import take
from zedbox_mock.report import Report, Result
from zedbox_mock.show import Printer
from zedbox_mock.timeline import DOWN, UP, Event, Timeline
from zedbox_mock.zedbox import Zedbox, label

DEVICE_STATUS = "DeviceNetworkStatus"
LAST_WORDS = 40.0
"""Seconds that two clients may need until they have heard the same."""
COMMAND = 10.0
"""Seconds that an action's command may need."""


class Player:
    """Plays a timeline; owns nothing but what it published."""

    def __init__(
        self, client: AsyncClient, observer: AsyncClient, timeline: Timeline, printer: Printer
    ) -> None:
        self._client = client
        self._observer = observer
        self._timeline = timeline
        self._printer = printer
        self._first = take(timeline.documents, "container")
        self._others = {
            event.targets: take(event.targets, "container")
            for event in timeline.events
            if event.verb == verbs.DOCUMENTS
        }
        known = {
            label(document) for documents in (self._first, *self._others.values()) for document in documents
        }
        if unknown := [each for each in dict.fromkeys(timeline.objects()) if each not in known]:
            raise TimelineError(f"there is no {', no '.join(unknown)} in any of the timeline's documents")
        self._zedbox = Zedbox(self._first)
        self._report = Report(timeline.seed)
        self._down: set[str] = set()
        self._mirror: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._pending: asyncio.Task[None] | None = None
        self._began = time.monotonic()

    async def play(self) -> Report:
        """Play all rounds; in the end everything is as it was in the beginning."""
        listening = [
            asyncio.create_task(self._follow_status()),
            asyncio.create_task(self._follow_connection()),
        ]
        try:
            await self._settle("everything")
            for events in self._timeline.rounds():
                began = time.monotonic()
                for event in events:
                    await asyncio.sleep(max(0.0, began + event.at - time.monotonic()))
                    await self._happen(event)
                await self._back()
            await self._find_lost()
        finally:
            await self._overtake()
            for port in sorted(self._down):  # nothing of ours shall stay down, also if we are interrupted
                await self._act(Event(0.0, UP, (port,)), Result("", 0.0))
            for task in listening:
                task.cancel()
            await asyncio.wait(listening)
        return self._report

    async def _happen(self, event: Event) -> None:
        await self._overtake()
        result = Result(str(event), time.monotonic() - self._began)
        self._report.results.append(result)
        if event.verb in (DOWN, UP):
            await self._act(event, result)
            self._pending = asyncio.create_task(self._ports_told(event, result))
            return
        self._configure(event)
        await self._publish(result)

    def _configure(self, event: Event) -> None:
        match event.verb:
            case verbs.REMOVE:
                self._zedbox.zedmanager.halted |= set(event.targets)
            case verbs.ADD:
                self._zedbox.zedmanager.halted -= set(event.targets)
            case verbs.CHANGE:
                changed = [
                    merged(document, {"spec": event.spec}) if label(document) in event.targets else document
                    for document in self._zedbox.zedagent.documents
                ]
                self._zedbox.zedagent.take(changed)
            case verbs.DOCUMENTS:
                self._zedbox.zedagent.take(self._others[event.targets])

    async def _back(self) -> None:
        """Undo what the round has done."""
        for port in sorted(self._down):
            await self._happen(Event(0.0, UP, (port,)))
        self._zedbox.zedmanager.halted.clear()
        self._zedbox.zedagent.take(self._first)
        await self._settle("everything back")

    async def _settle(self, what: str) -> None:
        """Publish, and wait until it is true."""
        await self._overtake()
        result = Result(what, time.monotonic() - self._began)
        self._report.results.append(result)
        await self._publish(result)
        if self._pending:
            await self._pending
            self._pending = None

    async def _overtake(self) -> None:
        """End waiting for what happened before."""
        if self._pending and not self._pending.done():
            self._pending.cancel()
            await asyncio.wait([self._pending])
        self._pending = None

    async def _publish(self, result: Result) -> None:
        try:
            # For what is given the daemon may be on its way back.
            published = await self._client.publish(
                self._zedbox.documents(), replace=True, timeout=self._timeline.timeout
            )
        except NetnsmgrError as error:
            self._end(result, str(error))
            return
        result.revision = published.revision
        self._pending = asyncio.create_task(self._applied(published, result))

    async def _applied(self, published: Published, result: Result) -> None:
        await self._until(result, self._client.applied(published, self._timeline.timeout))

    async def _ports_told(self, event: Event, result: Result) -> None:
        """Wait until the device's status says it."""
        await self._until(result, self._told(event))

    async def _told(self, event: Event) -> tuple[Waiting, ...]:
        wanted = {"up", "moved"} if event.verb == UP else {"down"}
        states: dict[str, str] = {}
        try:
            async with asyncio.timeout(self._timeline.timeout):
                async for change in self._client.changes(DEVICE_STATUS):
                    states |= {port["name"]: port["state"] for port in (change.row or {}).get("ports", ())}
                    if all(states.get(port) in wanted for port in event.targets):
                        return ()
        except TimeoutError:
            pass
        return tuple(
            Waiting(f"port {port}", states.get(port, "unknown"), (f"not {event.verb}",))
            for port in event.targets
            if states.get(port) not in wanted
        )

    async def _until(self, result: Result, waiting: Awaitable[tuple[Waiting, ...]]) -> None:
        try:
            late = await waiting
        except asyncio.CancelledError:
            result.overtaken = True
            self._printer.say(str(result))
            raise
        except NetnsmgrError as error:
            self._end(result, str(error))
            return
        self._end(result, *map(str, late))

    def _end(self, result: Result, *wrong: str) -> None:
        result.wrong += wrong
        if not result.wrong:
            result.true_after = time.monotonic() - self._began - result.happened
        self._printer.say(str(result))

    async def _act(self, event: Event, result: Result) -> None:
        """Have the commands do to ports what this program cannot."""
        for port in event.targets:
            argv = [part.replace("{port}", port) for part in self._timeline.actions[event.verb]]
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
                )
            except OSError as error:
                result.wrong += (f"{argv} cannot be run: {error.strerror}",)
                continue
            try:
                _, said = await asyncio.wait_for(process.communicate(), COMMAND)
            except TimeoutError:
                process.kill()
                result.wrong += (f"{argv} did not end",)
                continue
            if process.returncode:
                result.wrong += (f"{argv} ended with {process.returncode}: {said.decode().strip()}",)
            (self._down.add if event.verb == DOWN else self._down.discard)(port)

    # --- what is told

    async def _follow_status(self) -> None:
        async for change in self._client.changes():
            self._printer.change(change)
            if change.row is None:
                self._mirror.pop((change.table, change.key), None)
            else:
                self._mirror[change.table, change.key] = change.row

    async def _follow_connection(self) -> None:
        was = False
        async for connected in self._client.connections():
            self._report.disconnections += was and not connected
            was = connected

    async def _find_lost(self) -> None:
        """Compare what was told with what another client sees, and what is there with what was published."""
        end = time.monotonic() + LAST_WORDS
        while differences := await self._differences():
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.2)  # flows and addresses go on while we look
        self._report.lost += differences
        wanted = {label(document).partition("/")[2] for document in self._zedbox.documents()}
        for (table, key), row in self._mirror.items():
            if table == "AppNetworkStatus" and key.split("/")[1] not in wanted:
                self._report.lost.append(f"interface {key} is {row.get('state')}, and nobody configures it")

    async def _differences(self) -> list[str]:
        found = []
        for table in STATUS_TABLES:
            rows = await self._observer.rows(table)
            told = {key: row for (where, key), row in self._mirror.items() if where == table}
            found += [
                f"{table} {key} was told otherwise than it is"
                for key in sorted(rows.keys() | told.keys())
                if rows.get(key) != told.get(key)
            ]
        return found


def merged(old: Document, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the fields of another laid over it."""
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        result[name] = (
            merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def replay(timeline: Timeline, run_dir: str, *, as_json: bool) -> int:
    """Play a timeline and print the report; 0 if everything became true and nothing was lost."""

    async def live() -> Report:
        async with AsyncClient(WRITER, run_dir) as client, AsyncClient("observer", run_dir) as observer:
            # Also who is told to end leaves no port down.
            playing = asyncio.current_task()
            assert playing is not None
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
            printer = Printer(as_json=as_json)
            printer.say(f"seed {timeline.seed}", seed=timeline.seed)
            report = await Player(client, observer, timeline, printer).play()
            for each in report.lost:
                printer.say(f"lost: {each}")
            printer.say(report.summary(), **asdict(report))
            return report

    try:
        return 0 if asyncio.run(live()).good else 1
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
