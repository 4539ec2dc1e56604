"""Kernel parameters of this namespace (``/proc/sys/net/…``).

Needs no mark of ownership: only wanted parameters are observed, and one that is no longer wanted keeps its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System


@dataclass(frozen=True)
class Sysctl(KernelItem):
    """One parameter; ``parameter`` with slashes (``net/ipv4/ip_forward``), as link names may contain dots."""

    kind: ClassVar[str] = "sysctl"
    parameter: str
    value: str
    link: str = ""
    """The link whose parameter this is; it has to exist first."""
    after: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What has to be there first, such as other parameters; it goes after this has got another value."""
    behind: frozenset[Ref] = field(default=frozenset(), compare=False)
    """What comes first where it is made or changed at all."""

    def key(self) -> str:
        return self.parameter

    def deps(self) -> frozenset[Ref]:
        return self.after | {link_ref(self.link)} if self.link else self.after

    def follows(self) -> frozenset[Ref]:
        return self.behind

    @property
    def path(self) -> str:
        """The file of the parameter; it shows the namespace of the process that opens it."""
        return f"/proc/sys/{self.parameter}"

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found = []
        for want in wanted.values():
            assert isinstance(want, Sysctl)
            value = system.files.read(want.path)
            if value is not None:
                found.append(Sysctl(want.parameter, value.strip().replace("\t", " "), want.link))
        return found

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        system.files.poke(self.path, self.value)

    async def modify(self, old: Item, system: System) -> None:
        system.files.poke(self.path, self.value)

    async def delete(self, system: System) -> None:
        return None
