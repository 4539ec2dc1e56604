"""What is published and what is waited for: documents in, rows out, and how far they are; no sockets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from netnsmgr.client.kinds import APP, BY_DOCUMENT, BY_TABLE, DEVICE, Kind, identity, says_what
from netnsmgr.client.readiness import Target, deleted_target, ready_targets
from netnsmgr.errors import ConfigError, NetnsmgrError, Problem
from netnsmgr.pubsub.row import Change as Put

if TYPE_CHECKING:
    from netnsmgr.config.load import Loaded

Document = Mapping[str, Any]
"""A document as plain values: ``apiVersion``, ``kind``, ``metadata`` and ``spec``."""


class Waiting(NamedTuple):
    """An object, or an application's interface, that is not there yet: ``app/app1/eth0``, and why."""

    label: str
    state: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.label}: {self.state}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


@dataclass(frozen=True)
class Published:
    """What came of a transaction: the revision in which it is on the daemon's disk, and what it is waited for by."""

    revision: int
    documents: tuple[Document, ...] = ()
    deleted: tuple[tuple[Kind, str], ...] = ()
    waits: int = 0
    """The revision that waits for confirmation, if it was to be confirmed; 0: it changed nothing, and none does."""
    left: float = 0.0
    """Seconds until that one is taken back."""

    def targets(self, revisions: Mapping[str, int]) -> list[Target]:
        """Return what has to come true; ``revisions`` says of each agent which one its status has to speak of."""
        wanted = [deleted_target(kind, name) for kind, name in self.deleted]
        for document in self.documents:
            kind, name = identity(document)
            ready = ready_targets(kind, name, document)
            if kind is APP:
                wanted.append(deleted_target(kind, name, but=tuple(target.key for target in ready)))
            for target in ready:
                agent = "uplink" if target.kind is DEVICE else target.key.partition("/")[0]
                wanted.append(replace(target, revision=revisions.get(agent, 0)))
        return wanted


def puts(documents: Iterable[Document]) -> list[Put]:
    """Return the rows of documents; raises ConfigError if one does not say which object it is."""
    listed = list(documents)
    if not all(map(says_what, listed)):
        raise ConfigError(_nameless(listed))
    return [
        Put(kind.config, name, dict(document)) for document in listed for kind, name in [identity(document)]
    ]


def kind_of(name: str) -> Kind:
    """Return the kind of this name."""
    if name not in BY_DOCUMENT:
        raise NetnsmgrError(f"there is no kind {name!r}; kinds are {', '.join(BY_DOCUMENT)}")
    return BY_DOCUMENT[name]


def deletions(gone: Iterable[tuple[str, str]]) -> tuple[tuple[Kind, str], ...]:
    """Return which objects these tables and keys are."""
    return tuple((BY_TABLE[table], key) for table, key in gone)


@dataclass(frozen=True)
class Documents:
    """Documents that were read from files: ``publish`` says file, line and column of what is wrong with them."""

    loaded: Loaded
    notes: tuple[Problem, ...] = ()
    """What of a configuration of EVE is not carried over, or means something else; with file, line and column."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Path → what has to be in that file (0600, the daemon's) before the documents are published; from EVE alone."""

    def __iter__(self) -> Iterator[Document]:
        return iter(self.loaded.documents)

    def located(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return problems with their places, in the order of the texts."""
        return self.loaded.report(problems)


def read(*paths: str | os.PathLike[str], attach: str = "container") -> Documents:
    """Read files, directories of ``*.yaml`` files, and ``-`` (standard input): YAML, or an ``EdgeDevConfig`` of EVE in JSON.

    ``attach`` says how applications of EVE are attached by their names, as it does not know: ``container`` or ``netns``.
    Raises ConfigError with everything that is wrong with the texts.  What the documents mean is the daemon's to check.
    """
    from netnsmgr.config.load import load

    notes: list[Problem] = []
    secrets: dict[str, str] = {}

    def from_eve(text: str, file: str) -> Sequence[dict[str, Any]] | None:
        if not text.lstrip().startswith("{"):
            return None  # and its reader need not be imported
        from netnsmgr.config import from_eve
        from netnsmgr.config.converted import Wishes

        if not from_eve.recognises(text):
            return None
        converted = from_eve.convert(text, file, Wishes(attach=attach))
        notes.extend(converted.notes)
        secrets.update(converted.secrets)
        left = [each for each in converted.documents if each not in converted.complete]
        for kind, name in map(identity, left):
            notes.append(
                Problem(
                    f"{kind.label(name)} is left out: what it needs is not said there",
                    file=file,
                    line=1,
                    column=1,
                )
            )
        return converted.complete

    loaded = load(paths, from_eve)
    if loaded.problems:
        faults = _nameless(loaded.documents) if loaded.complete else []
        raise ConfigError(loaded.report(faults))
    return Documents(loaded, tuple(notes), secrets)


def _nameless(documents: Sequence[Document]) -> list[Problem]:
    """Find what is wrong with documents that cannot be told by kind and name."""
    from netnsmgr.config.check import check

    return [
        replace(problem, document=index)
        for index, document in enumerate(documents)
        if not says_what(document)
        for problem in check([document], {})[1]
    ]
