"""Confirming, taking back, and looking back: the calls ``confirm``, ``rollback``, ``history`` and ``revision``.

A rollback is a change like any other, checked as a whole and with a revision of its own, that makes objects what they
were in an earlier revision; so it can itself be rolled back, or wait for confirmation.  It changes the objects of the
writer who asks, and those of others only if they are asked for, too: a supervisor that has published something must
be able to rely on its being there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from netnsmgr.core.event import Type
from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub import what
from netnsmgr.pubsub.store import Revision, State, Stored
from netnsmgr.pubsub.tables import PERSISTENT
from netnsmgr.pubsub.transactions import Transactions
from netnsmgr.pubsub.what import Put


class Tell(Protocol):
    """How events are told: see ``Events.tell``."""

    def __call__(self, about: str, reason: str, message: str, *, type: Type) -> None:  # noqa: A002
        """Tell one."""
        ...


class Kept(NamedTuple):
    """A row that a rollback leaves as it is; ``there`` is False if its writer has deleted it."""

    table: str
    key: str
    there: bool
    writer: str


class Revisions:
    """Answers the calls; ``tell`` gets what became of changes that waited."""

    def __init__(self, transactions: Transactions, tell: Tell) -> None:
        self._transactions = transactions
        self._tell = tell
        if transactions.at_start:
            self._undone(transactions.at_start, True)
        transactions.undone = self._undone

    async def confirm(self, asked: Any) -> dict[str, Any]:
        """Have the change that waits stay: ``{"revision": …, "already": …}``; raises NetnsmgrError if none does."""
        number = _number(asked, "revision")
        confirmed = await self._transactions.confirm(number)
        if confirmed is not None:
            self._tell("Daemon", "Confirmed", f"revision {confirmed.number} was confirmed", type="Normal")
            return {"revision": confirmed.number, "already": False}
        known = what.outcomes(await self._transactions.revisions())
        last = max(known, default=0) if number is None else number
        if known.get(last) == "confirmed":
            return {"revision": last, "already": True}
        raise NetnsmgrError(
            f"nothing waits for confirmation; revision {last} was {known[last]}"
            if known.get(last)
            else "nothing waits for confirmation"
        )

    async def rollback(self, asked: Any) -> dict[str, Any]:
        """Put a revision back, or take back what waits; raises ConfigError and NetnsmgrError.

        ``asked``: ``revision`` (None: before the writer's last change), ``writer``, ``all`` (everybody's objects),
        ``confirm`` (seconds, or 0).
        """
        number, writer = _number(asked, "revision"), str(asked["writer"])
        everybody, confirm = bool(asked.get("all")), float(asked.get("confirm") or 0)
        trial = self._transactions.trial
        if trial is not None:
            if number is not None or confirm:
                raise NetnsmgrError(
                    f"revision {trial.revision} waits for confirmation: confirm it, or take it back by a rollback without "
                    "a number, and then go on"
                )
            if await self._transactions.undo(trial, f"{writer} asked for it", writer):
                return await self._said(trial.revision - 1, list(trial.undo), [], trial.revision)
            raise NetnsmgrError(
                f"revision {trial.revision} does not wait any more; 'netnsmgr history' says why"
            )
        rows: list[Put] = []
        kept: list[Kept] = []

        def pick(revisions: Sequence[Revision]) -> int:
            return number if number is not None else before_last(revisions, None if everybody else writer)

        def choose(now: State, then: State) -> list[Put]:
            rows[:], kept[:] = back(now, then, None if everybody else writer)
            return rows

        target, problems = await self._transactions.restore(pick, choose, writer, confirm)
        if problems:
            raise ConfigError(_about(problem, rows, target) for problem in problems)
        return await self._said(target, rows, kept, None)

    async def history(self, _asked: Any) -> dict[str, Any]:
        """Answer which revisions are on disk, the newest first, and which of them waits for confirmation."""
        revisions = await self._transactions.revisions()
        outcomes = what.outcomes(revisions)
        return {
            "waits": self._transactions.waits,
            "revisions": [
                {
                    "revision": each.number,
                    "time": each.time,
                    "writer": each.writer,
                    "what": each.what,
                    "size": each.size,
                    "outcome": outcomes.get(each.number, ""),
                }
                for each in revisions
            ],
        }

    async def revision(self, asked: Any) -> dict[str, Any]:
        """Answer what is in a revision: ``{"revision": …, "rows": {table: {key: [writer, document]}}}``.

        With ``writer``, instead, the rows that a rollback of this writer's to it would change: ``rows`` as they would
        be (None: deleted), and ``kept``, those of others that would stay as they are.
        """
        number = _number(asked, "revision")
        if number is None:
            raise NetnsmgrError("which revision?")
        then = await self._transactions.read(number)
        if asked.get("writer") is None:
            return {"revision": number, "rows": then.rows}
        rows, kept = back(self._transactions.state(), then, None if asked.get("all") else asked["writer"])
        return {"revision": number, "rows": _json(rows), "kept": kept}

    async def _said(
        self, target: int, rows: Sequence[Put], kept: Sequence[Kept], undone: int | None
    ) -> dict[str, Any]:
        revision = self._transactions.revision
        if rows and undone is None:
            text = f"rolled back to revision {target}; this is revision {revision}"
            self._tell("Daemon", "RolledBack", text, type="Normal")
        return {
            "revision": revision,
            "target": target,
            "undone": undone,
            "rows": _json(rows),
            "kept": kept,
            "waits": self._transactions.waits,
        }

    def _undone(self, text: str, unasked: bool) -> None:
        self._tell("Daemon", "RolledBack", text, type="Warning" if unasked else "Normal")


def before_last(revisions: Sequence[Revision], writer: str | None) -> int:
    """Return the revision before the last that this writer (None: anybody) made; raises NetnsmgrError."""
    for n, revision in enumerate(revisions):
        if writer is not None and revision.writer != writer:
            continue
        if what.is_rollback(revision):
            raise NetnsmgrError(
                f"the last change, revision {revision.number}, was itself a {revision.what.partition(':')[0]}; say which "
                f"revision you want: {revision.number - 1} is what was there before it, an older one goes further back"
            )
        if n + 1 == len(revisions):
            raise NetnsmgrError(f"nothing is kept from before revision {revision.number}")
        return revisions[n + 1].number
    raise NetnsmgrError(f"none of the revisions that are kept is of {writer!r}; say which one you want")


def back(now: State, then: State, writer: str | None) -> tuple[list[Put], list[Kept]]:
    """Return the rows that a writer's (None: everybody's) rollback puts, and those of others that it leaves.  Pure.

    A row is the writer's if it is now, or was then and nobody has it now.  What goes, goes before what it stands on,
    and comes after it.
    """
    gone: list[Put] = []
    come: list[Put] = []
    kept: list[Kept] = []
    for table in PERSISTENT:
        for key, is_now, was in _pairs(now.rows.get(table, {}), then.rows.get(table, {})):
            if is_now == was:
                continue
            owner = is_now or was
            if writer is not None and owner is not None and owner.writer != writer:
                if (is_now and is_now.value) != (was and was.value):
                    kept.append(Kept(table, key, is_now is not None, owner.writer))
            elif was is None:
                gone.append(Put(table, key, None))
            else:
                come.append(Put(table, key, was))
    return gone[::-1] + come, kept


def _pairs(
    now: Mapping[str, Stored], then: Mapping[str, Stored]
) -> Iterator[tuple[str, Stored | None, Stored | None]]:
    for key in dict.fromkeys((*now, *then)):
        yield key, now.get(key), then.get(key)


def _about(problem: Problem, rows: Sequence[Put], target: int) -> Problem:
    """Return a problem with a row of a rollback, in words for somebody who has no file before him."""
    if not 0 <= problem.document < len(rows):
        return problem
    row = rows[problem.document]
    where = str(Problem("", problem.where)).removesuffix(": ")
    at = f"{where}: " if where else ""
    verb = f"as in revision {target}" if row.stored else f"deleted, as in revision {target}"
    return replace(
        problem, what=f"{what.name(row.table, row.key)}, {verb}: {at}{problem.what}", where=(), document=-1
    )


def _json(rows: Sequence[Put]) -> list[list[Any]]:
    return [[table, key, stored and stored.value, stored and stored.writer] for table, key, stored in rows]


def _number(asked: Any, field: str) -> int | None:
    value = asked.get(field) if isinstance(asked, dict) else None
    if value is not None and not isinstance(value, int):
        raise NetnsmgrError(f"{field} is a number")
    return value
