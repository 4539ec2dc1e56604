"""Transactions of configuration, one at a time: checked, on disk, published, told to the listeners; all or nothing.

While a change waits for confirmation (``trial``), another one is accepted if it would also be right without the one
that waits, and touches none of its rows.  So what takes the waiting one back is right at every moment, takes back
nothing else, and needs no disk: it is carried out even if it cannot be stored, because it may be what makes the
device reachable again; and after a restart the disk says again that the change was not confirmed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from netnsmgr.errors import NetnsmgrError, Problem
from netnsmgr.pubsub import what, wire
from netnsmgr.pubsub.ledger import Ledger, News, Writer
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.store import WRITER, Meta, Revision, State, Store, Stored
from netnsmgr.pubsub.trial import Clock, Trial, Validate, bounds
from netnsmgr.pubsub.what import Put

RELOOK = 5.0
"""Seconds between two looks at the clock: the loop's own stands still while the device sleeps."""
log = structlog.get_logger("netnsmgr.hub")


class Transactions:
    """Owns the turn of transactions, the store, and the timer of the one that waits for confirmation.

    ``publish`` gets what became different, ``accepted`` the revision afterwards.  ``undone`` is called with a sentence, and whether nobody asked for it,
    when a change was taken back, and with nobody to call, ``at_start`` keeps it; ``settled`` when one was confirmed.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        validate: Validate,
        publish: Callable[[Iterable[News]], None],
        accepted: Callable[[int], None],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._validate = validate
        self._publish = publish
        self._accepted = accepted
        self._clock = clock
        self._turn = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._undoing: asyncio.Task[None] | None = None
        self._meta = Meta(0.0, "", "")
        self._begun = False
        self.undone: Callable[[str, bool], None] | None = None
        self.at_start = ""
        self.settled: Callable[[Trial], None] = lambda trial: None

    # -- Life ----------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Before anybody listens: take back what was not confirmed before the daemon, or the device, went down."""
        if known := (await asyncio.to_thread(self._store.revisions))[:1]:
            self._meta = Meta(known[0].time, known[0].writer, known[0].what)
        trial = self.trial
        if trial and trial.left(self._clock()):
            self._arm()
        elif trial:
            same = trial.began.boot == self._clock().boot
            why = "the time was over before the daemon was back" if same else "the device has been restarted"
            await self.undo(trial, why, WRITER)
        self._begun = True

    def end(self) -> None:
        """The timer goes; what waits is on disk."""
        if self._timer:
            self._timer.cancel()

    @property
    def revision(self) -> int:
        """The present one."""
        return self._ledger.revision

    @property
    def trial(self) -> Trial | None:
        """The change that waits for confirmation."""
        return self._ledger.trial

    @property
    def waits(self) -> dict[str, float] | None:
        """The same in numbers: its ``revision``, and how many seconds are ``left``."""
        return {"revision": self.trial.revision, "left": self.left or 0.0} if self.trial else None

    @property
    def left(self) -> float | None:
        """Seconds until it is taken back; None if none waits."""
        return self.trial.left(self._clock()) if self.trial else None

    def returns(self, table: str, key: str) -> bool:
        """Whether this row comes back unless what waits is confirmed."""
        rows = self.trial.undo if self.trial else ()
        return any((row.table, row.key) == (table, key) and row.stored for row in rows)

    # -- Changes -------------------------------------------------------------------------------------------

    async def put(self, put: wire.Put) -> tuple[list[Problem], list[Change]]:
        """Accept what a client puts; what is wrong with it, and what else is deleted by it."""
        async with self._turn:
            gone = self._ledger.others(put.changes, put.writer) if put.replace else []
            changes = (*put.changes, *gone)
            if not changes:
                return [], []
            # Again, since others had their turn in between.
            problems = self._ledger.check(changes, put.writer, put.takeover)
            if not problems:
                author = Writer(put.writer, put.instance)
                rows = [Put(t, k, None if v is None else Stored(put.writer, v)) for t, k, v in changes]
                problems = await self._accept(
                    rows,
                    put.writer,
                    what.verb(replace=put.replace, changes=put.changes),
                    put.confirm,
                    lambda: self._ledger.apply(changes, author),
                )
        return problems, gone

    async def restore(
        self,
        pick: Callable[[Sequence[Revision]], int],
        choose: Callable[[State, State], Sequence[Put]],
        writer: str,
        confirm: float = 0.0,
    ) -> tuple[int, list[Problem]]:
        """Put rows back that an earlier revision had; its number, and what is wrong with them.

        When it is its turn, ``pick`` says which revision, of those that there are, and ``choose`` which of its rows:
        it gets what is configured now, and what was then.  Raises NetnsmgrError if the revision cannot be read.
        """
        async with self._turn:
            number = pick(await asyncio.to_thread(self._store.revisions))
            then = await asyncio.to_thread(self._store.read, number)
            rows = choose(self.state(), then)
            verb = what.rollback(number)
            return number, await self._accept(rows, writer, verb, confirm, lambda: self._ledger.restore(rows))

    def state(self) -> State:
        """What is configured, with its writers."""
        return self._ledger.state((), self._ledger.revision, None)

    async def revisions(self) -> list[Revision]:
        """What is known of the revisions on disk, the newest first."""
        return await asyncio.to_thread(self._store.revisions)

    async def read(self, number: int) -> State:
        """The configuration in a revision; raises NetnsmgrError if there is none, or it cannot be read."""
        return await asyncio.to_thread(self._store.read, number)

    async def confirm(self, number: int | None = None) -> Revision | None:
        """The change that waits stays; what is known of it.  With a number: if it is this one.

        None: nothing waits.  Raises NetnsmgrError if another waits, or if this cannot be stored; it goes on waiting then.
        """
        async with self._turn:
            trial = self.trial
            if trial is None or not trial.left(self._clock()):
                return None
            if number not in (None, trial.revision):
                raise NetnsmgrError(f"revision {trial.revision} waits for confirmation, and not {number}")
            meta = self._meta._replace(
                what=what.confirmed(self._meta.what, trial.revision, self._ledger.revision)
            )
            try:
                await asyncio.to_thread(self._store.save, self.state(), meta)
            except OSError as e:
                raise NetnsmgrError(
                    f"the daemon cannot store the confirmation: {e}; revision {trial.revision} goes on waiting"
                ) from None
            self._meta = meta
            self._ledger.trial = None
            self.end()
            self.settled(trial)
            found = [r for r in await asyncio.to_thread(self._store.revisions) if r.number == trial.revision]
        return found[0] if found else Revision(trial.revision, *meta, True, "", 0)

    async def undo(self, trial: Trial, why: str, writer: str) -> bool:
        """Take a change back that waits; False if it does not wait any more."""
        async with self._turn:
            if self.trial != trial:
                return False
            self.end()
            revision = self._ledger.revision + 1
            meta = Meta(time.time(), writer, what.taken_back(trial.revision, why))
            self._ledger.trial = None
            # First this and then the disk, which may be slow, or full: nobody waits for an acknowledgement.
            self._done(revision, meta, lambda: self._ledger.restore(trial.undo))
            try:
                await asyncio.to_thread(self._store.save, self.state(), meta)
            except OSError as e:
                log.error("cannot store that a change was taken back; it is all the same", cause=str(e))
            text = f"revision {trial.revision} was taken back, because {why}; this is revision {revision}"
            log.warning("a change was taken back", revision=trial.revision, why=why, now=revision)
            if self.undone:
                self.undone(text, writer == WRITER)
            else:
                self.at_start = text
        return True

    async def keep(self) -> None:
        """Put the present state on disk again, as what is known of it has become more."""
        async with self._turn:
            state = self._ledger.state((), self._ledger.revision, self.trial)
            try:
                await asyncio.to_thread(self._store.save, state, self._meta)
            except OSError as e:
                log.error("cannot store the configuration", cause=str(e))

    # -- Pieces --------------------------------------------------------------------------------------------

    async def _accept(
        self, rows: Sequence[Put], writer: str, verb: str, confirm: float, make: Callable[[], list[News]]
    ) -> list[Problem]:
        """``rows`` become the configuration, ``make`` tells the ledger; what is wrong with them, and then nothing."""
        ledger, trial = self._ledger, self.trial
        before = [Put(t, k, ledger.stored(t, k)) for t, k, _ in rows]
        others = [row for row, old in zip(rows, before, strict=True) if row != old]
        news = ledger.differs(row.change for row in rows)
        if not others:
            # Nobody has anything to do.  Still it may be asked whether it is right, as files with keys may have changed.
            return await self._validate([row.change for row in rows]) if rows else []
        if problems := await self._speaks_against(rows, others, confirm if news else 0.0):
            return problems
        # Rows that only have another writer make no revision.
        revision, meta = ledger.revision + news, self._meta
        if news:
            meta = Meta(time.time(), writer, what.of(verb, before, rows, confirm))
            if confirm:
                undo = [old for row, old in zip(rows, before, strict=True) if row != old]
                trial = Trial(revision, confirm, self._clock(), tuple(reversed(undo)))
        try:
            # In a thread: a flash disk takes 5 to 500 ms to sync, and the status of fifty agents goes through here.
            await asyncio.to_thread(self._store.save, ledger.state(rows, revision, trial), meta)
        except OSError as e:
            log.error("cannot store the configuration", cause=str(e))
            return [Problem(f"the daemon cannot store this: {e}; nothing was changed")]
        ledger.trial = trial
        self._done(revision, meta, make, news=news)
        if confirm and news:
            self._arm()
        return []

    async def _speaks_against(
        self, rows: Sequence[Put], others: Sequence[Put], confirm: float
    ) -> list[Problem]:
        """What is wrong with rows, of which ``others`` would become different."""
        if confirm and (problems := bounds(confirm)):
            return problems
        if confirm and not self._ledger.complete:
            text = (
                "the stored configuration was damaged, so that what is missing cannot be put back; apply the "
                "whole configuration once without confirmation"
            )
            return [Problem(text)]
        if self.trial is None:
            return await self._validate([row.change for row in rows])
        return await self.trial.clashes(rows, others, self.left or 0.0, confirm > 0, self._validate)

    def _done(self, revision: int, meta: Meta, make: Callable[[], list[News]], *, news: bool = True) -> None:
        self._ledger.revision, self._meta = revision, meta
        told = make()
        if self._begun:  # else nobody listens yet
            self._publish(told)
            if news:
                self._accepted(revision)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(min(self.left or 0.0, RELOOK), self._due)

    def _due(self) -> None:
        trial = self.trial
        if trial is None:
            return
        if self.left:
            self._arm()
            return
        why = f"nobody confirmed it within {trial.seconds:g} s"
        self._undoing = asyncio.get_running_loop().create_task(self._undo_late(trial, why))

    async def _undo_late(self, trial: Trial, why: str) -> None:
        await self.undo(trial, why, WRITER)
