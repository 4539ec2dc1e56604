"""The names of the instances' namespaces below ``/run/netns``: which are ours, given again, taken away."""

from __future__ import annotations

from pathlib import Path

import structlog

from netnsmgr.errors import KernelError
from netnsmgr.kernel import namespace

log = structlog.get_logger()


class Pins:
    """Tells our namespaces from others by the inode that an agent wrote into ``netns/<ni>`` while it still was root."""

    def __init__(self, run_dir: str) -> None:
        self._marks = Path(run_dir, "netns")

    def ours(self, name: str) -> bool:
        """Say whether there is a namespace of this name that we made."""
        found, mark = namespace.inode(namespace.pin_path(name)), self._mark(name)
        return found is not None and mark.exists() and mark.read_text(encoding="ascii") == str(found)

    def foreign(self, name: str) -> bool:
        """Say whether there is a namespace of this name, and never was one of ours."""
        return namespace.inode(namespace.pin_path(name)) is not None and not self._mark(name).exists()

    def remove(self, name: str) -> None:
        """Take the name of an instance's namespace away, if it is one of ours."""
        if self.ours(name):
            namespace.unpin(namespace.pin_path(name))
            self._mark(name).unlink()

    def renew(self, name: str, pid: int) -> bool:
        """Give its name back to a namespace that lost it (``ip netns del``); ``pid`` is its agent's, which may not mount.

        True where it had lost it, and has it again.
        """
        pin, mark, lives_in = namespace.pin_path(name), self._mark(name), f"/proc/{pid}/ns/net"
        # Not one that is being made this moment, nor the root namespace.
        if (
            namespace.inode(pin) is not None
            or not mark.exists()
            or mark.read_text(encoding="ascii") != str(namespace.inode(lives_in))
        ):
            return False
        try:
            Path(pin).touch(mode=0o444)
            namespace.bind(lives_in, pin)
        except (KernelError, OSError) as error:
            log.warning("cannot pin a namespace again", name=name, error=str(error))
            return False
        log.warning("a namespace had lost its name, and has it again", name=name)
        return True

    def _mark(self, name: str) -> Path:
        return self._marks / name
