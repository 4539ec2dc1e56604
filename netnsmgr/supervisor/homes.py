"""Who each agent is, and the directories that are its own: made, given and taken away by the supervisor, which is root."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from netnsmgr.agent.rights import Person
from netnsmgr.errors import KernelError
from netnsmgr.features.rows import etc_dir, given_dir, lease_file, secrets_dir
from netnsmgr.kernel import places, reach
from netnsmgr.kernel.confine import has_user
from netnsmgr.kernel.processes import end_all
from netnsmgr.kernel.trees import remove_tree
from netnsmgr.pubsub.hub import Hub
from netnsmgr.supervisor.agents import Settings

UPLINK = "uplink"
MOST = 65_536
"""How many users there may be: more than there are numbers for instances."""

log = structlog.get_logger()


class Homes:
    """Owns ``instances/<agent>``, ``given/<agent>`` and ``netns/<ni>`` in the run directory, ``leases/<agent>`` and ``secrets/<ni>`` in the state directory.

    ``users`` is the first user, 0 for none: then all agents stay root, without root's rights.
    """

    def __init__(
        self, hub: Hub, settings: Settings, users: int, numbers: Callable[[], Mapping[str, int]]
    ) -> None:
        run_dir, state_dir = settings.run_dir, settings.state_dir
        self._hub = hub
        self._run_dir = run_dir
        self._state_dir = state_dir
        self._numbers = numbers
        self._users = users if users and _possible(users, run_dir) else 0
        for path, mode in (
            (f"{run_dir}/instances", 0o711),
            (f"{run_dir}/netns", 0o755),
            (f"{run_dir}/given", 0o711),
            (f"{state_dir}/leases", 0o711),
            (f"{state_dir}/secrets", 0o711),
        ):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
        for mark in Path(run_dir, "instances").glob("*/netns"):  # where versions before this one had it
            if mark.parent.stat().st_uid == 0:
                os.replace(mark, Path(run_dir, "netns", mark.parent.name))

    def user(self, agent: str) -> int | None:
        """Return an agent's user, whose group has the same number; None where it stays root."""
        if not self._users:
            return None
        return self._users if agent == UPLINK else self._users + 1 + self._numbers()[agent]

    def agent(self, user: int) -> str | None:
        """Return whose user this is; None of users that are no agents'."""
        number = user - self._users - 1
        if not self._users or not -1 <= number < MOST:
            return None
        if number == -1:
            return UPLINK
        return next((name for name, each in self._numbers().items() if each == number), "")

    def furnish(self, agent: str) -> Person:
        """Make an agent's directories, and its own what is in them from another user's time; return who it is."""
        user = self.user(agent)
        owner = user or 0
        home = f"{self._run_dir}/instances/{agent}"
        if _owner(home) not in (None, owner):
            self._take_down(agent)
        for path in self._directories(agent):
            os.makedirs(path, mode=0o700, exist_ok=True)
            if _owner(path) != owner:
                try:
                    _give(path, owner)
                except RecursionError:  # no agent of ours makes such a tree
                    remove_tree(path)
                    os.makedirs(path, mode=0o700)
                    os.chown(path, owner, owner)
            os.chmod(path, 0o700)
        given, _ = self.given(agent)
        self._hub.door.open(Path(given), owner)
        if agent == UPLINK:
            places.lend(user)
        return Person(user)

    def given(self, agent: str) -> tuple[str, int]:
        """Make the directory of what an agent is given; return it with the agent's group, which may read there."""
        given, group = given_dir(self._run_dir, agent), self.user(agent) or 0
        os.makedirs(given, mode=0o750, exist_ok=True)
        os.chmod(given, 0o750)  # noqa: S103  the agent's group
        os.chown(given, 0, group)
        return given, group

    def remove(self, agent: str, *, keep: bool = False) -> None:
        """Remove an agent's directories; ``keep``: leases and generated keys stay, as the instance may come back."""
        given = given_dir(self._run_dir, agent)
        self._hub.door.shut(Path(given))
        for path in (given, f"{self._run_dir}/instances/{agent}"):
            remove_tree(path)
        if not keep:
            self.forget(agent)

    def forget(self, agent: str) -> None:
        """Remove what outlives a reboot: leases and generated keys."""
        for path in self._lasting(agent):
            remove_tree(path)

    def _directories(self, agent: str) -> Iterator[str]:
        yield f"{self._run_dir}/instances/{agent}"
        yield from self._lasting(agent)

    def _lasting(self, agent: str) -> Iterator[str]:
        yield os.path.dirname(lease_file(self._state_dir, agent))
        yield secrets_dir(self._state_dir, agent)

    def _take_down(self, agent: str) -> None:
        """End the helpers that an earlier version, or another number, left: of another user, the agent could not."""
        mark = Path(self._run_dir, "netns", agent)
        inode = mark.read_text(encoding="ascii") if mark.exists() else ""
        tag = int(inode) if inode.isdigit() else os.stat("/proc/self/ns/net").st_ino
        if agent == UPLINK or inode.isdigit():
            log.info("ends helpers of another user's time", agent=agent)
            end_all(etc_dir(self._run_dir, agent), tag, _owner(f"{self._run_dir}/instances/{agent}"))


def _possible(users: int, run_dir: str) -> bool:
    """Say whether agents can be somebody else than root here; log why not."""
    why = (
        ""
        if has_user(users) and has_user(users + MOST)
        else f"users {users} to {users + MOST} do not exist here"
    )
    if not why:
        try:
            reach.furnish(run_dir)
        except KernelError as error:
            why = str(error)
    if why:
        log.warning("agents stay root, without root's rights", reason=why)
    return not why


def _owner(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except FileNotFoundError:
        return None


def _give(path: str, owner: int) -> None:
    """Give a tree to a user.  By descriptors, and nothing that has another name elsewhere: whoever had it may be at work."""
    for _, _, files, where in os.fwalk(path):
        os.fchown(where, owner, owner)
        for name in files:
            with suppress(FileNotFoundError):
                if os.stat(name, dir_fd=where, follow_symlinks=False).st_nlink == 1:
                    os.chown(name, owner, owner, dir_fd=where, follow_symlinks=False)
