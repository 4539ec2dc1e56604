"""The hub: where all tables meet, in the daemon's process.

It owns the run directory's lock and the two sockets: ROUTER for requests and their answers, XPUB for updates.
Status is taken as it comes.  Configuration goes through one transaction at a time: checked, validated as a
whole, on disk, published, told to the listeners, acknowledged, in this order.

Nothing here runs while nothing happens, except one heartbeat per subscribed table every ten seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub import wire
from netnsmgr.pubsub.access import Guard
from netnsmgr.pubsub.door import Door
from netnsmgr.pubsub.ledger import Ledger, News, Writer
from netnsmgr.pubsub.lock import take_lock
from netnsmgr.pubsub.row import Change, Row, WireError, check_changes
from netnsmgr.pubsub.store import Store
from netnsmgr.pubsub.tables import is_persistent
from netnsmgr.pubsub.transactions import Transactions
from netnsmgr.pubsub.trial import Clock, Validate, now

Handler = Callable[[Any], Awaitable[Any]]
"""Answers a call: JSON in, JSON out.  ConfigError and NetnsmgrError reach the caller as such."""

HEARTBEAT = 10.0
"""Seconds: how long a lost *last* message may go unnoticed.  Messages get lost only to a subscriber that is
100,000 behind, so there is no point in waking fifty agents more often."""
WAITING = 256
"""Transactions and calls that may wait at the same time; more are refused at once rather than answered too late."""
LAST_ANSWERS = 0.2
"""Seconds that a stopping hub leaves its clients to take their last answers."""
WRITER = "supervisor"
"""The writer's name of rows put within the process."""

log = structlog.get_logger("netnsmgr.hub")


async def _anything_goes(_changes: Sequence[Change]) -> list[Problem]:
    return []


class Hub:
    """``async with Hub(run_dir, Store(state_dir), validate=…) as hub``: listening while the block runs.

    ``agent_of`` says whose a user is: an agent's, which may read and write what is its own, or (None) somebody's who may all.

    All methods are for the event loop's thread.  Raises NetnsmgrError on entering if another daemon uses the
    run directory, if its path is too long for a socket, or if the stored configuration cannot be read.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        store: Store,
        *,
        validate: Validate = _anything_goes,
        heartbeat: float = HEARTBEAT,
        group: int | None = None,
        clock: Clock = now,
        agent_of: Callable[[int], str | None] = lambda _user: None,
    ) -> None:
        self._run_dir = Path(run_dir)
        self._store = store
        self._validate = validate
        self._heartbeat = heartbeat
        self._group = group
        self._clock = clock
        self._guard = Guard(agent_of)
        self._handlers: dict[str, Handler] = {}
        self._on_change: list[Callable[[str, str, Row | None], None]] = []
        self._on_config: list[Callable[[int], None]] = []
        self._waiting: set[asyncio.Task[None]] = set()

    # -- For the supervisor --------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """How many transactions of configuration were accepted, ever."""
        return self._ledger.revision

    @property
    def complete(self) -> bool:
        """False: the stored configuration was damaged.  What is not in it must not be deleted for that reason."""
        return self._ledger.complete

    @complete.setter
    def complete(self, value: bool) -> None:
        """Say that somebody who knows has put what was missing.  On disk soon after."""
        self._ledger.complete = value
        task = asyncio.get_running_loop().create_task(self.transactions.keep())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def rows(self, table: str) -> Mapping[str, Row]:
        """The rows of a table by key.  A live view: don't change it, don't keep it."""
        return self._ledger.rows(table)

    def put(self, table: str, key: str, value: Row | None) -> None:
        """Set or delete a row of a table that needs no validation.  The row is the daemon's from then on."""
        changes = check_changes([(table, key, value)])
        if is_persistent(table):
            raise ValueError(f"{table} changes in transactions only")
        self._publish(self._ledger.apply(changes, Writer(WRITER, self._ledger.epoch)))

    def drop_table(self, table: str) -> None:
        """Delete all rows of a table and forget it: its instance is gone."""
        self._publish(self._ledger.drop(table))
        self._door.forget(table)

    def on_change(self, callback: Callable[[str, str, Row | None], None]) -> None:
        """Have ``callback(table, key, value)`` called for each row that becomes different, whoever put it."""
        self._on_change.append(callback)

    def on_config(self, callback: Callable[[int], None]) -> None:
        """Have ``callback(revision)`` called after each accepted transaction, when all its rows are in place."""
        self._on_config.append(callback)

    def serve(self, name: str, handler: Handler) -> None:
        """Have calls of this name answered by ``await handler(value)``."""
        self._handlers[name] = handler

    @property
    def door(self) -> Door:
        """Where agents' own addresses are opened and shut."""
        return self._door

    # -- Life ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Lock the run directory, load, listen."""
        self._run_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = take_lock(self._run_dir)
        try:
            if self._group is not None:
                os.chown(self._run_dir, -1, self._group)
            self._ledger = Ledger(os.urandom(8), await asyncio.to_thread(self._store.load))
            self.transactions = Transactions(
                self._ledger, self._store, self._validate, self._publish, self._accepted, self._clock
            )
            await self.transactions.begin()
            self._door = Door(
                self._run_dir, self._group, self._request, self._ledger.hugz, self._guard.may_read
            )
        except BaseException:
            os.close(self._lock)
            raise
        self._beat()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Finish what was begun (a transaction that is being written will be on disk, so let it be acknowledged)."""
        self._timer.cancel()
        self.transactions.end()
        self._door.stop_listening()
        if self._waiting:
            _, late = await asyncio.wait(self._waiting, timeout=5)
            for task in late:
                task.cancel()
            # A client's ZeroMQ throws away what it has received and not yet handed over when the connection ends.
            await asyncio.sleep(LAST_ANSWERS)
        await self._door.close()
        os.close(self._lock)  # last: from here on another daemon may make the sockets

    def _beat(self) -> None:
        self._door.beat()
        self._timer = asyncio.get_running_loop().call_later(self._heartbeat, self._beat)

    # -- Requests ------------------------------------------------------------------------------------------

    def _request(self, peer: bytes, user: int, request: wire.Request) -> None:
        if why := self._guard.refusals(user, request):
            if isinstance(request, wire.Put | wire.Call):
                self._answer(peer, wire.Refused(request.id, why))
            raise WireError(f"user {user}: {why[0].what}")
        match request:
            case wire.Snapshot(table):
                for msg in self._ledger.snapshot(table, self._guard.prefix(user, table)):
                    self._door.reply(peer, wire.encode_update(table, msg))
            case wire.Put():
                self._put(peer, request)
            case wire.Restarted(writer, instance, table):
                self._publish(self._ledger.restarted(table, Writer(writer, instance)))
            case wire.Call():
                self._start(peer, request, self._call(peer, request))

    def _put(self, peer: bytes, put: wire.Put) -> None:
        problems = self._ledger.check(put.changes, put.writer, put.takeover)
        if (put.replace or put.confirm) and not all(is_persistent(change.table) for change in put.changes):
            problems.append(
                Problem("only configuration can be replaced as a whole, or wait for confirmation")
            )
        if problems:
            self._answer(peer, wire.Refused(put.id, tuple(problems)))
        elif put.replace or is_persistent(put.changes[0].table):
            self._start(peer, put, self._transaction(peer, put))
        else:
            self._publish(self._ledger.apply(put.changes, Writer(put.writer, put.instance)))
            self._answer(peer, wire.Ack(put.id, self.revision))

    def _start(self, peer: bytes, request: wire.Put | wire.Call, work: Coroutine[Any, Any, None]) -> None:
        if len(self._waiting) >= WAITING:
            work.close()
            self._answer(peer, wire.Failed(request.id, "the daemon is busy; try again later"))
            return
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def _answer(self, peer: bytes, answer: wire.Answer) -> None:
        if answer.id or isinstance(answer, wire.Refused):
            self._door.reply(peer, wire.encode_answer(answer))

    async def _transaction(self, peer: bytes, put: wire.Put) -> None:
        gone: list[Change] = []
        try:
            problems, gone = await self.transactions.put(put)
        except Exception:
            log.exception("a transaction failed", writer=put.writer)
            problems = [Problem("the daemon failed to check this, which is its own fault; its log says more")]
        if problems:
            self._answer(peer, wire.Refused(put.id, tuple(problems)))
        elif put.replace or put.confirm:
            deleted = [[table, key] for table, key, _ in gone]
            waits = self.transactions.waits if put.confirm else None
            value = {"revision": self.revision, "deleted": deleted, "waits": waits}
            self._answer(peer, wire.Result(put.id, value))
        else:
            self._answer(peer, wire.Ack(put.id, self.revision))

    def _accepted(self, revision: int) -> None:
        for callback in self._on_config:
            _guarded(callback, revision)

    async def _call(self, peer: bytes, call: wire.Call) -> None:
        answer: wire.Answer
        name = call.name
        try:
            handler = self._handlers.get(name)
            if handler is None:
                raise NetnsmgrError(f"this daemon knows no {name!r}; is it of another version?")
            answer = wire.Result(call.id, await handler(call.value))
            wire.encode_answer(answer)  # its WireError is the handler's, not ours
        except ConfigError as e:
            answer = wire.Refused(call.id, e.problems)
        except NetnsmgrError as e:
            answer = wire.Failed(call.id, str(e))
        except Exception:
            log.exception("a call failed", call=name)
            answer = wire.Failed(
                call.id, f"the daemon failed at {name!r}, which is its own fault; its log says more"
            )
        self._answer(peer, answer)

    # -- Updates -------------------------------------------------------------------------------------------

    def _publish(self, news: Iterable[News]) -> None:
        for table, msg, value in news:
            self._door.publish(wire.encode_update(table, msg))
            if not msg.key.startswith(wire.MARK):
                for callback in self._on_change:
                    _guarded(callback, table, msg.key, value)


def _guarded(callback: Callable[..., None], *args: object) -> None:
    """A listener's fault must not stop the row from reaching the others."""
    try:
        callback(*args)
    except Exception:
        log.exception("a listener failed")
