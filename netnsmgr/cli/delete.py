"""``netnsmgr delete``: objects by name, or those that files describe."""

from __future__ import annotations

import click

from netnsmgr.cli import output
from netnsmgr.cli.confirm import Waits
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.objects import complete_names, known
from netnsmgr.cli.options import confirm_option, timeout_option
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import CONFIG_TABLES, KINDS, Kind, identity
from netnsmgr.pubsub.row import Change


@click.command("delete")
@click.argument("kind", type=KindType(), required=False)
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option(
    "-f",
    "--filename",
    "more",
    multiple=True,
    type=click.Path(allow_dash=True),
    help="Delete the objects that this file, directory or - describes (may be repeated).",
)
@confirm_option
@click.option("--no-wait", is_flag=True, help="Return when the deletion is accepted and on disk.")
@timeout_option()
@click.option("--takeover", is_flag=True, help="Delete also what another program configured.")
@pass_place
def command(
    place: Place,
    kind: Kind | None,
    names: tuple[str, ...],
    more: tuple[str, ...],
    confirm: float,
    no_wait: bool,
    timeout: float,
    takeover: bool,
) -> int:
    """Delete objects, in one transaction: by KIND and NAMEs, or those that files describe.

    An instance that applications still use is refused: delete them with it, or first. With --confirm all of it comes
    back, with its leases and generated keys, unless 'netnsmgr confirm' follows in time; see 'netnsmgr apply --help'.

    \b
    netnsmgr delete ni ni1 ni2
    netnsmgr delete -f instance.yaml
    """
    if (kind is None) == (not more) or (kind is not None and not names):
        raise click.UsageError("say what to delete: KIND NAME…, or -f FILE")
    with Daemon(place) as daemon:
        rows = daemon.rows(*CONFIG_TABLES)
        if kind is not None:
            doomed = [(kind, known(kind, name, rows)) for name in dict.fromkeys(names)]
        else:
            from netnsmgr.cli.files import read

            doomed = []
            for found in map(identity, read((), more, place).documents):
                if found[1] in rows[found[0].config]:
                    doomed.append(found)
                else:
                    output.say(f"{found[0].label(found[1])} is not there")
            if not doomed:
                return 0
        doomed.sort(key=lambda entry: -KINDS.index(entry[0]))
        changes = [Change(kind.config, name, None) for kind, name in doomed]
        done = daemon.transact(changes, takeover=takeover, confirm=confirm)
        waits = Waits(done.waits, done.left)
        if no_wait:
            for found in doomed:
                output.say(f"{found[0].label(found[1])} deleting")
            return waits.end(0)
        from netnsmgr.cli.follow import wait
        from netnsmgr.client.readiness import deleted_target

        wanted = [deleted_target(kind, name) for kind, name in doomed]
        return waits.end(wait(daemon, wanted, waits.limit(timeout)))
