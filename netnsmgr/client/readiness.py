"""What a user waits for, and how far it is: pure functions of documents and status rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netnsmgr.client.kinds import AGENT, APP, DEVICE, INSTANCE, Kind, identity

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Table → key → row."""

READY, DELETED = "ready", "deleted"


@dataclass(frozen=True)
class Target:
    """Something to wait for: a status row that becomes ready, or an object of which nothing is left.

    ``revision`` is the least configuration that the row has to speak of, 0 where what was applied did not
    touch the object: then its readiness is enough.  For ``DELETED``, ``key`` is the object's name, and ``but`` the
    keys of rows that may stay: an application that is not deleted has lost an interface.
    """

    kind: Kind
    key: str
    label: str
    revision: int = 0
    goal: str = READY
    but: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Progress:
    """How far a target is: its state in the status's words, and why it is not there yet."""

    done: bool
    state: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        why = "; ".join(self.reasons)
        # Most reasons begin with what is the matter: the state before it would say it twice.
        return (
            why
            if why.startswith(("pending: ", "failed: "))
            else f"{self.state}: {why}"
            if why
            else self.state
        )


def targets(documents: Iterable[Mapping[str, Any]], revision: int, changed: Collection[str]) -> list[Target]:
    """Return what has to become ready after these documents were accepted as ``revision``.

    ``changed`` holds the labels of the documents that the transaction really changed.  An application's
    interface makes its network's agent act, so an instance is changed by its applications too.
    """
    listed = [(*identity(document), document) for document in documents]
    touched = set(changed)
    for kind, name, document in listed:
        if kind is APP and APP.label(name) in changed:
            touched |= {INSTANCE.label(interface["network"]) for interface in interfaces(document)}
    wanted = []
    for kind, name, document in listed:
        label = kind.label(name)
        needed = revision if label in touched else 0
        wanted += ready_targets(kind, name, document, needed)
    return wanted


def ready_targets(kind: Kind, name: str, document: Mapping[str, Any], revision: int = 0) -> list[Target]:
    """Return the status rows that tell whether one object is ready; an app has one for each interface."""
    label = kind.label(name)
    if kind is not APP:
        return [Target(kind, name, label, revision)]
    return [
        Target(
            APP,
            f"{interface['network']}/{name}/{interface['name']}",
            f"{label}/{interface['name']}",
            revision,
        )
        for interface in interfaces(document)
    ]


def deleted_target(kind: Kind, name: str, but: tuple[str, ...] | None = None) -> Target:
    """Return the target that nothing is left of an object, but for the rows with these keys."""
    return Target(kind, name, kind.label(name), goal=DELETED, but=but)


class News:
    """Which targets a changed row is about: with many targets each change concerns a few."""

    def __init__(self, wanted: Iterable[Target]) -> None:
        """Index the targets by the keys of the rows from which ``progress`` judges them."""
        self._about: dict[str, list[Target]] = {}
        for target in wanted:
            for key in dict.fromkeys((target.key, _agent(target.kind, target.key))):
                self._about.setdefault(key, []).append(target)

    def of(self, keys: Iterable[str]) -> list[Target]:
        """Return the targets that rows with these keys are about."""
        found: dict[Target, None] = {}
        for key in keys:
            # Rows of an application's interfaces, <ni>/<app>/<interface>, are also about the application.
            for name in (key, *key.split("/")[1:2]):
                found |= dict.fromkeys(self._about.get(name, ()))
        return list(found)


def interfaces(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an application's interfaces."""
    return list(document["spec"].get("interfaces") or ())


def progress(target: Target, rows: Rows) -> Progress:
    """Return how far a target is, from the status tables (AgentStatus among them).

    For a deletion the configuration tables are needed, too: what is in them is not being deleted.
    """
    if target.goal == DELETED:
        if target.but is None and target.key in rows.get(target.kind.config, {}):
            return Progress(False, f"{_states(target, rows)}, and nobody deletes it")
        left = _left(target, rows)
        return Progress(False, "deleting", left) if left else Progress(True, DELETED)
    trouble = agent_trouble(target.kind, target.key, rows)
    row = rows.get(target.kind.status, {}).get(target.key)
    if row is None:
        return Progress(False, "pending", trouble or ("not taken up yet",))
    if row.get("revision", 0) < target.revision:
        return Progress(False, "reconciling", trouble or ("the previous configuration is still in place",))
    state = str(row.get("state", "unknown"))
    return Progress(state == READY and not trouble, state, trouble + tuple(map(str, row.get("reasons", ()))))


def agent_trouble(kind: Kind, key: str, rows: Rows) -> tuple[str, ...]:
    """Say that the agent behind a row of status cannot live: then the row is what it said last, and may be untrue."""
    agent = rows.get(AGENT.status, {}).get(_agent(kind, key), {})
    if agent.get("state") != "backing-off":
        return ()
    return (f"its agent fails again and again: {agent.get('cause') or 'no cause known'}",)


def _agent(kind: Kind, key: str) -> str:
    """Return the name of the agent that writes a row."""
    return "uplink" if kind is DEVICE else key.partition("/")[0]


def _keys(target: Target, rows: Rows) -> dict[str, Mapping[str, Any]]:
    """Return the status rows that speak of an object."""
    keys = rows.get(target.kind.status, {})
    if target.kind is APP:
        return {key: row for key, row in keys.items() if key.split("/")[1:2] == [target.key]}
    return {target.key: keys[target.key]} if target.key in keys else {}


def _states(target: Target, rows: Rows) -> str:
    """Return the state of an object; an application may have several."""
    states = {str(row.get("state", "unknown")) for row in _keys(target, rows).values()}
    return " and ".join(sorted(states)) or "pending"


def _left(target: Target, rows: Rows) -> tuple[str, ...]:
    """Return what is still there of an object, or what keeps it."""
    keys = _keys(target, rows)
    if target.kind is APP:
        return tuple(f"{key} is still there" for key in keys if key not in (target.but or ()))
    if target.key in keys:
        return tuple(map(str, keys[target.key].get("reasons") or ["still there"]))
    # A daemon that has just begun knows which agents it has, before they have told anything.
    still = target.kind is INSTANCE and target.key in rows.get(AGENT.status, {})
    return ("its agent is still at work",) if still else ()
