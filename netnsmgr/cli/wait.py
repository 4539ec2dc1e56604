"""``netnsmgr wait``: for scripts that need objects to be ready, or gone."""

from __future__ import annotations

import click

from netnsmgr.cli.follow import wait
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.objects import known, parse
from netnsmgr.cli.options import timeout_option
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import CONFIG_TABLES
from netnsmgr.client.readiness import DELETED, READY, deleted_target, ready_targets


@click.command("wait")
@click.argument("objects", nargs=-1, required=True, metavar="KIND/NAME…")
@click.option(
    "--for",
    "goal",
    type=click.Choice([READY, DELETED]),
    default=READY,
    show_default=True,
    help="What to wait for.",
)
@timeout_option()
@pass_place
def command(place: Place, objects: tuple[str, ...], goal: str, timeout: float) -> int:
    """Wait until all these objects are ready, or deleted; exit code 1 when the time is over.

    \b
    netnsmgr wait ni/ni1 app/app1 --for ready --timeout 30s
    """
    named = [parse(label, KindType()) for label in objects]
    with Daemon(place) as daemon:
        if goal == DELETED:
            wanted = [deleted_target(kind, name) for kind, name in named]
        else:
            rows = daemon.rows(*CONFIG_TABLES)
            wanted = []
            for kind, name in named:
                document = rows[kind.config].get(known(kind, name, rows), {})
                wanted += ready_targets(kind, name, document)
        return wait(daemon, wanted, timeout)
