"""``netnsmgr history``: the revisions of the configuration that are kept."""

from __future__ import annotations

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.history import Revision, revisions


@click.command("history")
@output.formats("table", "json", "yaml")
@pass_place
def command(place: Place, fmt: str) -> None:
    """List the revisions of the configuration, the newest last: when, by whom, and what each changed.

    The newest 50 are kept (64 MiB of them at most), over restarts and power failures. The time is that of the device's
    clock, which may have been wrong; the number counts. What 'apply --confirm' made says what became of it.
    """
    with Daemon(place) as daemon:
        answer = daemon.call("history", None)
    listed = revisions(answer)[::-1]
    if fmt != "table":
        output.data([each._asdict() for each in listed], fmt)
        return
    if not listed:
        output.say("nothing has been configured yet")
        return
    output.table(
        ["REVISION", "TIME", "BY", "WHAT", "STATE"],
        [
            [
                str(each.number),
                output.time_of(each.time),
                each.writer,
                each.what,
                _state(each, each is listed[-1]),
            ]
            for each in listed
        ],
    )


def _state(revision: Revision, newest: bool) -> str:
    words = ["present"] * newest
    if revision.left is not None:
        words.append(f"waits for confirmation, {revision.left:.0f} s left")
    elif revision.outcome:
        words.append(revision.outcome)
    return ", ".join(words)
