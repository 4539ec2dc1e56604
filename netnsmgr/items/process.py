"""Helper programs that run in this namespace.

*Ours* is a process whose argument vector names a file of our own run directory, tagged with the inode of our
namespace: ``…/instances/ni1/etc/dnsmasq.<inode>.<digest>.conf``.  A helper of an earlier namespace of the same
name is not mistaken for it, and one that runs with an outdated configuration has another vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from netnsmgr.core.item import Item, Ref
from netnsmgr.items.system import KernelItem, System


class Listens(NamedTuple):
    """A socket of AF_UNIX at ``path``, made for a helper, which finds its descriptor's number in ``variable``.

    Beside its owner the agent of the instance with this ``number`` may connect.
    """

    path: str
    number: int
    variable: str


@dataclass(frozen=True)
class Rights:
    """What a helper may do: nothing but what is said here, beside reading the system's libraries and ``/proc``."""

    capabilities: tuple[str, ...] = ()
    """By their names (``CAP_NET_RAW``)."""
    reads: tuple[str, ...] = ()
    """Files, and directories with all below them."""
    writes: tuple[str, ...] = ()
    """The same; the first is its own, a directory that is made for it and holds its process id where it forks."""
    unix: bool = False
    """Whether it may open sockets of AF_UNIX: by those it reaches what its agent reaches."""
    programs: bool = False
    """Whether it runs others: a shell, and what that calls."""
    python: bool = False
    """Whether it is our own, and needs the interpreter's files."""
    signals: bool = False
    """Whether it may signal others of its user, and not only what it has started."""
    listens: Listens | None = None
    """The socket that it is given."""


@dataclass(frozen=True)
class Process(KernelItem):
    """A helper that goes on when we stop, and is found again when we start.

    A helper that forks must return only when it is ready to serve, so that whatever stands on it starts from
    there; one that ``stays`` in the foreground counts as ready when it runs.
    """

    kind: ClassVar[str] = "process"
    name: str
    argv: tuple[str, ...]
    needs: frozenset[Ref] = field(default=frozenset(), compare=False)
    stays: bool = field(default=False, compare=False)
    program: str = field(default="", compare=False)
    """What a shell in ``argv`` runs: it has to be installed, and a shell would not say."""
    executable: str = field(default="", compare=False)
    """The program, where ``argv[0]`` is the name of a file that tells whose it is: of one that takes no such argument."""
    env: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """What it finds in its environment beside ours; what changes there has to change a name in ``argv``, too."""
    rights: Rights = field(default=Rights(), compare=False)
    lingers: float = field(default=0.0, compare=False)
    """Seconds for which it goes on serving after it was deleted: for what it was asked before."""

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return self.needs

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found = []
        for info in system.processes.running():
            want = wanted.get(info.name)
            needs = want.needs if isinstance(want, Process) else frozenset[Ref]()
            found.append(Process(info.name, info.argv, needs))
        return found

    async def create(self, system: System) -> None:
        if self.program:
            system.processes.require(self.program)
        await system.processes.start(
            self.name, self.argv, self.rights, stays=self.stays, executable=self.executable, env=self.env
        )

    def must_replace(self, old: Item) -> bool:
        return True

    async def delete(self, system: System) -> None:
        await system.processes.stop(self.name, linger=self.lingers)
