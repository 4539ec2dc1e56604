"""What an apply would change in the configuration, document by document and field by field; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from netnsmgr.client.kinds import KINDS, Kind, identity
from netnsmgr.pubsub.row import Change

SECRETS = ("spec.metadata.userData",)
"""Fields whose text is not shown as a difference: it may hold passwords, and ends up in logs and on others' screens."""
ABSENT = object()
"""Stands for a field that is not there, which ``None`` (YAML's null) cannot."""


class Field(NamedTuple):
    """One field that differs; either value may be ``ABSENT``."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Delta:
    """What happens to one document: ``created``, ``changed``, ``unchanged`` or ``pruned``."""

    kind: Kind
    name: str
    action: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """The object's name in the output."""
        return self.kind.label(self.name)

    def change(self) -> Change:
        """Return the row to be put."""
        return Change(self.kind.config, self.name, None if self.new is None else dict(self.new))

    def fields(self) -> list[Field]:
        """Return what differs inside a changed document."""
        return [
            field._replace(old=veiled(field.path, field.old), new=veiled(field.path, field.new))
            for field in _differences("", self.old or {}, self.new or {})
        ]


def deltas(
    documents: Sequence[dict[str, Any]], existing: Mapping[str, Mapping[str, Any]], *, prune: bool
) -> list[Delta]:
    """Compare documents with the configuration tables; the documents first and in their order.

    What is pruned follows, users before what they use, so that positions of documents in a transaction are
    those in the files.
    """
    result = []
    for document in documents:
        kind, name = identity(document)
        old = existing.get(kind.config, {}).get(name)
        action = "created" if old is None else "unchanged" if old == document else "changed"
        result.append(Delta(kind, name, action, old, document))
    if prune:
        kept = {(delta.kind, delta.name) for delta in result}
        for kind in reversed(KINDS):
            for name, old in sorted(existing.get(kind.config, {}).items()):
                if (kind, name) not in kept:
                    result.append(Delta(kind, name, "pruned", old, None))
    return result


def _differences(path: str, old: Any, new: Any) -> Iterator[Field]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            step = f"{path}.{key}" if path else str(key)
            yield from _differences(step, old.get(key, ABSENT), new.get(key, ABSENT))
        return
    named_old, named_new = _by_name(old), _by_name(new)
    if named_old is not None and named_new is not None:
        # Ports and interfaces are told apart by their names: inserting one does not "change" all that follow.
        for name in [*named_old, *(name for name in named_new if name not in named_old)]:
            yield from _differences(
                f"{path}[{name}]", named_old.get(name, ABSENT), named_new.get(name, ABSENT)
            )
        if list(named_old) != list(named_new) and set(named_old) == set(named_new):
            yield Field(f"{path} (order)", list(named_old), list(named_new))
        return
    if old != new:
        yield Field(path, old, new)


def veiled(path: str, value: Any) -> Any:
    """Return the value with the secrets in it replaced by their lengths."""
    if path in SECRETS and isinstance(value, str):
        return f"({len(value)} characters)"
    if isinstance(value, Mapping):
        return {key: veiled(f"{path}.{key}", inner) for key, inner in value.items()}
    return value


def _by_name(value: Any) -> dict[str, Any] | None:
    """Return a list of named things by name; None for anything else."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value):
        return None
    named = {item["name"]: item for item in value}
    return named if len(named) == len(value) else None
