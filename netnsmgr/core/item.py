"""The value that everything is made of: one kernel object, file or process as it shall be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple


class Ref(NamedTuple):
    """Names an item: its kind (a kernel noun) and its key, unique within the kind and namespace."""

    kind: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


class Item:
    """One thing of a network stack, compared with ``==``; subclasses are frozen dataclasses.

    An item whose class says ``external`` is a fact owned by somebody else (a port, an application's
    namespace): others may stand on it, but it is never made, changed or removed.
    """

    kind: ClassVar[str]
    external: ClassVar[bool] = False

    def key(self) -> str:
        """Return the name within the kind; two items of one kind and key are the same object."""
        raise NotImplementedError

    @property
    def ref(self) -> Ref:
        """The item's name in plans, graphs and statuses."""
        return Ref(self.kind, self.key())

    def deps(self) -> frozenset[Ref]:
        """Return what has to exist before this item can."""
        return frozenset()

    def follows(self) -> frozenset[Ref]:
        """Return what has to be made first where both have to be made; it may go and come back on its own."""
        return frozenset()

    def must_replace(self, old: Item) -> bool:
        """Say whether ``old`` has to be deleted and made anew, rather than modified in place."""
        return type(old) is not type(self)


State = Mapping[Ref, Item]


def state(items: Iterable[Item]) -> dict[Ref, Item]:
    """Index items by their refs; two different items under one ref are a defect of their maker."""
    indexed: dict[Ref, Item] = {}
    for item in items:
        if indexed.setdefault(item.ref, item) != item:
            raise ValueError(f"{item.ref} is wanted twice and differently: {indexed[item.ref]} and {item}")
    return indexed
