"""``netnsmgr apply``: files in, one transaction, and waiting until it is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from netnsmgr.cli import output
from netnsmgr.cli.changes import Delta, deltas
from netnsmgr.cli.confirm import Waits
from netnsmgr.cli.files import check_here, read, refusal
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.options import confirm_option, file_arguments, timeout_option
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import CONFIG_TABLES
from netnsmgr.errors import ConfigError
from netnsmgr.pubsub.row import WireError

COLOURS = {"created": "green", "changed": "yellow", "pruned": "red"}


@click.command("apply")
@file_arguments
@click.option("--no-wait", is_flag=True, help="Return when the configuration is accepted and on disk.")
@timeout_option()
@click.option("--prune", is_flag=True, help="Delete whatever is configured and not in the files; says what.")
@confirm_option
@click.option("--takeover", is_flag=True, help="Take over objects that another program configured before.")
@pass_place
def command(
    place: Place,
    files: tuple[str, ...],
    more: tuple[str, ...],
    no_wait: bool,
    timeout: float,
    prune: bool,
    confirm: float,
    takeover: bool,
) -> int:
    """Bring network instances and applications to the state that FILES describe.

    All files are one transaction: with any error in them nothing is changed.  What the files say is the whole
    state of the objects in them; objects that they do not name stay as they are (but see --prune).

    What is accepted but not ready in time (exit code 1) stays configured: the device goes on trying. 'netnsmgr
    rollback' takes the whole change back.

    With --confirm the change is taken back by the daemon itself, unless 'netnsmgr confirm' follows in time: also when
    the change has cut your own way to the device, when the daemon was killed meanwhile (as soon as it runs again), and
    at once when the device starts again. Nothing else confirms it, and only one change at a time can wait. Meanwhile others can change other things,
    as long as that would also be right without what waits; that stays when it is taken back.
    """
    loaded = read(files, more, place)
    with Daemon(place) as daemon:
        existing = daemon.rows(*CONFIG_TABLES)
        changes = deltas(loaded.documents, existing, prune=prune)
        try:
            done = daemon.transact([delta.change() for delta in changes], takeover=takeover, confirm=confirm)
        except ConfigError as error:
            raise refusal(loaded, changes, error.problems) from None
        except WireError:
            check_here(loaded, existing)
            raise
        waits = Waits(done.waits, done.left)
        _report(changes, done.revision)
        if no_wait:
            return waits.end(0)
        from netnsmgr.cli.follow import wait
        from netnsmgr.client.readiness import deleted_target, targets

        changed = {delta.label for delta in changes if delta.action in ("created", "changed")}
        wanted = targets(loaded.documents, done.revision, changed)
        wanted += [deleted_target(delta.kind, delta.name) for delta in changes if delta.action == "pruned"]
        code = wait(daemon, wanted, waits.limit(timeout))
        if code and not done.waits and any(delta.action != "unchanged" for delta in changes):
            output.say(
                f"all of it stays configured as revision {done.revision} and goes on being tried; 'netnsmgr rollback' takes it back",
                err=True,
            )
        return waits.end(code)


def _report(changes: Sequence[Delta], revision: int) -> None:
    for delta in changes:
        if delta.action != "unchanged":
            output.say(f"{delta.label} {click.style(delta.action, fg=COLOURS[delta.action])}")
    same = Counter(delta.action for delta in changes)["unchanged"]
    if same == len(changes):
        output.say(f"nothing to change: all {same} documents are in place already (revision {revision})")
    elif same:
        output.say(f"{same} unchanged (revision {revision})")
