"""Policy rules.

*Ours* are the ones with our protocol number (``FRA_PROTOCOL``, since Linux 4.17).  A wanted rule that somebody else
has made already counts as there, since the kernel refuses a second one, and stays when it is no longer wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netnsmgr.core.ip import VERSIONS, IPAddress, IPNetwork, Version
from netnsmgr.core.item import Item
from netnsmgr.items.route import LOCAL
from netnsmgr.items.system import KernelItem, System

WHOLE_MARK = 0xFFFFFFFF


@dataclass(frozen=True)
class Rule(KernelItem):
    """``ip rule``: packets that came in by ``iif``, or from ``src``, to ``dst`` or marked ``mark``, look into ``table``.

    ``oif`` stands for packets of sockets that are bound to a link.  A rule may name a link that does not exist yet: the
    kernel attaches it when the link appears.
    """

    kind: ClassVar[str] = "rule"
    priority: int
    table: int
    iif: str = ""
    src: IPAddress | None = None
    dst: IPNetwork | None = None
    mark: int = 0
    version: Version = 4
    """Of the packets: 4 or 6; that of ``src`` and ``dst``, where they are given."""
    mask: int = WHOLE_MARK
    """The bits of the mark that are compared."""
    oif: str = ""

    def __post_init__(self) -> None:
        given = self.src or self.dst
        if given is not None:
            object.__setattr__(self, "version", given.version)

    def key(self) -> str:
        iif = f" iif {self.iif}" if self.iif else ""
        dst = f" to {self.dst}" if self.dst else ""
        mask = f"/{self.mask:#x}" if self.mask != WHOLE_MARK else ""
        mark = f" fwmark {self.mark:#x}{mask}" if self.mark else ""
        oif = f" oif {self.oif}" if self.oif else ""
        version = "" if self.version == 4 else "-6 "
        return f"{version}{self.priority} from {self.src or 'all'}{dst}{mark}{iif}{oif} lookup {self.table}"

    @property
    def moved_local(self) -> bool:
        """True of the lookup of the table ``local`` for all packets: that one is ``LocalRule``'s."""
        chosen = self.iif or self.oif or self.mark or self.src is not None or self.dst is not None
        return self.table == LOCAL and not chosen

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        return [
            rule
            for rule, ours in await system.rtnl.rules()
            if (ours or rule.key() in wanted) and not rule.moved_local
        ]

    async def create(self, system: System) -> None:
        await system.rtnl.add_rule(self)

    async def delete(self, system: System) -> None:
        await system.rtnl.delete_rule(self)


@dataclass(frozen=True)
class LocalRule(KernelItem):
    """That the table ``local`` is looked up after our rules, at ``priority`` instead of 0.

    The kernel looks into ``local`` first, before any rule: a packet of an instance to an address that the
    device happens to have on *another* port would end on the device instead of leaving by the instance's
    own port.  Recognised as a rule of the kernel's own protocol (or ours) that looks into table 255 at another
    priority than 0, where the kernel never puts it; taken back to 0 when no longer wanted.
    """

    kind: ClassVar[str] = "local-rule"
    priority: int
    version: Version = 4

    def key(self) -> str:
        return "local" if self.version == 4 else "local -6"

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found = []
        for version in VERSIONS:
            locals_ = await _local_rules(system, version)
            if ours := [rule for rule, mine in locals_ if mine]:
                # Cut off between the steps of "create": an old rule is still there, so the move is unfinished.
                finished = len(ours) == 1 and not any(_kernels(rule, mine) for rule, mine in locals_)
                found.append(LocalRule(ours[0].priority if finished else 0, version))
        return found

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        # First the new one, then the old one goes: no packet meets a moment without local delivery.
        locals_ = await _local_rules(system, self.version)
        if not any(mine and rule.priority == self.priority for rule, mine in locals_):
            await system.rtnl.add_rule(Rule(self.priority, LOCAL, version=self.version))
        for rule, mine in locals_:
            if _kernels(rule, mine) or (mine and rule.priority != self.priority):
                await system.rtnl.delete_rule(rule, ours=mine)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        locals_ = await _local_rules(system, self.version)
        if not any(rule.priority == 0 for rule, _ in locals_):
            await system.rtnl.add_rule(Rule(0, LOCAL, version=self.version))
        for rule, mine in locals_:
            if mine:
                await system.rtnl.delete_rule(rule)


def _kernels(rule: Rule, mine: bool) -> bool:
    return rule.priority == 0 and not mine


async def _local_rules(system: System, version: Version) -> list[tuple[Rule, bool]]:
    return [
        (rule, ours)
        for rule, ours in await system.rtnl.rules()
        if rule.moved_local and rule.version == version
    ]
