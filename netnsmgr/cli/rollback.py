"""``netnsmgr rollback``: objects become what they were in an earlier revision."""

from __future__ import annotations

import click

from netnsmgr.cli import output
from netnsmgr.cli.confirm import Waits
from netnsmgr.cli.hub import WRITER, Daemon
from netnsmgr.cli.options import confirm_option, timeout_option
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.history import RolledBack, rolled_back


@click.command("rollback")
@click.argument("revision", type=click.IntRange(min=1), required=False)
@click.option(
    "--all",
    "everybody",
    is_flag=True,
    help="Also the objects of other programs; they go on belonging to them.",
)
@confirm_option
@click.option("--no-wait", is_flag=True, help="Return when the configuration is accepted and on disk.")
@timeout_option()
@pass_place
def command(
    place: Place, revision: int | None, everybody: bool, confirm: float, no_wait: bool, timeout: float
) -> int:
    """Make all objects what they were in REVISION, which 'netnsmgr history' lists; or take back what waits.

    Without REVISION: a change that waits for confirmation is taken back at once; else the last change made by this
    command line is. After a rollback a number has to be said, as "the last" could mean two things.

    A rollback is a change like any other: it is checked as a whole and refused with everything that is wrong, it gets
    a revision of its own, and can be rolled back itself. Objects that other programs have put stay, unless --all is
    given; what stays is said. Files that the configuration names, such as keys, are not part of a revision: they have
    to be there. 'netnsmgr diff --revision REVISION' shows beforehand what it would change.
    """
    asked = {"revision": revision, "writer": WRITER, "all": everybody, "confirm": confirm}
    with Daemon(place) as daemon:
        done = rolled_back(daemon.call("rollback", asked))
        _report(done)
        waits = Waits(done.published.waits, done.published.left)
        if no_wait or not done.changed:
            return waits.end(0)
        from netnsmgr.cli.follow import wait

        wanted = done.published.targets(daemon.call("revisions", None))
        return waits.end(wait(daemon, wanted, waits.limit(timeout)))


def _report(done: RolledBack) -> None:
    for kind, name, action in done.changed:
        colour = "red" if action == "deleted" else "yellow"
        output.say(f"{kind.label(name)} {click.style(action, fg=colour)}")
    for each in done.kept:
        what = (
            f"stays: it belongs to {each.writer!r}"
            if each.there
            else f"stays away: it belonged to {each.writer!r}"
        )
        output.say(f"{each.kind.label(each.name)} {what} (see --all)")
    if done.undone is not None:
        output.say(f"revision {done.undone} is taken back (revision {done.published.revision})")
    elif done.changed:
        output.say(f"rolled back to revision {done.target} (revision {done.published.revision})")
    else:
        output.say(f"nothing to change: all is as in revision {done.target}")
