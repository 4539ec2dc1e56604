"""``netnsmgr confirm``: the change that waits may stay; and what other commands say of one that does."""

from __future__ import annotations

import time

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.place import Place, pass_place


@click.command("confirm")
@click.argument("revision", type=click.IntRange(min=1), required=False)
@pass_place
def command(place: Place, revision: int | None) -> int:
    """Let the change stay that waits for confirmation, which 'apply --confirm' or 'rollback --confirm' made.

    With REVISION only if it is that one. To confirm the same change twice is no error; to confirm one that was taken
    back, or when none waits, is one (exit code 1). Confirm it by a new connection to the device: that there is one is
    what has to be proved.
    """
    with Daemon(place) as daemon:
        answer = daemon.call("confirm", {"revision": revision})
    what = "was confirmed already" if answer["already"] else "is confirmed"
    output.say(f"revision {answer['revision']} {what}")
    return 0


class Waits:
    """The revision that waits for confirmation (0: none), and until when on this process's clock."""

    def __init__(self, revision: int, left: float) -> None:
        """``left``: seconds."""
        self._revision = revision
        self._end = time.monotonic() + left

    def limit(self, timeout: float) -> float:
        """Return how long it makes sense to wait for anything."""
        return min(timeout, round(self._left, 1)) if self._revision else timeout

    def end(self, code: int) -> int:
        """Say what is to be done about it; return the exit code."""
        if not self._revision:
            return code
        if not self._left:
            output.say(f"revision {self._revision} is taken back: nobody confirmed it in time", err=True)
            return 1
        output.say(
            f"revision {self._revision} waits for confirmation: it is taken back in {self._left:.0f} s unless you run "
            f"'netnsmgr confirm {self._revision}'"
        )
        return code

    @property
    def _left(self) -> float:
        return max(0.0, self._end - time.monotonic())
