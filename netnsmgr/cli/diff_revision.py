"""``netnsmgr diff --revision``: what a rollback would change, and in what two revisions differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netnsmgr.cli.changes import Delta
from netnsmgr.cli.hub import WRITER, Daemon
from netnsmgr.client.kinds import BY_TABLE, CONFIG_TABLES, KINDS
from netnsmgr.errors import ConfigError, Problem


def rollback(daemon: Daemon, number: int, *, everybody: bool) -> tuple[list[Delta], Mapping[str, Any]]:
    """Return what a rollback would change, and each agent's plan; raises ConfigError with what speaks against it."""
    answer = daemon.call("revision", {"revision": number, "writer": WRITER, "all": everybody})
    existing = daemon.rows(*CONFIG_TABLES)
    pending = [
        delta
        for table, key, value, _ in answer["rows"]
        if (delta := _delta(table, key, existing[table].get(key), value))
    ]
    come = [delta for delta in pending if delta.new is not None]
    asked = {
        "documents": [delta.new for delta in come],
        "deleted": [[delta.kind.config, delta.name] for delta in pending if delta.new is None],
    }
    try:
        plan = daemon.call("plan", asked)
    except ConfigError as error:
        raise ConfigError(_named(problem, come, number) for problem in error.problems) from None
    return pending, plan.get("agents", {})


def between(daemon: Daemon, old: int, new: int) -> list[Delta]:
    """Return in which documents two revisions differ, from the one to the other."""
    before, after = (daemon.call("revision", {"revision": number})["rows"] for number in (old, new))
    found = []
    for kind in KINDS:
        was, is_now = before.get(kind.config, {}), after.get(kind.config, {})
        for key in sorted(was.keys() | is_now.keys()):
            values = [rows[key][1] if key in rows else None for rows in (was, is_now)]
            if delta := _delta(kind.config, key, *values):
                found.append(delta)
    return found


def _delta(table: str, key: str, old: Any, new: Any) -> Delta | None:
    if old == new:
        return None
    action = "created" if old is None else "deleted" if new is None else "changed"
    return Delta(BY_TABLE[table], key, action, old, new)


def _named(problem: Problem, come: list[Delta], number: int) -> Problem:
    """Return a problem in words for somebody who has no file before him."""
    if not 0 <= problem.document < len(come):
        return problem
    label = come[problem.document].label
    return replace(problem, what=f"{label}, as in revision {number}: {problem}", where=(), document=-1)
